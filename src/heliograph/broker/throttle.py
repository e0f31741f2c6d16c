"""Deliveries no faster than a partner's quota.  What is held back waits in the backlog, as for a slow consumer.

A subscription without such a quota has the engine's own feed, so it costs nothing there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from heliograph.broker.front_feed import FrontFeed
from heliograph.directory.quota import Quota
from heliograph.engine.interface import Event, Feed

#: What was not used is kept for this long, so that a burst after a pause is no faster than twice the rate.
_KEPT_S = 1.0
#: Who waits is woken no more often than this, seconds.
_TURN_S = 0.02


class Later(Protocol):
    """As ``asyncio.AbstractEventLoop.call_later``."""

    def __call__(self, delay: float, callback: Callable[[], None], /) -> Any:
        """Call ``callback`` after ``delay`` seconds."""


def _later(delay: float, callback: Callable[[], None], /) -> Any:
    return asyncio.get_running_loop().call_later(delay, callback)


class Throttle:
    """What one partner may be delivered now, in messages and octets; it fills up with time.

    Feeds that find it empty wait in line, and the one that has waited longest is woken first.
    """

    def __init__(self, quota: Quota, now: Callable[[], float] = time.monotonic, later: Later = _later) -> None:
        self.quota = quota
        self._now = now
        self._later = later
        self._messages_per_s: float = quota.messages_per_s or inf
        self._bytes_per_s: float = quota.bytes_per_s or inf
        self._messages = max(1.0, self._messages_per_s * _KEPT_S)
        self._bytes = self._bytes_per_s * _KEPT_S
        self._filled_s = now()
        self._waiting: dict[ThrottledFeed, None] = {}
        self._due = False

    def room(self) -> tuple[float, float]:
        """Messages and octets that may go now; 0, 0 where it is empty."""
        now_s = self._now()
        passed_s, self._filled_s = now_s - self._filled_s, now_s
        kept = max(1.0, self._messages_per_s * _KEPT_S)
        self._messages = min(kept, self._messages + self._messages_per_s * passed_s)
        self._bytes = min(self._bytes_per_s * _KEPT_S, self._bytes + self._bytes_per_s * passed_s)
        # A body may be larger than what there is; then the next one waits the longer.
        return (self._messages, self._bytes) if self._messages >= 1 and self._bytes > 0 else (0, 0)

    def spend(self, messages: int, octets: int) -> None:
        """So much was delivered."""
        self._messages -= messages
        self._bytes -= octets

    def wait(self, feed: ThrottledFeed) -> None:
        """Wake ``feed`` when its turn has come."""
        self._waiting.setdefault(feed)
        self._look_again()

    def forget(self, feed: ThrottledFeed) -> None:
        """It waits no more."""
        self._waiting.pop(feed, None)

    def wake_next(self) -> None:
        """Whoever has waited longest, where there is room."""
        if self._waiting and self.room()[0]:
            feed = next(iter(self._waiting))
            del self._waiting[feed]
            feed.wake()

    def _look_again(self) -> None:
        if not self._due and self._waiting:
            self._due = True
            messages_s = (1 - self._messages) / self._messages_per_s
            bytes_s = -self._bytes / self._bytes_per_s if self._bytes <= 0 else 0
            self._later(max(_TURN_S, messages_s, bytes_s), self._turn)

    def _turn(self) -> None:
        self._due = False
        self.wake_next()
        self._look_again()  # that one may have had no credit


class ThrottledFeed(FrontFeed):
    """The engine's ``feed`` as far as ``throttle`` lets it.  ``wake``: as for ``Engine.subscribe``."""

    __slots__ = ("throttle", "wake")

    def __init__(self, feed: Feed, throttle: Throttle, wake: Callable[[], None]) -> None:
        super().__init__(feed)
        self.throttle = throttle
        self.wake = wake

    @property
    def pending(self) -> bool:
        """See ``Feed``.  Where it is held back, ``wake`` is called when it may go on."""
        if not self.feed.pending:
            return False
        if self.throttle.room()[0]:
            return True
        self.throttle.wait(self)
        return False

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``; nothing where it is held back."""
        messages, octets = self.throttle.room()
        if not messages:
            self.throttle.wait(self)
            return []
        events = self.feed.take(int(min(count_max, messages)), int(min(bytes_max, max(1, octets))))
        self.throttle.spend(len(events), sum(len(event.body) for event in events))
        self.throttle.wake_next()
        return events

    def close(self) -> None:
        """See ``Feed``."""
        self.throttle.forget(self)
        self.feed.close()
