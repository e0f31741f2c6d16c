"""A subscription that lives as long as its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from heliograph.engine.embedded.follower import Follower
from heliograph.engine.embedded.scan import Scan
from heliograph.engine.interface import Binding, Confirm, Event
from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange


class TransientFeed(Follower):
    """See ``engine.interface.Feed``.  Live, it sees events before they are committed."""

    __slots__ = ("ended", "redelivered", "wake")

    def __init__(
        self,
        exchange: Exchange,
        binding: Binding,
        start: int | None,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
    ) -> None:
        super().__init__(exchange, binding)
        self.wake = wake
        self.ended = ended
        self.redelivered: set[int] = set()
        if start is None:
            self.join(None)
        else:
            self.follow_from(start)

    @property
    def pending(self) -> bool:
        """See ``Feed``.  What came back is among what was delivered before, so most need not look for it."""
        return bool(self.fresh or (self.redelivered and self.backlog.returned))

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``."""
        fresh = self.fresh
        if fresh and self.scan is None and not self.redelivered and len(fresh) <= count_max:
            taken = fresh[:]
            first, last = taken[0], taken[-1]
            # The positions count others' events too, so it is less than their difference.
            between = last.position - first.position + first.size if first.position else bytes_max
            if between < bytes_max or sum([event.size for event in taken]) < bytes_max:
                fresh.clear()
                return taken
        taken = self.backlog.take(count_max, bytes_max)
        self.want_more()
        return taken

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """See ``Feed``; nothing of it is stored."""
        if self.redelivered:
            self.redelivered.difference_update([event.offset for event in events])
        if confirm is not None:
            confirm(None)

    reject = settle

    def requeue(self, events: list[Event]) -> None:
        """See ``Feed``."""
        if self.closed:
            return
        for event in events:
            self.redelivered.add(event.offset)
            self.backlog.give_back(event)

    def close(self) -> None:
        """See ``Feed``; nothing of it outlives its connection."""
        if not self.closed:
            self.closed = True
            self.leave()
            self.backlog.clear()

    def join(self, scan: Scan | None) -> None:
        """See ``Follower``; what is not committed yet is ours to see too."""
        if scan is not None:
            for event in self.exchange.uncommitted():
                if event.offset >= scan.position and scan.admits(event.envelope.key):
                    self.fresh.append(event)
        self.exchange.transient.add(self)

    def leave(self) -> None:
        """See ``Follower``."""
        self.exchange.transient.discard(self)

    def notify(self) -> None:
        """See ``Follower``."""
        self.wake()
