"""What a connection waits for before it may end: RECEIPTs of what is not on disk yet."""

from __future__ import annotations

from collections.abc import Callable


class Awaited:
    """``count``: of what is awaited.  ``leaving``: whether the connection ends as soon as nothing is."""

    __slots__ = ("_then", "count", "leaving")

    def __init__(self) -> None:
        self._then: Callable[[], None] = lambda: None
        self.count = 0
        self.leaving = False

    def done(self) -> None:
        """One of it has come."""
        self.count -= 1
        if self.leaving and not self.count:
            self._then()

    def leave(self, then: Callable[[], None]) -> None:
        """Do ``then`` when nothing is awaited, perhaps at once."""
        self.leaving, self._then = True, then
        if not self.count:
            then()
