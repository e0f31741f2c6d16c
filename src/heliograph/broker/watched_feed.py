"""Counting what a subscription delivers, only while somebody looks: the others pay nothing for it."""

from __future__ import annotations

from time import time_ns

from heliograph.broker.front_feed import FrontFeed
from heliograph.engine.interface import Confirm, Event, Feed


class WatchedFeed(FrontFeed):
    """``settled_ms``: milliseconds since 1970, None where nothing was settled yet."""

    __slots__ = ("delivered", "settled", "settled_ms")

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed)
        self.delivered = self.settled = 0
        self.settled_ms: int | None = None

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
