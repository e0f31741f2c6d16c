"""A durable subscription: a named position in a log, shared by the consumers that are here now.

It sees committed events only.  Without a consumer it costs nothing but its stored state.  What it delivered stays
pending until it is settled; it comes again when its consumer goes, NACKs it, or takes too long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from heliograph.engine.embedded.catch_up import REFILL_EVENTS
from heliograph.engine.embedded.durable_state import DurableState
from heliograph.engine.embedded.follower import Follower
from heliograph.engine.embedded.leases import Leases
from heliograph.engine.embedded.matching import admits
from heliograph.engine.embedded.page import Page
from heliograph.engine.embedded.scan import Scan
from heliograph.engine.interface import Binding, Confirm, DeadLetter, Durable, Event, Lag
from heliograph.errors import HeliographError, LimitError

if TYPE_CHECKING:
    from heliograph.engine.embedded.durable_feed import DurableFeed
    from heliograph.engine.embedded.exchange import Exchange

log = structlog.get_logger("heliograph.engine")


class DurableSubscription(Follower):
    """``counts``: deliveries so far of every pending event, by offset.  ``uncertain_before``: what was delivered
    shortly before an unclean stop may not have been stored, so all below is told as redelivered.  ``settled_ms``: to
    the next storing of the state, which is looked at in place of a clock for each settlement."""

    __slots__ = ("_lost", "_returned", "_settled_before", "counts", "dead", "delivered", "dirty", "durable", "feeds",
                 "leases", "settled_ms", "uncertain_before", "used_ms")  # fmt: skip

    def __init__(self, exchange: Exchange, state: DurableState, uncertain_before: int) -> None:
        super().__init__(exchange, state.binding)
        self.durable: Durable = state.durable
        self.used_ms = state.used_ms
        self.uncertain_before = uncertain_before
        self.counts: dict[int, int] = dict(state.pending)
        self.dead: dict[int, DeadLetter] = {letter.offset: letter for letter in state.dead}
        self.leases = Leases()
        self.feeds: dict[DurableFeed, None] = {}
        self.dirty = False
        self.delivered = self._returned = self._settled_before = 0
        self.settled_ms: int | None = None
        self._lost = deque(offset for offset, _ in state.pending)  # delivered before; read again for a consumer
        self.follow_from(state.position)

    # --- what is stored

    def state(self) -> DurableState:
        """As of now, to be stored."""
        settled = self.settled
        if settled != self._settled_before:
            self._settled_before, self.settled_ms = settled, self.exchange.home.now_ms()
        pending, dead = sorted(self.counts.items()), list(self.dead.values())
        at = self._position()
        return DurableState(self.durable, self.binding, self.used_ms, at, pending, dead, self.uncertain_before)

    def oldest_needed(self) -> int:
        """No event from here on may be removed for its age."""
        return min([self._position(), *self.counts, *self.dead])

    def _position(self) -> int:
        if self.fresh:
            return self.fresh[0].offset
        return self.scan.position if self.scan is not None else self.exchange.committed_next

    def _changed(self) -> None:
        if not self.dirty and not self.closed:
            self.dirty = True
            self.exchange.home.changed(self)

    # --- consumers come and go

    def attach(self, feed: DurableFeed) -> None:
        """A consumer is here."""
        self.feeds[feed] = None
        self.used_ms = self.exchange.home.now_ms()
        self._changed()
        if self.pending:
            feed.wake()
        self.want_more()

    def detach(self, feed: DurableFeed) -> None:
        """A consumer has gone; what it had comes again, to the others."""
        if feed not in self.feeds:
            return
        del self.feeds[feed]
        self.used_ms = self.exchange.home.now_ms()
        self.give_back(feed, self.leases.of(feed))
        if not self.feeds:
            position = self._position()
            self.backlog.clear()
            self._lost = deque(sorted(self.counts))
            self.leave()
            self.follow_from(position)
        self._changed()

    # --- deliveries

    def lease(self, feed: DurableFeed, count_max: int, bytes_max: int) -> list[Event]:
        """The next events for ``feed``: no more than its share, so that the others get some too."""
        if feed not in self.feeds:
            return []
        share = max(1, -(-len(self.backlog) // len(self.feeds)))
        events: list[Event] = []
        while not events and self.pending:
            events = self.backlog.take(min(count_max, share, self._room), bytes_max)
            if self.durable.message_ttl_ms is not None:
                events = self._without_old(events, self.durable.message_ttl_ms)
        now_s = self.exchange.home.monotonic()
        for event in events:
            self.leases.begin(feed, event, now_s)
            self.counts[event.offset] = self.counts.get(event.offset, 0) + 1
        self.delivered += len(events)
        self._changed()
        self.want_more()
        return events

    @property
    def pending(self) -> bool:
        """Whether something can be leased; not while too much is unsettled, but for what has come back."""
        return bool(self.backlog) and self._room > 0

    @property
    def _room(self) -> int:
        return self.exchange.limits.pending_max - len(self.counts) + len(self.backlog.returned)

    def _without_old(self, events: list[Event], ttl_ms: int) -> list[Event]:
        oldest_ms = self.exchange.home.now_ms() - ttl_ms
        for event in events:
            if event.received_ms < oldest_ms:
                self.counts.pop(event.offset, None)
        return [event for event in events if event.received_ms >= oldest_ms]

    def redelivered(self, offset: int) -> bool:
        """Whether the delivery of ``offset`` that is being made is not its first, as far as is known."""
        return self.counts.get(offset, 0) > 1 or offset < self.uncertain_before

    def settle(self, feed: DurableFeed, events: Iterable[Event], confirm: Confirm | None) -> None:
        """Processed."""
        for event in self.leases.end(feed, events):
            self.counts.pop(event.offset, None)
        self._store(confirm)
        if self.pending:  # there may have been no room for it before
            self.notify()

    def reject(self, feed: DurableFeed, events: Iterable[Event], confirm: Confirm | None) -> None:
        """Not to be processed: to the dead letters."""
        for event in self.leases.end(feed, events):
            self._returned += 1
            self._bury(event.offset, "rejected by the consumer")
        self.settle(feed, (), confirm)

    def give_back(self, feed: DurableFeed, events: Iterable[Event]) -> None:
        """Not processed: to come again, or to the dead letters when it came often enough."""
        returned = []
        for event in self.leases.end(feed, events):
            self._returned += 1
            if self.counts.get(event.offset, 0) >= self.exchange.limits.deliveries_max:
                self._bury(event.offset, "delivery limit (deliveries_max)")
            else:
                returned.append(event)
        self._return_all(returned)
        self._changed()

    def rebind(self, binding: Binding, durable: Durable) -> None:
        """Used again, perhaps with rights or ages that have changed since."""
        self.durable = durable
        if binding == self.binding:
            return
        self.leave()
        position = self._position()
        self.backlog.clear()
        self._lost = deque(sorted(offset for offset in self.counts if offset not in self.leases))
        self.binding = binding
        self.follow_from(position)

    def widen(self, binding: Binding) -> None:
        """See ``Feed``; several consumers may bring the same news."""
        if binding != self.binding:
            super().widen(binding)
            self._changed()

    # --- for those who look at it

    @property
    def lag(self) -> Lag:
        """See ``DurableView``."""
        found = super().lag
        return Lag(found.known + len(self._lost), found.position, found.unread)

    @property
    def unacked(self) -> int:
        """See ``DurableView``."""
        return len(self.leases)

    @property
    def settled(self) -> int:
        """See ``DurableView``: what was delivered, is not held now, and did not come back, so that no ACK counts."""
        return self.delivered - self._returned - len(self.leases)

    @property
    def expires_ms(self) -> int | None:
        """See ``DurableView``."""
        if self.feeds:
            return None
        return self.used_ms + (self.durable.expires_ms or self.exchange.limits.durable_expires_ms)

    def event_at(self, offset: int) -> Event | None:
        """See ``DurableView``."""
        return self.exchange.event_at(offset)

    # --- its end

    def expired(self, now_ms: int) -> bool:
        """Whether nobody has used it for too long."""
        return self.expires_ms is not None and now_ms > self.expires_ms

    def delete(self, error: HeliographError) -> None:
        """It is gone; tell the consumers that are here."""
        self.closed = True
        self.leave()
        while self.feeds:  # who is told may close others
            next(iter(self.feeds)).give_up(error)

    def time_out(self, now_s: float) -> None:
        """Take back what a consumer has held for too long, and tell it."""
        timeout_ms = self.exchange.limits.consumer_timeout_ms_max
        late = self.leases.late(now_s - timeout_ms / 1000)
        if late is not None:
            late.give_up(
                LimitError(
                    "Consumer timed out",
                    f"A delivery was not acknowledged within {timeout_ms} ms (consumer_timeout_ms_max); "
                    "it goes to another consumer. Acknowledge sooner, or take fewer at a time (prefetch-count).",
                )
            )

    # --- dead letters

    def revive(self, offsets: Iterable[int], confirm: Confirm | None = None) -> None:
        """Deliver dead letters again, as if for the first time."""
        alive = [offset for offset in offsets if self.dead.pop(offset, None) is not None]
        for offset in alive:
            self.counts[offset] = 0
        self._lost.extend(sorted(alive))
        self._store(confirm)
        self.want_more()

    def purge(self, offsets: Iterable[int], confirm: Confirm | None = None) -> None:
        """Forget dead letters."""
        for offset in offsets:
            self.dead.pop(offset, None)
        self._store(confirm)

    def _bury(self, offset: int, reason: str) -> None:
        if len(self.dead) >= self.exchange.limits.dead_letters_max:
            oldest = next(iter(self.dead))
            del self.dead[oldest]
            log.warning("dead letter dropped", subscription=self.durable.name, offset=oldest, limit="dead_letters_max")
        self.dead[offset] = DeadLetter(offset, self.counts.pop(offset, 0), reason)

    # --- as a follower

    def join(self, scan: Scan | None) -> None:
        """See ``Follower``."""
        self.exchange.committed.add(self)

    def leave(self) -> None:
        """See ``Follower``."""
        self.exchange.committed.discard(self)

    def notify(self) -> None:
        """See ``Follower``."""
        for feed in self.feeds:
            feed.wake()

    def want_more(self) -> None:
        """See ``Follower``; nothing is read ahead for nobody."""
        if not self.feeds:
            return
        if self._wants_lost:
            self.exchange.catch_up.want(self)
        elif not self._lost:
            super().want_more()

    @property
    def _wants_lost(self) -> bool:
        return bool(self._lost) and len(self.backlog.returned) < REFILL_EVENTS

    def refill(self) -> bool:
        """See ``Follower``; what was delivered before comes first, a batch of the log at a time."""
        if not self.feeds or self.closed:
            return False
        if not self._lost:
            return super().refill()
        if not self._wants_lost:
            return False
        self._read_lost(self._lost)
        return self._wants_lost or (not self._lost and self.scan is not None)

    def _read_lost(self, lost: deque[int]) -> None:
        page = self.exchange.page(lost[0])
        found = page.events() if isinstance(page, Page) else None
        events = found if isinstance(found, list) else []
        first = events[0].offset if events else 0
        returned = []
        while True:
            offset = lost.popleft()
            if 0 <= offset - first < len(events):  # contiguous within a batch
                returned.append(events[offset - first])
            else:
                self.counts.pop(offset, None)
                self._gap = (min(self._gap[0], offset), max(self._gap[1], offset)) if self._gap else (offset, offset)
            if not lost or not 0 <= lost[0] - first < len(events):
                break
        self._return_all(returned)

    def _return_all(self, events: Iterable[Event]) -> None:
        was_empty = not self.backlog
        for event in events:
            if admits(self.binding, tuple(event.envelope.key.split("."))):
                self.backlog.give_back(event)
            else:  # delivered when its owner had more rights
                self.counts.pop(event.offset, None)
        if was_empty and self.backlog:
            self.notify()

    def _store(self, confirm: Confirm | None) -> None:
        if self.closed:  # it was deleted, and with it all that was to be settled
            if confirm is not None:
                confirm(None)
        elif confirm is None:
            self._changed()
        else:
            self.dirty = False
            self.exchange.home.store(self, confirm)
