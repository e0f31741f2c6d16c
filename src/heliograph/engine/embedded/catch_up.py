"""Catching up, in slices: those who are behind take turns at reading, a batch each, for a moment in every tick."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import structlog

from heliograph.errors import ServerError

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange

#: How much is read ahead for one subscription.
REFILL_EVENTS = 512
REFILL_BYTES = 1_048_576
#: How long the readers may keep the loop in one tick, seconds.
_SLICE_S = 0.002
#: After an error of the disk.
_RETRY_S = 0.5

log = structlog.get_logger("heliograph.engine")


class Reader(Protocol):
    """Who reads the log a batch at a time."""

    exchange: Exchange

    def refill(self) -> bool:
        """Read one batch; whether another should be read now."""


class CatchUp:
    """Readers that want more of the log; bounded by their number, since each stands in line once."""

    __slots__ = ("_line", "_loop", "_scheduled", "_standing")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[Reader] = deque()
        self._standing: set[Reader] = set()
        self._scheduled = False

    def want(self, reader: Reader) -> None:
        """``reader`` has room for more."""
        if reader not in self._standing:
            self._standing.add(reader)
            self._line.append(reader)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        until = perf_counter() + _SLICE_S
        while self._line:
            reader = self._line.popleft()
            try:
                more = reader.refill()
            except ServerError as error:  # the disk cannot be read now; the log counts how often
                log.error("catching up failed", exchange=reader.exchange.name, detail=error.detail)
                self._loop.call_later(_RETRY_S, self._again, reader)
                continue
            except Exception:  # the others go on
                log.exception("bug", exchange=reader.exchange.name)
                more = False
            if more:
                self._line.append(reader)
            else:
                self._standing.discard(reader)
            if perf_counter() >= until:
                break
        if self._line:
            self._schedule()

    def _again(self, reader: Reader) -> None:
        self._line.append(reader)
        self._schedule()
