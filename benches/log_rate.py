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

from heliograph.engine.embedded.log.batch import HEAD_BYTES, decode_events, decode_head, decode_keys, encode_batch
from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.writer import LogWriter
from heliograph.engine.interface import Envelope, Event
from heliograph.limits import Limits

BODY = bytes(range(250)) + bytes(200)
SIZE = 2 * len(BODY) + 1_024
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

    def _committed(self, events: list[tuple[Log, list[Event]]]) -> None:
        self.commits += 1
        self.stored += sum(len(stored) for _, stored in events)
        self.waiting.set()

    def _failed(self, error: Exception, _: object) -> None:
        sys.exit(f"failed: {error}")

    def publish(self, count: int, received_ms: int) -> None:
        log, append = self.log, self.writer.append
        for _ in range(count):
            offset = log.next_offset_to_assign
            log.next_offset_to_assign = offset + 1
            append(log, Event(ENVELOPES[offset % 50], offset, BODY, SIZE, 0, received_ms, {}))

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
    while publisher.writer.uncommitted_bytes:
        await publisher.wait()
    took = time.perf_counter() - start
    show("events/s, committed in groups", (publisher.stored - before) / took)
    show("  events a commit", (publisher.stored - before) / (publisher.commits - commits))


def append_alone(publisher: Publisher) -> None:
    log, append = publisher.log, publisher.writer.append
    event = Event(ENVELOPES[0], 1, BODY, 0, 0, 0, {})
    best = min(timed(lambda: [append(log, event) for _ in range(1_000)]) for _ in range(50))
    empty = min(timed(lambda: [event for _ in range(1_000)]) for _ in range(50))
    log.pending.clear()
    show("append, ns an event", (best - empty) * 1e6)


def encode_and_decode(count: int) -> None:
    events = [Event(ENVELOPES[n % 50], n + 1, BODY, SIZE, 0, 5, {}) for n in range(count)]
    _, prefix, body = encode_batch(events, 0, 1, 7)
    head = decode_head(prefix, 0, 7)
    assert head is not None
    keys = decode_keys(head, prefix[HEAD_BYTES:], 7)
    rounds = 4_000 // count + 10
    best = min(timed(lambda: [encode_batch(events, 0, 1, 7) for _ in range(rounds)]) for _ in range(5))
    show(f"encode, ns an event, batches of {count}", best / rounds / count * 1e9)
    best = min(timed(lambda: [decode_events("acme.raw", head, keys, body, 7) for _ in range(rounds)]) for _ in range(5))
    show(f"decode, ns an event, batches of {count}", best / rounds / count * 1e9)


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
        offset = log.next_offset
        for place in range(1_000):
            log.apply(log.tail.write([Event(ENVELOPES[0], offset + place, BODY, SIZE, 0, 5, {})], sync=False))
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
    append_alone(publisher)
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
            encode_and_decode(count)
        uvloop.run(run(root / "rate"))
        open_full(root / "open", given.open_mib)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
