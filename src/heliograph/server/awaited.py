"""What a connection waits for before it may end: RECEIPTs of what is not on disk yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from heliograph.engine.interface import Confirm
from heliograph.errors import HeliographError


class Awaited:
    """``leaving``: whether the connection ends as soon as nothing is awaited."""

    __slots__ = ("_count", "_then", "leaving")

    def __init__(self) -> None:
        self._count = 0
        self._then: Callable[[], None] = lambda: None
        self.leaving = False

    def confirm(self, act: Callable[..., None], *args: object) -> Confirm:
        """A ``Confirm`` that does ``act(*args, error)``, awaited from now on."""
        self._count += 1
        return partial(self._confirmed, act, args)

    def leave(self, then: Callable[[], None]) -> None:
        """Do ``then`` when nothing is awaited, perhaps at once."""
        self.leaving, self._then = True, then
        if not self._count:
            then()

    def _confirmed(self, act: Callable[..., None], args: tuple[object, ...], error: HeliographError | None) -> None:
        self._count -= 1
        act(*args, error)
        if self.leaving and not self._count:
            self._then()
