"""One topic exchange: offsets, live routes, what is not committed yet, and the log behind it.

An event lives in memory as long as somebody refers to it.  No live follower may refer to one that is more than
``ring_bytes_max`` octets or ``backlog_events_max`` events behind: it becomes a position in the log then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter
from time import time_ns
from typing import TYPE_CHECKING

from heliograph.countdown import Countdown
from heliograph.engine.embedded.census import Census
from heliograph.engine.embedded.dedup import DedupWindow, read_dedup_id
from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.draft import Block
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.stored import Batch, Stretch
from heliograph.engine.embedded.look_back import LookBack
from heliograph.engine.embedded.page import Page
from heliograph.engine.embedded.routes import Routes
from heliograph.engine.interface import Binding, Confirm, Count, Envelope, Event, Extent, Retention, Start, StartAt
from heliograph.errors import HeliographError, ServerError

if TYPE_CHECKING:
    from heliograph.engine.embedded.durable_subscription import DurableSubscription
    from heliograph.engine.embedded.home import Home
    from heliograph.engine.embedded.transient_feed import TransientFeed

#: How many times the followers are looked over while the ring is filled once.
_LOOKS = 16
#: Decoded batches that are kept, since those who catch up are often close together.
_PAGES = 8
_asks_for_dedup = attrgetter("dedup")


class Exchange:
    """``publish`` is the hot path: for each event a look-up, and one append for each live follower that matches."""

    __slots__ = ("_confirms", "_dedup", "_draft", "_log", "_look_at", "_open_before", "_pages", "_writer",
                 "catch_up", "committed", "committed_next", "home", "limits", "name", "transient")  # fmt: skip

    def __init__(self, name: str, log: Log, home: Home) -> None:
        self.name = name
        self.home = home
        self.limits = limits = home.limits
        self.catch_up = home.catch_up
        self.transient: Routes[TransientFeed] = Routes(limits.routes_max)  # see events when they are published
        self.committed: Routes[DurableSubscription] = Routes(limits.routes_max)  # ... when they are on disk
        self.committed_next = log.next_offset  # all below is committed, and told to the followers
        self._log = log
        self._draft = log.draft
        self._writer = home.writer
        self._confirms: deque[tuple[int, Confirm]] = deque()  # by offset
        self._open_before = 0  # offsets from here on may not be assigned before another look
        self._look_at = limits.ring_bytes_max // _LOOKS
        self._dedup = DedupWindow(limits)
        self._dedup.fill(log, home.now_ms())
        self._pages: deque[Page] = deque(maxlen=_PAGES)

    @property
    def next_offset(self) -> int:
        """Of the event that is published next; the log must know it, to let no start ever reuse it."""
        return self._draft.next_offset

    # --- publishing

    def publish(
        self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], confirm: Confirm | None = None
    ) -> Sequence[int]:
        """Append events to the log and refer to each from every matching backlog; their offsets.

        Confirmed when all are on disk.  ServerError where the log cannot be written; then none is published.
        """
        if self._draft.next_offset + len(bodies) > self._open_before:
            self._open(len(bodies))
        if any(map(_asks_for_dedup, envelopes)):
            return self._publish_once(envelopes, bodies, confirm)
        return self._append(envelopes, bodies, confirm)

    def _append(self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], confirm: Confirm | None) -> Sequence[int]:
        draft = self._draft
        first = draft.next_offset
        events = draft.append(envelopes, bodies, time_ns() // 1_000_000)
        known = self.transient.known.young
        for event, envelope in zip(events, envelopes, strict=True):
            route = known.get(envelope.key)
            if route is None:
                route = self.transient.find(envelope.key)
                known = self.transient.known.young
            if len(route) > 1:
                event.encoded = {}
            for feed in route:
                fresh = feed.fresh
                if not fresh:
                    feed.wake()
                fresh.append(event)
        if self.committed.followers:
            draft.kept += events
            self._writer.commit_soon()
        if draft.position >= draft.attend_at:
            self._attend(draft.position)
        if confirm is not None:
            self._confirms.append((draft.next_offset - 1, confirm))
            self._writer.commit_soon()
        return range(first, draft.next_offset)

    def _attend(self, position: int) -> None:
        """Let the writer do what is due, and look after those who are behind."""
        draft = self._draft
        self._writer.attend(self._log)
        if position >= self._look_at:
            self._drop_references(position)
        draft.attend_at = min(draft.attend_at, self._look_at)

    def on_committed(self, blocks: list[Block]) -> None:
        """``blocks`` are on disk."""
        self.committed_next = blocks[-1].last_offset + 1
        if self.committed.followers:
            for block in blocks:
                self._route_committed(block.events())
        self._confirm_before(self.committed_next, None)

    def on_failed(self, error: HeliographError) -> None:
        """What was not committed is not stored, and will not be."""
        self._open_before = 0
        self._dedup.forget_from(self.committed_next)
        self._confirm_before(self.next_offset, error)

    def _route_committed(self, events: list[Event]) -> None:
        known = self.committed.known.young
        for event in events:
            key = event.envelope.key
            route = known.get(key)
            if route is None:
                route = self.committed.find(key)
                known = self.committed.known.young
            for subscription in route:
                fresh = subscription.fresh
                if not fresh:
                    subscription.notify()
                fresh.append(event)

    def _confirm_before(self, offset: int, error: HeliographError | None) -> None:
        confirms = self._confirms
        while confirms and confirms[0][0] < offset:
            confirms.popleft()[1](error)

    def _publish_once(
        self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], confirm: Confirm | None
    ) -> Sequence[int]:
        """Publish one by one what was not published before."""
        stored = None if confirm is None else Countdown(len(bodies), confirm)
        offsets: list[int] = []
        for envelope, body in zip(envelopes, bodies, strict=True):
            known = self._published_before(envelope, body, stored) if envelope.dedup else None
            offsets.append(self._append([envelope], [body], stored)[0] if known is None else known)
        return offsets

    def _published_before(self, envelope: Envelope, body: bytes, confirm: Confirm | None) -> int | None:
        """The offset of the same event published before, whose receipt this one shares; else None, and it is noted."""
        dedup_id = read_dedup_id(envelope.headers, body)
        if dedup_id is None:
            return None
        now_ms = self.home.now_ms()
        offset = self._dedup.offset_of(dedup_id, now_ms)
        if offset is None:
            self._dedup.add(dedup_id, self.next_offset, now_ms)
        elif confirm is not None:
            if offset < self.committed_next:
                confirm(None)
            else:
                self._insert_confirm(offset, confirm)
                self._writer.commit_soon()
        return offset

    def _insert_confirm(self, offset: int, confirm: Confirm) -> None:
        at = next((i for i, (other, _) in enumerate(self._confirms) if other > offset), len(self._confirms))
        self._confirms.insert(at, (offset, confirm))

    def _open(self, count: int) -> None:
        """See how far offsets may be assigned; ServerError where the log takes nothing now."""
        if self._writer.error is not None:
            raise self._writer.error
        self._open_before = self._log.reserved_offset
        if self.next_offset + count > self._open_before:
            raise ServerError("Storage busy", "The next block of offsets is being reserved; publish again in a moment.")

    # --- reading

    def uncommitted(self) -> Iterator[Event]:
        """The events that may not be on disk yet, in order."""
        return self._log.uncommitted_events()

    def page(self, offset: int) -> Page | Gap | None:
        """The committed batch that holds ``offset`` or the next one; or what is missing there.

        ServerError where the disk cannot be read now.
        """
        page = next((p for p in self._pages if p.batch.first_offset <= offset <= p.batch.last_offset), None)
        if page is not None:
            return page
        found = self.batch(offset)
        if not isinstance(found, Batch):
            return found
        page = Page(found)
        self._pages.append(page)
        return page

    def batch(self, offset: int) -> Batch | Gap | None:
        """As ``page``, for one reader alone."""
        return self._log.read_batch(offset)

    def event_at(self, offset: int) -> Event | None:
        """One committed event, or None where it is not there any more.  ServerError: see ``page``."""
        page = self.page(offset)
        events = page.events() if isinstance(page, Page) else page
        if events is None or isinstance(events, Gap) or not 0 <= offset - events[0].offset < len(events):
            return None
        return events[offset - events[0].offset]  # offsets are contiguous within a batch

    def offset_of(self, start: Start) -> int | None:
        """Where a subscription begins; None for the live edge."""
        match start.at:
            case StartAt.FIRST:
                return self._log.first_offset
            case StartAt.LAST:
                return max(self.committed_next - 1, self._log.first_offset)
            case StartAt.OFFSET:
                return min(max(start.value, 1), self.next_offset)
            case StartAt.TIMESTAMP:
                return self._log.offset_at(start.value)
        return None

    def before(self, offset: int) -> Stretch | None:
        """What is committed before ``offset``; see ``Log.read_before``."""
        return self._log.read_before(offset)

    def look_back(self, binding: Binding, before: int | None, from_ms: int | None, to_ms: int | None) -> LookBack:
        """See ``History``."""
        end = self.committed_next if before is None else min(before, self.committed_next)
        if to_ms is not None:
            end = min(end, self._log.offset_at(to_ms))
        first = 1
        oldest_ms = self._log.oldest_ms
        if from_ms is not None and oldest_ms is not None and oldest_ms <= from_ms:
            first = self._log.offset_at(from_ms)
        return LookBack(self, binding, end, first)

    async def count(self, binding: Binding, start: Start) -> Count:
        """See ``History``."""
        return await Census(self, binding, start).taken()

    @property
    def extent(self) -> Extent:
        """See ``History``."""
        log, events = self._log, self._log.event_count
        last = log.next_offset - 1 if events else None
        return Extent(events, log.size_bytes, log.first_offset, last, self.next_offset, log.oldest_ms)

    @property
    def size_bytes(self) -> int:
        """Octets on disk."""
        return self._log.size_bytes

    def keep(self, retention: Retention) -> None:
        """Keep so much from now on."""
        self._log.keep(retention)

    def retain(self, now_ms: int, pinned_offset: int | None, excess_bytes: int = 0) -> None:
        """Let go of what is older or larger than is to be kept, but of nothing from ``pinned_offset`` on.

        ``excess_bytes``: so much of what is pinned must go too, the oldest first.
        """
        if pinned_offset is not None and excess_bytes > 0:
            kept = self._log.offset_near_end(max(0, self.size_bytes - excess_bytes))
            pinned_offset = max(pinned_offset, kept)
        self._log.retain(now_ms, pinned_offset)

    def close(self) -> None:
        """Close the log; the writer must have stopped."""
        self._log.close()

    # --- how far behind followers may be

    def _drop_references(self, position: int) -> None:
        limits = self.limits
        self._look_at = position + limits.ring_bytes_max // _LOOKS
        oldest = position - limits.ring_bytes_max
        for routes in (self.transient, self.committed):
            waiting = [each for each in routes.followers if each.fresh]  # of many thousands, mostly a few
            for follower in waiting:
                if follower.fresh[0].position <= oldest or len(follower.fresh) > limits.backlog_events_max:
                    follower.fall_behind()
            excess = sum([len(each.fresh) for each in waiting]) - limits.backlog_references_max
            if excess > 0:
                _drop_longest([each for each in waiting if each.fresh], excess)


def _drop_longest(followers: Sequence[TransientFeed | DurableSubscription], excess: int) -> None:
    """Let those furthest behind fall behind, until ``excess`` references, and a quarter more, are gone."""
    excess += excess // 4
    for follower in sorted(followers, key=lambda each: len(each.fresh), reverse=True):
        if excess <= 0:
            return
        excess -= len(follower.fresh)
        follower.fall_behind()
