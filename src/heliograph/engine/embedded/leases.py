"""What the consumers of a durable subscription have at the moment: delivered, and neither settled nor given back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from heliograph.engine.interface import Event

if TYPE_CHECKING:
    from heliograph.engine.embedded.durable_feed import DurableFeed


class Lease(Struct, gc=False, eq=False):
    """An event that a consumer has; ``since_s`` on the monotonic clock."""

    event: Event
    feed: DurableFeed
    since_s: float


class Leases:
    """Bounded by ``pending_max``, and by the credit of each consumer."""

    __slots__ = ("_by_offset",)

    def __init__(self) -> None:
        self._by_offset: dict[int, Lease] = {}  # the oldest first

    def begin(self, feed: DurableFeed, event: Event, now_s: float) -> None:
        """``feed`` has it from now on."""
        self._by_offset[event.offset] = Lease(event, feed, now_s)

    def end(self, feed: DurableFeed, events: Iterable[Event]) -> list[Event]:
        """Those of ``events`` that ``feed`` has; it has them no more."""
        leases = self._by_offset
        ended = [event for event in events if (lease := leases.get(event.offset)) is not None and lease.feed is feed]
        for event in ended:
            leases.pop(event.offset, None)
        return ended

    def __len__(self) -> int:
        return len(self._by_offset)

    def __contains__(self, offset: int) -> bool:
        return offset in self._by_offset

    def of(self, feed: DurableFeed) -> list[Event]:
        """What ``feed`` has."""
        return [lease.event for lease in self._by_offset.values() if lease.feed is feed]

    def late(self, since_s: float) -> DurableFeed | None:
        """Who has had something since before that, or None."""
        oldest = next(iter(self._by_offset.values()), None)
        return oldest.feed if oldest is not None and oldest.since_s < since_s else None
