"""Reading an exchange's log for one subscription: a position that moves on, and what was missing on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.matching import Admitted
from heliograph.engine.embedded.page import Page
from heliograph.engine.interface import Binding, Event

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange


class Scan:
    """``position``: nothing from there on was looked at yet.  ``gap``: offsets that were asked for and are gone.

    ``admits``: whether an event with that key is asked for.
    """

    __slots__ = ("_exchange", "admits", "gap", "position")

    def __init__(self, exchange: Exchange, binding: Binding, position: int) -> None:
        self._exchange = exchange
        self.admits = Admitted(binding)
        self.position = position
        self.gap: tuple[int, int] | None = None

    @property
    def at_edge(self) -> bool:
        """Whether everything that is committed was looked at."""
        return self.position >= self._exchange.committed_next

    def widen(self, binding: Binding) -> None:
        """Ask for more from here on."""
        self.admits = Admitted(binding)

    def read(self, count_max: int, bytes_max: int) -> list[Event]:
        """Events of the next batch that are asked for, at most so many; perhaps none, and more may follow."""
        found: list[Event] = []
        exchange, end = self._exchange, self._exchange.committed_next
        if self.position >= end:
            return found
        page = exchange.page(self.position)
        if page is None:
            self.position = end
        elif isinstance(page, Gap):
            self._miss(page, end)
        else:
            self._read(page, end, found, count_max, bytes_max)
        return found

    def _read(self, page: Page, end: int, found: list[Event], count_max: int, bytes_max: int) -> None:
        batch = page.batch
        if any(map(self.admits, batch.keys)):
            events = page.events()
            if isinstance(events, Gap):
                self._miss(events, end)
                return
            size = 0
            for event in events[max(0, self.position - batch.first_offset) :]:  # contiguous within a batch
                if not self.admits(event.envelope.key):
                    continue
                if event.offset >= end or len(found) >= count_max or size >= bytes_max:
                    self.position = max(self.position, min(event.offset, end))
                    return
                found.append(event)
                size += event.size
                self.position = event.offset + 1
        self.position = max(self.position, min(batch.last_offset + 1, end))

    def _miss(self, gap: Gap, end: int) -> None:
        first, last = max(gap.first, self.position), min(gap.last, end - 1)
        if first <= last:
            self.gap = (self.gap[0] if self.gap else first, last)
        self.position = max(self.position, last + 1)
