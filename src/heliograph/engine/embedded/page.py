"""A batch of the log that is being read, decoded at most once however many subscriptions read it."""

from __future__ import annotations

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.stored import Batch
from heliograph.engine.interface import Event


class Page:
    """``batch.keys`` tell whether it is worth decoding."""

    __slots__ = ("_events", "batch")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._events: list[Event] | Gap | None = None

    def events(self) -> list[Event] | Gap:
        """See ``Batch.events``."""
        if self._events is None:
            self._events = self.batch.events()
        return self._events
