"""A bounded cache of two generations: constant time, no book-keeping on a hit."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class GenerationalCache(Generic[K, V]):
    """At most ``size_max`` entries.  What was not asked for during a whole generation is forgotten.

    Entries are put into ``young``; when that holds half of ``size_max``, it becomes ``old`` and the
    former ``old`` is dropped at once.  A hit in ``old`` moves the entry to ``young``.  The hot path may
    look into ``young`` directly and call ``get`` on a miss only.
    """

    __slots__ = ("_half", "old", "young")

    def __init__(self, size_max: int) -> None:
        self._half = max(1, size_max // 2)
        self.young: dict[K, V] = {}
        self.old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value, or None."""
        value = self.young.get(key)
        if value is None:
            value = self.old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember ``value``; it must not be None."""
        if len(self.young) >= self._half:
            self.old, self.young = self.young, {}
        self.young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        self.young.clear()
        self.old.clear()

    def __len__(self) -> int:
        return len(self.young) + len(self.old)
