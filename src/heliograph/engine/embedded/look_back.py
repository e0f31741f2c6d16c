"""Reading an exchange backwards: stretches of its log, the newest first, in line with those who catch up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.stored import Batch
from heliograph.engine.embedded.matching import Admitted
from heliograph.engine.interface import Binding, Event, Missing

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange

_FOR_EVER = 1 << 62
#: A batch costs as much as reading so many octets, however small it is.
_BATCH_OCTETS = 4_096

Found = tuple[list[Event], list[Missing], int]


class LookBack:
    """See ``engine.interface.LookBack``.  ``first``: nothing below is asked for."""

    __slots__ = ("_admits", "_events", "_first", "_left", "_missing", "_octets", "_waiting",
                 "before", "exchange", "reached_ms")  # fmt: skip

    def __init__(self, exchange: Exchange, binding: Binding, before: int, first: int) -> None:
        self.exchange = exchange
        self.before = before
        self.reached_ms = _FOR_EVER
        self._first = first
        self._admits = Admitted(binding)
        self._events: list[Event] = []
        self._missing: list[Missing] = []
        self._octets = 0
        self._left = 0
        self._waiting: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        """See ``LookBack`` there."""
        return self.before <= self._first

    async def read(self, octets_max: int) -> Found:
        """See ``LookBack`` there."""
        if not self.done:
            self._left = octets_max
            self._waiting = asyncio.get_running_loop().create_future()
            self.exchange.catch_up.want(self)
            await self._waiting
        found = self._events, self._missing, self._octets
        self._events, self._missing, self._octets = [], [], 0
        return found

    def refill(self) -> bool:
        """Read one stretch; whether another is wanted.  Called by ``CatchUp`` alone, which sees to a failing disk."""
        waiting = self._waiting
        if waiting is None or waiting.done():  # nobody waits any more
            return False
        stretch = self.exchange.before(self.before)
        if stretch is None:
            self._miss(Gap(1, self.before - 1, "removed"))
            self.before = self._first
        else:
            for item in reversed(stretch.items):
                self._look_at(item)  # which may fail, and is tried again from there
                self.before = min(self.before, item.first_offset if isinstance(item, Batch) else item.first)
            self.before = stretch.begin
        if not self._events and self._octets < self._left and not self.done:
            return True
        waiting.set_result(None)
        return False

    def _look_at(self, item: Batch | Gap) -> None:
        if isinstance(item, Gap):
            self._miss(item)
            return
        if item.last_offset < self._first:
            return
        self.reached_ms = min(self.reached_ms, item.head.received_min)
        if not any(map(self._admits, item.keys)):
            self._octets += _BATCH_OCTETS
            return
        self._octets += max(_BATCH_OCTETS, item.head.size)
        events = item.events()
        if isinstance(events, Gap):
            self._miss(events)
            return
        for event in reversed(events):
            if self._first <= event.offset < self.before and self._admits(event.envelope.key):
                self._events.append(event)

    def _miss(self, gap: Gap) -> None:
        first, last = max(gap.first, self._first), min(gap.last, self.before - 1)
        if first <= last:
            self._missing.append(Missing(first, last, gap.reason))
