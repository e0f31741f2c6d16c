"""What cannot be given to a consumer, and why."""

from __future__ import annotations

from typing import NamedTuple


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
