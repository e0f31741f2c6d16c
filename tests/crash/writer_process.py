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

from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.writer import Events, LogWriter
from heliograph.engine.interface import Envelope, Event
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

    def committed(events: Events) -> None:
        for log, stored in events:
            say(f"{log.name} {stored[-1].offset} {len(stored)}")

    def confirmed(name: str, offset: int, error: HeliographError | None) -> None:
        if error is None:
            say(f"{name} put {offset}")

    def say(line: str) -> None:
        os.write(1, f"{line}\n".encode())

    writer = LogWriter(store, LIMITS, journal, committed, lambda *_: sys.exit(3), lambda: None)
    logs = [Log(store, exchange, LIMITS) for exchange in EXCHANGES]
    for log in logs:
        say(f"{log.name} from {log.next_offset_to_assign}")
        writer.add(log)
    writer.start(asyncio.get_running_loop())
    for count in range(10**9):
        for log in logs:
            offset = log.next_offset_to_assign
            log.next_offset_to_assign = offset + 1
            envelope = Envelope(log.name, f"key.{offset % 7}", {"n": str(offset)})
            body = body_of(log.name, offset)
            writer.append(log, Event(envelope, offset, body, 2 * len(body), 0, time.time_ns() // 10**6, {}))
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
