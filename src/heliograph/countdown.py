"""One confirmation for several things."""

from __future__ import annotations

from collections.abc import Callable

from heliograph.errors import HeliographError


class Countdown:
    """A ``Confirm`` (``engine.interface``) of ``count`` things: when all are done, tells the first error or None."""

    __slots__ = ("_confirm", "_error", "_left")

    def __init__(self, count: int, confirm: Callable[[HeliographError | None], None]) -> None:
        self._left = count
        self._error: HeliographError | None = None
        self._confirm = confirm
        if not count:
            confirm(None)

    def __call__(self, error: HeliographError | None) -> None:
        """One of them is done."""
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._confirm(self._error)
