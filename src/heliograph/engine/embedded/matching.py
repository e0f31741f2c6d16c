"""Whether a binding admits a routing key: the tenant's first word, the pattern, and the rights of a service."""

from __future__ import annotations

from heliograph.engine.interface import Binding
from heliograph.topic.matcher import matches

#: Keys whose match is remembered.
_KEYS_MAX = 4_096


class Admitted:
    """Whether a routing key, as text, is admitted by a binding; what was found is remembered for a while."""

    __slots__ = ("_binding", "_known")

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._known: dict[str, bool] = {}

    def __call__(self, key: str) -> bool:
        """Whether it is."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _KEYS_MAX:
                self._known.clear()
            known = self._known[key] = admits(self._binding, tuple(key.split(".")))
        return known


def admits(binding: Binding, key_words: tuple[str, ...]) -> bool:
    """Whether an event with that key may go to a subscription with that binding, and is asked for."""
    if binding.owner is not None and key_words[0] != binding.owner:
        return False
    return matches(binding.pattern, key_words) and within_rights(binding, key_words)


def within_rights(binding: Binding, key_words: tuple[str, ...]) -> bool:
    """Whether one of the owner's rights covers the key; who has an owner word needs none."""
    return not binding.rights or any(matches(right, key_words) for right in binding.rights)
