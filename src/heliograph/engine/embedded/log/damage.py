"""What cannot be given to a consumer, and why."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import NamedTuple

import structlog

logger = structlog.get_logger("heliograph.log")


class Gap(NamedTuple):
    """The offsets ``first`` to ``last`` cannot be read any more.

    ``reason``: "removed" by retention; "damaged": found damaged or missing.
    """

    first: int
    last: int
    reason: str


class Damage(NamedTuple):
    """Octets that are not what was written.

    ``path``, ``position``, ``octets``: where, and how many (0: they are not there at all).  ``first``, ``last``:
    the offsets that are lost by it; none if ``first`` is greater, as when only a mark was hit.
    ``what``: "head", "keys", "body", "chain" (batches are missing), or "segment" (a file is missing).
    """

    path: str
    position: int
    octets: int
    first: int
    last: int
    what: str


class Damages:
    """What was found damaged of one log: each told once, with its offsets, and remembered.

    ``found``: everything so far, at most ``count_max``; more is neither told nor remembered, only never served.
    ``keep``: called with the path of a damaged file.
    """

    def __init__(self, exchange: str, count_max: int, keep: Callable[[str], None]) -> None:
        self.found: list[Damage] = []
        self._exchange = exchange
        self._count_max = count_max
        self._keep = keep
        self._known: set[tuple[str, int, int, int]] = set()
        self._lost: list[tuple[int, int]] = []  # first and last, sorted

    def around(self, offset: int) -> tuple[int, int] | None:
        """First and last offset of the damage that ``offset`` lies in, or None."""
        place = bisect_left(self._lost, (offset + 1,)) - 1
        return self._lost[place] if place >= 0 and self._lost[place][1] >= offset else None

    def report(self, damage: Damage) -> None:
        """Tell of it, remember its offsets, and keep the file; nothing if it is known."""
        known = damage.path, damage.position, damage.first, damage.last
        if known in self._known or len(self.found) >= self._count_max:
            return
        self._known.add(known)
        self.found.append(damage)
        if damage.first <= damage.last:
            insort(self._lost, (damage.first, damage.last))
        logger.error(
            "damaged", exchange=self._exchange, file=damage.path, position=damage.position, octets=damage.octets,
            what=damage.what, first=damage.first, last=damage.last, missing=max(0, damage.last - damage.first + 1),
        )  # fmt: skip
        if len(self.found) == self._count_max:
            logger.error("too much damage to remember", exchange=self._exchange, damages_max=self._count_max)
        if damage.octets:
            self._keep(damage.path)
