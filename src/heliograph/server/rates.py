"""Rates of what is counted anyway, worked out when somebody looks: the difference to an earlier look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

#: A shorter time says little.
_LOOK_S = 1.0
#: Who did not look for so long begins anew.
KEPT_S = 60.0

Counts = tuple[int, ...]


class Rate(Struct, frozen=True):
    """``per_s``: of each counter.  ``over_ms``: measured over so long."""

    per_s: tuple[float, ...]
    over_ms: int


class _Looks(Struct):
    """The latest two looks that are at least ``_LOOK_S`` apart."""

    earlier: tuple[float, Counts]
    latest: tuple[float, Counts]
    looked_s: float
    forget: Callable[[], None]


class Rates:
    """Counters by name; bounded by what was looked at within ``KEPT_S``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._looks: dict[str, _Looks] = {}  # who was looked at longest ago comes first
        self._timer: asyncio.TimerHandle | None = None
        self.begun_s = loop.time()

    def look(
        self, name: str, counts: Counts, begun_s: float | None = None, forget: Callable[[], None] = lambda: None
    ) -> Rate | None:
        """The rates since the last look that was a second ago or longer, else since they were 0; None at first.

        ``begun_s``: when they were 0, on the loop's clock; None where that was just now.  ``forget`` is called when
        nobody looks any more.
        """
        now_s = self._loop.time()
        looks = self._looks.pop(name, None)
        if looks is None or any(now < then for now, then in zip(counts, looks.latest[1], strict=True)):
            begun = (now_s if begun_s is None else begun_s, (0,) * len(counts))
            looks = _Looks(begun, begun, now_s, forget)
        self._looks[name] = looks
        looks.looked_s, looks.forget = now_s, forget
        if now_s - looks.latest[0] >= _LOOK_S:
            looks.earlier, looks.latest = looks.latest, (now_s, counts)
        if self._timer is None:
            self._timer = self._loop.call_later(KEPT_S, self._sweep)
        then_s, before = looks.earlier
        passed_s = now_s - then_s
        if passed_s <= 0:
            return None
        per_s = tuple(round((now - then) / passed_s, 3) for now, then in zip(counts, before, strict=True))
        return Rate(per_s, round(passed_s * 1000))

    def _sweep(self) -> None:
        self._timer = None
        oldest_s = self._loop.time() - KEPT_S
        while self._looks:
            name, looks = next(iter(self._looks.items()))
            if looks.looked_s > oldest_s:
                self._timer = self._loop.call_later(looks.looked_s - oldest_s, self._sweep)
                return
            del self._looks[name]
            looks.forget()
