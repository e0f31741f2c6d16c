"""A process that publishes to a log as fast as it can, and says which offsets are stored.  Run with its directory."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
import structlog

from heliograph.engine.embedded.log.committer import Blocks
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.writer import LogWriter
from heliograph.engine.interface import Envelope
from heliograph.errors import HeliographError
from heliograph.limits import Limits

LIMITS = msgspec.structs.replace(Limits(), segment_bytes_max=1 << 18, journal_bytes_min=1 << 14)
EXCHANGES = ("acme.raw", "acme.refined")


def body_of(exchange: str, offset: int) -> bytes:
    return f"{exchange} {offset} ".encode() * (1 + offset % 50)


async def publish(root: Path) -> None:
    store = FileStore(root)
    journal = Journal(store, LIMITS)
    journal.load()

    def committed(stored: Blocks) -> None:
        for log, blocks in stored:
            say(f"{log.name} {blocks[-1].last_offset} {sum(block.event_count for block in blocks)}")

    def confirmed(name: str, offset: int, error: HeliographError | None) -> None:
        if error is None:
            say(f"{name} put {offset}")

    def say(line: str) -> None:
        os.write(1, f"{line}\n".encode())

    writer = LogWriter(store, LIMITS, journal, committed, lambda *_: sys.exit(3), lambda: None)
    logs = [Log(store, exchange, LIMITS) for exchange in EXCHANGES]
    for log in logs:
        say(f"{log.name} from {log.draft.next_offset}")
        writer.add(log)
    writer.start(asyncio.get_running_loop())
    for count in range(10**9):
        for log in logs:
            offset = log.draft.next_offset
            envelope = Envelope(log.name, f"key.{offset % 7}", {"n": str(offset)})
            (event,) = log.draft.append([envelope], [body_of(log.name, offset)], time.time_ns() // 10**6)
            if event.position >= log.draft.attend_at:
                writer.attend(log)
            if count % 37 == 0:
                journal.put(log.name, str(offset).encode(), partial(confirmed, log.name, offset))
        if count % 20 == 0:
            writer.commit_soon()
            await asyncio.sleep(0)
        while writer.uncommitted_bytes > 1 << 18:
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # what it says goes to stdout
    asyncio.run(publish(Path(sys.argv[1])))
