"""Counting what a subscription delivers, only while somebody looks: the others pay nothing for it."""

from __future__ import annotations

from collections.abc import Container
from time import time_ns

from heliograph.engine.interface import Binding, Confirm, Event, Feed, Lag


class Watched:
    """A ``Feed`` in front of another.  ``settled_ms``: milliseconds since 1970, None where nothing was settled yet."""

    __slots__ = ("delivered", "feed", "settled", "settled_ms")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.delivered = self.settled = 0
        self.settled_ms: int | None = None

    @property
    def redelivered(self) -> Container[int]:
        """See ``Feed``."""
        return self.feed.redelivered

    @property
    def pending(self) -> bool:
        """See ``Feed``."""
        return self.feed.pending

    @property
    def replayed_before(self) -> int:
        """See ``Feed``."""
        return self.feed.replayed_before

    @property
    def lag(self) -> Lag:
        """See ``Feed``."""
        return self.feed.lag

    def take_gap(self) -> tuple[int, int] | None:
        """See ``Feed``."""
        return self.feed.take_gap()

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``."""
        events = self.feed.take(count_max, bytes_max)
        self.delivered += len(events)
        return events

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        if events:
            self.settled += len(events)
            self.settled_ms = time_ns() // 1_000_000
        self.feed.settle(events, confirm)

    def requeue(self, events: list[Event]) -> None:
        """See ``Feed``."""
        self.feed.requeue(events)

    def reject(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        self.feed.reject(events, confirm)

    def widen(self, binding: Binding) -> None:
        """See ``Feed``."""
        self.feed.widen(binding)

    def close(self) -> None:
        """See ``Feed``."""
        self.feed.close()
