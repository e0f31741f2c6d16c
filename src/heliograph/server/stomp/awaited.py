"""What a connection waits for before it may end: RECEIPTs of what is not on disk yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from heliograph.engine.interface import Confirm
from heliograph.errors import HeliographError


class Awaited:
    """``count``: of what is awaited.  ``leaving``: whether the connection ends as soon as nothing is."""

    __slots__ = ("_then", "count", "leaving")

    def __init__(self) -> None:
        self._then: Callable[[], None] = lambda: None
        self.count = 0
        self.leaving = False

    def add(self, confirm: Confirm) -> Confirm:
        """Wait for one more: ``confirm``, to be called through what is returned."""
        self.count += 1
        return partial(self._done, confirm)

    def leave(self, then: Callable[[], None]) -> None:
        """Do ``then`` when nothing is awaited, perhaps at once."""
        self.leaving, self._then = True, then
        if not self.count:
            then()

    def _done(self, confirm: Confirm, error: HeliographError | None) -> None:
        confirm(error)
        self.count -= 1
        if self.leaving and not self.count:
            self._then()
