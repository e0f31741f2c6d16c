"""What follows an exchange: live, by references that the exchange appends; behind, as a position in its log.

It goes live again in the tick in which its scan meets the live edge, so nothing is missed and nothing comes twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from heliograph.engine.embedded.backlog import Backlog
from heliograph.engine.embedded.catch_up import REFILL_BYTES, REFILL_EVENTS
from heliograph.engine.embedded.scan import Scan
from heliograph.engine.interface import Binding, Event, Lag

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange

_FOR_EVER = 1 << 62


class Follower(ABC):
    """``fresh`` is what the exchange appends to while this is live; ``scan`` is None then.

    What a kind of subscription adds: ``join`` (take part in live routing), ``leave`` and ``notify`` (tell who waits).
    """

    __slots__ = ("_gap", "backlog", "binding", "closed", "exchange", "fresh", "replayed_before", "scan")

    def __init__(self, exchange: Exchange, binding: Binding) -> None:
        self.exchange = exchange
        self.binding = binding
        self.backlog = Backlog()
        self.fresh: list[Event] = self.backlog.fresh
        self.scan: Scan | None = None
        self.closed = False
        self.replayed_before = 0
        self._gap: tuple[int, int] | None = None

    @abstractmethod
    def join(self, scan: Scan | None) -> None:
        """Become live; ``scan`` is what was read up to the live edge, or None where this begins there."""

    @abstractmethod
    def leave(self) -> None:
        """Be live no more."""

    @abstractmethod
    def notify(self) -> None:
        """Something has become pending where nothing was."""

    @property
    def pending(self) -> bool:
        """Whether something can be taken."""
        return bool(self.fresh or self.backlog.returned)

    @property
    def lag(self) -> Lag:
        """See ``Feed``."""
        if self.scan is None:
            return Lag(len(self.backlog), self.exchange.next_offset)
        position = self.scan.position
        return Lag(len(self.backlog), position, max(0, self.exchange.committed_next - position))

    def widen(self, binding: Binding) -> None:
        """See ``Feed``; owner and pattern are the same, so only what was found before is to be forgotten."""
        self.binding = binding
        if self.scan is not None:
            self.scan.widen(binding)
        self.exchange.transient.forget()
        self.exchange.committed.forget()

    def take_gap(self) -> tuple[int, int] | None:
        """See ``Feed``."""
        gap, self._gap = self._gap, None
        return gap

    def fall_behind(self) -> None:
        """Hold no more references: be a position in the log, at the oldest event not taken yet."""
        offset = self.fresh[0].offset if self.fresh else self.exchange.next_offset
        self.fresh.clear()
        self.leave()
        self.follow_from(offset)

    def follow_from(self, offset: int) -> None:
        """Read the log from ``offset`` on, until the live edge."""
        self.replayed_before = _FOR_EVER
        self.scan = Scan(self.exchange, self.binding, offset)
        self.want_more()

    def want_more(self) -> None:
        """Ask for a refill where there is room for one."""
        if self.scan is not None and not self.closed and len(self.fresh) < REFILL_EVENTS:
            self.exchange.catch_up.want(self)

    def refill(self) -> bool:
        """Read one batch of the log; whether another should be read now.  Called by ``CatchUp`` alone."""
        scan = self.scan
        if scan is None or self.closed:
            return False
        was_empty = not self.backlog
        room = REFILL_BYTES - sum([event.size for event in self.fresh])
        if room <= 0 or len(self.fresh) >= REFILL_EVENTS:
            return False
        self.fresh.extend(scan.read(REFILL_EVENTS - len(self.fresh), room))
        if scan.gap is not None:
            self._gap = (self._gap[0] if self._gap else scan.gap[0], scan.gap[1])
            scan.gap = None
        if scan.at_edge:
            self.scan = None
            self.replayed_before = scan.position
            self.join(scan)
        if was_empty and self.backlog:
            self.notify()
        return self.scan is not None
