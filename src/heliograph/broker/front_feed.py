"""A ``Feed`` in front of another: what comes in between changes what it must, and passes on the rest."""

from __future__ import annotations

from collections.abc import Container

from heliograph.engine.interface import Binding, Confirm, Event, Feed, Lag


class FrontFeed:
    """Everything is ``feed``'s; see ``Feed``."""

    __slots__ = ("feed",)

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

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
        return self.feed.take(count_max, bytes_max)

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
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
