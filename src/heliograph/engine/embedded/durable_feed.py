"""One consumer of a durable subscription, and one reader of its dead letters."""

from __future__ import annotations

from collections.abc import Callable

from heliograph.engine.embedded.backlog import Backlog
from heliograph.engine.embedded.durable_subscription import DurableSubscription
from heliograph.engine.embedded.matching import within_rights
from heliograph.engine.interface import Binding, Confirm, Event, Lag
from heliograph.errors import HeliographError


class _Redelivered:
    """The offsets of which a subscription says that they were delivered before."""

    __slots__ = ("_subscription",)

    def __init__(self, subscription: DurableSubscription) -> None:
        self._subscription = subscription

    def __contains__(self, offset: object) -> bool:
        return isinstance(offset, int) and self._subscription.redelivered(offset)


class DurableFeed:
    """See ``engine.interface.Feed``.  Competing consumers share the subscription, each with credit of its own."""

    __slots__ = ("_ended", "_subscription", "redelivered", "wake")

    def __init__(
        self,
        subscription: DurableSubscription,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
    ) -> None:
        self._subscription = subscription
        self._ended = ended
        self.wake = wake
        self.redelivered = _Redelivered(subscription)

    def open(self) -> None:
        """Begin to consume."""
        self._subscription.attach(self)

    @property
    def pending(self) -> bool:
        """See ``Feed``."""
        return self._subscription.pending

    @property
    def replayed_before(self) -> int:
        """See ``Feed``."""
        return self._subscription.replayed_before

    @property
    def lag(self) -> Lag:
        """See ``Feed``."""
        return self._subscription.lag

    def take_gap(self) -> tuple[int, int] | None:
        """See ``Feed``."""
        return self._subscription.take_gap()

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``."""
        return self._subscription.lease(self, count_max, bytes_max)

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        self._subscription.settle(self, events, confirm)

    def requeue(self, events: list[Event]) -> None:
        """See ``Feed``."""
        self._subscription.give_back(self, events)

    def reject(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        self._subscription.reject(self, events, confirm)

    def widen(self, binding: Binding) -> None:
        """See ``Feed``."""
        self._subscription.widen(binding)

    def close(self) -> None:
        """See ``Feed``."""
        self._subscription.detach(self)

    def give_up(self, error: HeliographError) -> None:
        """Tell the consumer that it has lost the subscription."""
        self._subscription.detach(self)
        self._ended(error)


class DeadLetterFeed:
    """The dead letters of a subscription, as they were when this was opened.

    Settled, a letter is forgotten; requeued, the event goes back to the subscription as if it were new.
    """

    __slots__ = ("_backlog", "_subscription", "redelivered", "replayed_before")

    def __init__(self, subscription: DurableSubscription, binding: Binding, wake: Callable[[], None]) -> None:
        """``binding``: what its owner may see now; what was delivered under further rights stays where it is."""
        self._subscription = subscription
        self._backlog = Backlog()
        self.redelivered = frozenset(subscription.dead)
        self.replayed_before = 1 << 62
        for offset in sorted(subscription.dead):
            event = subscription.exchange.event_at(offset)
            if event is not None and within_rights(binding, tuple(event.envelope.key.split("."))):
                self._backlog.fresh.append(event)
        if self._backlog:
            wake()

    @property
    def pending(self) -> bool:
        """See ``Feed``."""
        return bool(self._backlog)

    @property
    def lag(self) -> Lag:
        """See ``Feed``."""
        return Lag(len(self._backlog))

    def take_gap(self) -> tuple[int, int] | None:
        """See ``Feed``; the retention of a log waits for dead letters."""
        return None

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``."""
        return self._backlog.take(count_max, bytes_max)

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        self._subscription.purge([event.offset for event in events], confirm)

    def requeue(self, events: list[Event]) -> None:
        """See ``Feed``."""
        self._subscription.revive(event.offset for event in events)

    def reject(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``."""
        self.settle(events, confirm)

    def widen(self, binding: Binding) -> None:
        """See ``Feed``; it stays what it was when it was opened."""

    def close(self) -> None:
        """See ``Feed``."""
        self._backlog.clear()
