"""The past of one or several exchanges, the newest first, in pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct

from heliograph.broker.authorization import removed, renewed
from heliograph.broker.broker import Broker
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Binding, Event, LookBack, Missing
from heliograph.errors import LimitError
from heliograph.limits import Limits


class Period(Struct, frozen=True):
    """Times of receipt, milliseconds since 1970: from ``from_ms`` on, and before ``to_ms``; None: no bound."""

    from_ms: int | None = None
    to_ms: int | None = None


class Page(Struct, frozen=True):
    """``events``: the newest first.  ``missing``: what would stand among or behind them, by exchange.

    ``befores``: for each exchange of which something is left, the offset before which to go on; none at the end.
    """

    events: list[Event]
    missing: list[tuple[str, Missing]]
    befores: dict[str, int]


class History:
    """Reads pages.  What one costs is bounded, and so is how many are read at once for one login."""

    def __init__(self, broker: Broker, limits: Limits) -> None:
        self._broker = broker
        self._limits = limits
        self._reading: dict[str, int] = {}  # by login; bounded by the connections

    async def page(
        self,
        principal: Principal,
        bindings: Sequence[Binding],
        period: Period,
        befores: Mapping[str, int] | None,
        count_max: int,
    ) -> Page:
        """The newest events that ``bindings`` ask for, at most ``count_max``.

        ``befores``: of the page before; of an exchange that is not among them nothing is left.  A page may have fewer
        events than there are, even none, where ``history_scan_bytes_max`` was spent on what is not asked for.
        LimitError where ``principal`` reads too much at once; AccessError where it may not see all of it any more;
        ServerError where the log cannot be read.
        """
        with self._turn(principal.login):
            asked = [each for each in bindings if befores is None or each.exchange in befores]
            tracks = [self._track(each, period, befores) for each in asked]
            page = await self._merge(tracks, count_max)
        directory = self._broker.directory
        now = directory.principals.get(principal.login)
        if now is None:
            raise removed(principal.login)
        for each in asked:  # what was withdrawn meanwhile is not told any more
            renewed(directory, now, each)
        return page

    def _track(self, binding: Binding, period: Period, befores: Mapping[str, int] | None) -> _Track:
        name = binding.exchange
        before = None if befores is None else befores[name]
        return _Track(name, self._broker.history(name).look_back(binding, before, period.from_ms, period.to_ms))

    async def _merge(self, tracks: list[_Track], count_max: int) -> Page:
        """Take from the track that goes on with the latest; where it has to be read first, as much as that may cost."""
        limits = self._limits
        events: list[Event] = []
        room, left = limits.history_page_bytes_max, limits.history_scan_bytes_max
        while len(events) < count_max and room > 0:
            track = max((each for each in tracks if not each.done), key=_Track.latest, default=None)
            if track is None:
                break
            if track.found:
                event = track.found.popleft()
                events.append(event)
                room -= len(event.body)
            elif left > 0 or not track.was_read:  # so that each page comes further than the one before
                left -= await track.read(max(1, left))
            else:
                break
        missing = [(each.exchange, gap) for each in tracks for gap in each.missing()]
        return Page(events, missing, {each.exchange: each.before for each in tracks if not each.done})

    @contextmanager
    def _turn(self, login: str) -> Iterator[None]:
        most = self._limits.history_reads_max
        if self._reading.get(login, 0) >= most:
            raise LimitError(
                "Too many requests",
                f"{login!r} is reading {most} pages of history already (history_reads_max). "
                "Ask for the next when one has come.",
            )
        self._reading[login] = self._reading.get(login, 0) + 1
        try:
            yield
        finally:
            self._reading[login] -= 1
            if not self._reading[login]:
                del self._reading[login]


class _Track:
    """One exchange of a page.  ``found``: read and not taken yet, the newest first; ``was_read``: at least once."""

    def __init__(self, exchange: str, look: LookBack) -> None:
        self.exchange = exchange
        self.found: deque[Event] = deque()
        self.was_read = False
        self._look = look
        self._missing: list[Missing] = []

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not self.found and self._look.done

    @property
    def before(self) -> int:
        """All from this offset on was taken or is not asked for."""
        return self.found[0].offset + 1 if self.found else self._look.before

    def latest(self) -> tuple[int, bool, int]:
        """How late what comes next may be; what is known comes before what must be read for it."""
        if self.found:
            return self.found[0].received_ms, True, self.found[0].offset
        return self._look.reached_ms, False, 0

    async def read(self, octets_max: int) -> int:
        """Look further back; the octets that this has cost."""
        events, missing, octets = await self._look.read(octets_max)
        self.found.extend(events)
        self._missing += missing
        self.was_read = True
        return max(1, octets)

    def missing(self) -> list[Missing]:
        """What is missing of all that was taken; what lies before that is told with the page that it belongs to."""
        return [gap for gap in self._missing if gap.last >= self.before]
