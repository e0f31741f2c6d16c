"""How fast the log is on this disk: commits, events through append and writer, encoding, reading, opening.

    python benches/log_rate.py [--directory DIR] [--open-mib 1024]

Bodies of 450 octets.  Numbers of one machine; the ratio to another machine's is its disk's and its Python's.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from heliograph.engine.embedded.log.committer import Blocks
from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.draft import Draft
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.writer import LogWriter
from heliograph.engine.interface import Envelope
from heliograph.limits import Limits

BODY = bytes(range(250)) + bytes(200)
ENVELOPES = [Envelope("acme.raw", f"7.{camera}.faces", {"type": "face", "camera": str(camera)}) for camera in range(50)]
SECONDS = 3.0


class Publisher:
    """Appends events of one log to its writer."""

    def __init__(self, root: Path) -> None:
        self.store = FileStore(root)
        journal = Journal(self.store, Limits())
        journal.load()
        self.log = Log(self.store, "acme.raw", Limits(log_bytes_max=1 << 40))
        self.stored = 0
        self.commits = 0
        self.waiting: asyncio.Event = asyncio.Event()
        self.writer = LogWriter(self.store, Limits(), journal, self._committed, self._failed, lambda: None)
        self.writer.add(self.log)
        self.writer.start(asyncio.get_running_loop())

    def _committed(self, stored: Blocks) -> None:
        self.commits += 1
        self.stored += sum(block.event_count for _, blocks in stored for block in blocks)
        self.waiting.set()

    def _failed(self, error: Exception, _: object) -> None:
        sys.exit(f"failed: {error}")

    def publish(self, count: int, received_ms: int) -> None:
        draft = self.log.draft
        for place in range(count):
            event = draft.append(ENVELOPES[place % 50], BODY, received_ms)
            if event.position >= draft.attend_at:
                self.writer.attend(self.log)

    async def wait(self) -> None:
        self.waiting.clear()
        await self.waiting.wait()

    async def stop(self) -> None:
        await self.writer.stop()
        self.log.close()
        self.store.close()


async def one_receipt_waiting(publisher: Publisher) -> None:
    before, start = publisher.commits, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        publisher.publish(1, time.time_ns() // 10**6)
        publisher.writer.commit_soon()
        await publisher.wait()
    show("commits/s, one receipt waiting", (publisher.commits - before) / (time.perf_counter() - start))


async def group_commit(publisher: Publisher) -> None:
    before, commits, start = publisher.stored, publisher.commits, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        publisher.publish(100, time.time_ns() // 10**6)
        await asyncio.sleep(0)
        while publisher.writer.uncommitted_bytes > 8 << 20:
            await publisher.wait()
    while publisher.log.next_offset < publisher.log.draft.next_offset:
        await publisher.wait()
    took = time.perf_counter() - start
    show("events/s, committed in groups", (publisher.stored - before) / took)
    show("  events a commit", (publisher.stored - before) / (publisher.commits - commits))


def append_and_seal(count: int) -> None:
    draft = Draft("acme.raw", 1)

    def append() -> None:
        for place in range(count):
            draft.append(ENVELOPES[place % 50], BODY, 5)

    append_s, seal_s, decode_s = [], [], []
    for _ in range(20_000 // count + 10):
        append_s.append(timed(append))
        start = time.perf_counter()
        block = draft.seal()
        seal_s.append(time.perf_counter() - start)
        assert block is not None
        decode_s.append(timed(block.events))
    for what, took_s in (("append", append_s), ("seal", seal_s), ("decode", decode_s)):
        show(f"{what}, ns an event, blocks of {count}", min(took_s) / count * 1e9)


def read_all(log: Log) -> None:
    start, count, batches, offset = time.perf_counter(), 0, 0, log.first_offset
    while (batch := log.read_batch(offset)) is not None and time.perf_counter() - start < SECONDS:
        assert not isinstance(batch, Gap)
        count += len(batch.events())
        batches += 1
        offset = batch.last_offset + 1
    took = time.perf_counter() - start
    show(f"events/s read and decoded, {count / batches:.0f} a batch", count / took)
    start, batches, offset = time.perf_counter(), 0, log.first_offset
    while (batch := log.read_batch(offset)) is not None and time.perf_counter() - start < SECONDS:
        batches += 1
        offset = (batch.last if isinstance(batch, Gap) else batch.last_offset) + 1
    show("batches/s skipped by their keys", batches / (time.perf_counter() - start))


def fill(root: Path, mib: int) -> None:
    """A log of batches of one event each, the most that it can be made of, and with a last segment about to be full."""
    store = FileStore(root)
    log = Log(store, "acme.raw", Limits(log_bytes_max=1 << 40))
    log.apply(log.tail.repair(1))
    while log.size_bytes < mib << 20 or log.size_bytes % (Limits().segment_bytes_max + 300) < 66_000_000:
        for _ in range(1_000):
            log.draft.append(ENVELOPES[0], BODY, 5)
            log.seal()
            blocks = log.hand_over()
            log.apply(log.tail.write(blocks, sync=False))
            log.drop(blocks)
    log.tail.sync()
    while log.jobs:
        log.jobs.popleft()()
    log.close()
    store.close()


def open_full(root: Path, mib: int) -> None:
    fill(root, mib)
    store = FileStore(root)
    start = time.perf_counter()
    log = Log(store, "acme.raw", Limits())
    took = time.perf_counter() - start
    show(f"s to open {log.size_bytes >> 20} MiB of one-event batches, killed", took, digits=3)
    read_all(log)
    log.close()
    for index in root.glob("logs/*/*.index"):
        index.unlink()
    start = time.perf_counter()
    Log(store, "acme.raw", Limits()).close()
    show("s the same, all its indexes lost", time.perf_counter() - start, digits=3)
    store.close()


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def show(what: str, value: float, digits: int = 0) -> None:
    print(f"{what:60} {value:12,.{digits}f}", flush=True)


async def run(root: Path) -> None:
    sys.setswitchinterval(0.0005)
    publisher = Publisher(root)
    await one_receipt_waiting(publisher)
    await group_commit(publisher)
    read_all(publisher.log)
    await publisher.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--directory", type=Path, help="on the disk to measure; a temporary one if not given")
    arguments.add_argument("--open-mib", type=int, default=1_024)
    given = arguments.parse_args()
    root = Path(tempfile.mkdtemp(prefix="log-rate-", dir=given.directory))
    try:
        for count in (1, 16, 256):
            append_and_seal(count)
        uvloop.run(run(root / "rate"))
        open_full(root / "open", given.open_mib)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
