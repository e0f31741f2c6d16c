"""One subscription: its credit, and the map from what was delivered to what is still unacknowledged.

A delivery is known by its delivery tag, a number that the front end counts up over a session.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum

from heliograph.broker.throttle import Throttle, ThrottledFeed
from heliograph.broker.watched_feed import WatchedFeed
from heliograph.engine.interface import Binding, Confirm, Event, Feed, Lag
from heliograph.errors import ProtocolError
from heliograph.limits import Limits

#: Events taken in one go, so that the subscriptions of a connection take turns.
_SLICE_EVENTS = 64


class AckMode(Enum):
    """STOMP 1.2, "SUBSCRIBE ack Header"."""

    AUTO = "auto"
    CLIENT = "client"
    CLIENT_INDIVIDUAL = "client-individual"


class Subscription:
    """``take`` what may be delivered now; ``ack`` or ``nack`` it by delivery tag.

    With AUTO an event is settled when it is taken.  Otherwise at most ``prefetch_count`` deliveries
    (and no further once they hold ``unacked_bytes_max``) are unacknowledged at a time.
    """

    __slots__ = ("_bytes_max", "_feed", "_one_by_one", "_unacked_bytes", "_wake", "ack_mode", "binding",
                 "prefetch_count", "unacked")  # fmt: skip

    def __init__(
        self,
        feed: Feed,
        binding: Binding,
        ack_mode: AckMode,
        prefetch_count: int | None,
        limits: Limits,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """``wake``: as it was given to ``Engine.subscribe``."""
        self._feed: Feed = feed
        self._wake = wake
        self.binding = binding
        self._bytes_max = limits.unacked_bytes_max
        self._unacked_bytes = 0
        self.ack_mode = ack_mode
        self._one_by_one = ack_mode is not AckMode.CLIENT
        self.prefetch_count = granted_prefetch_count(prefetch_count, limits)
        self.unacked: dict[int, Event] = {}  # by delivery tag, in the order of delivery

    @property
    def ready(self) -> bool:
        """Whether ``take`` or ``lease`` would give something now; with AUTO nothing is ever unacknowledged."""
        return self._feed.pending and len(self.unacked) < self.prefetch_count and self._unacked_bytes < self._bytes_max

    @property
    def redelivered(self) -> Container[int]:
        """Offsets of events that were delivered before and came back."""
        return self._feed.redelivered

    def take(self, bytes_max: int) -> list[Event]:
        """The next events of an AUTO subscription, settled."""
        events = self._feed.take(_SLICE_EVENTS, bytes_max)
        self._feed.settle(events)
        return events

    def take_marked(self, bytes_max: int) -> list[tuple[Event, bool]]:
        """As ``take``, each with whether it was redelivered: that is forgotten with the settlement."""
        events = self._feed.take(_SLICE_EVENTS, bytes_max)
        redelivered = self._feed.redelivered
        marked = [(event, event.offset in redelivered) for event in events]
        self._feed.settle(events)
        return marked

    def replayed(self, event: Event) -> bool:
        """Whether ``event`` comes from history."""
        return event.offset < self._feed.replayed_before

    def take_gap(self) -> tuple[int, int] | None:
        """Offsets that were asked for and are not there any more; told once."""
        return self._feed.take_gap()

    def lease(self, next_tag: int, bytes_max: int) -> list[Event]:
        """The next events within the credit, now unacknowledged under ``next_tag``, ``next_tag + 1``, …"""
        credit = self.prefetch_count - len(self.unacked)
        if credit <= 0 or self._unacked_bytes >= self._bytes_max:
            return []
        events = self._feed.take(min(credit, _SLICE_EVENTS), min(bytes_max, self._bytes_max - self._unacked_bytes))
        self.unacked.update(enumerate(events, next_tag))
        self._unacked_bytes += sum([event.size for event in events])
        return events

    def holds(self, tag: int) -> bool:
        """Whether the delivery ``tag`` is unacknowledged here."""
        return tag in self.unacked

    def ack(self, tag: int, confirm: Confirm | None = None) -> None:
        """Settle the delivery ``tag``; with CLIENT, all before it too (STOMP 1.2, "ACK").

        ``confirm`` is called when that is stored, where it is stored at all.
        """
        self._feed.settle(self._resolve(tag), confirm)

    def nack(self, tag: int, requeue: bool, confirm: Confirm | None = None) -> None:
        """Give the delivery ``tag`` back, to come again or not; with CLIENT, all before it too (STOMP 1.2, "NACK")."""
        events = self._resolve(tag)
        if not requeue:
            self._feed.reject(events, confirm)
            return
        self._feed.requeue(events)
        if confirm is not None:
            confirm(None)

    @property
    def lag(self) -> Lag:
        """What waits."""
        return self._feed.lag

    def watch(self) -> WatchedFeed:
        """Count deliveries from now on, until ``unwatch``."""
        if not isinstance(self._feed, WatchedFeed):
            self._feed = WatchedFeed(self._feed)
        return self._feed

    def unwatch(self) -> None:
        """Count no more."""
        if isinstance(self._feed, WatchedFeed):
            self._feed = self._feed.feed

    def widen(self, binding: Binding) -> None:
        """Go on with more rights than before."""
        self.binding = binding
        self._feed.widen(binding)

    def hold_back(self, throttle: Throttle | None) -> None:
        """Deliver no faster than ``throttle`` lets it; None: as fast as can be."""
        watched = self._feed if isinstance(self._feed, WatchedFeed) else None
        feed = self._feed if watched is None else watched.feed
        if isinstance(feed, ThrottledFeed):
            if feed.throttle is throttle:
                return
            feed.throttle.forget(feed)
            feed = feed.feed
        elif throttle is None:
            return
        if throttle is not None:
            feed = ThrottledFeed(feed, throttle, self._wake)
        if watched is None:
            self._feed = feed
        else:
            watched.feed = feed
        if feed.pending:  # who waited has to be woken
            self._wake()

    def close(self) -> None:
        """End it; what is unacknowledged is the engine's again."""
        self.unacked.clear()
        self._feed.close()

    def _resolve(self, tag: int) -> list[Event]:
        unacked = self.unacked
        event = unacked.get(tag)
        if event is None:
            raise ProtocolError("Subscription not found", not_unacked(tag))
        if self._one_by_one:
            del unacked[tag]
            self._unacked_bytes -= event.size
            return [event]
        tags = []
        for earlier in unacked:
            if earlier > tag:
                break
            tags.append(earlier)
        events = [unacked.pop(earlier) for earlier in tags]
        self._unacked_bytes -= sum([event.size for event in events])
        return events


def granted_prefetch_count(asked: int | None, limits: Limits) -> int:
    """``prefetch-count`` within our cap; absent is our default, and 0 (RabbitMQ's "no limit") the cap."""
    if asked is None:
        asked = limits.prefetch_count_default
    return min(asked, limits.prefetch_count_max) or limits.prefetch_count_max


def not_unacked(tag: int) -> str:
    """Why an acknowledgement names nothing."""
    return (
        f"Delivery {tag} is not unacknowledged here: it was acknowledged already, perhaps by a cumulative ACK "
        "of a later one, or its subscription has ended. Acknowledge each delivery once, by the 'ack' header of its "
        "MESSAGE."
    )
