"""What applying a file does: a list of changes, which can be read, written and audited."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

Entity: TypeAlias = Mapping[str, Any]
Action: TypeAlias = Literal["add", "change", "remove"]

#: Of a value; a schema is longer, and the file has it.
_SHOWN_CHARACTERS_MAX = 500

_SIGNS: dict[Action, str] = {"add": "+", "change": "~", "remove": "-"}
_KINDS = ("event type", "message type", "system", "partner", "account", "service", "operator", "credential")


class Change(Struct, frozen=True):
    """One entity.  ``before``, ``after``: JSON-ready and without secrets; None where it was not, or is no more.

    ``key``: a name, an id, or for a credential the login and its name.
    """

    kind: str
    key: str | int
    before: Entity | None
    after: Entity | None

    @property
    def action(self) -> Action:
        """What happens to it."""
        return "add" if self.before is None else "remove" if self.after is None else "change"

    @property
    def what(self) -> str:
        """Such as ``partner 7``."""
        return f"{self.kind} {self.key}"

    def lines(self) -> Iterator[str]:
        """For people: the entity, and below it the fields that change."""
        yield f"{_SIGNS[self.action]} {self.what}"
        before, after = self.before or {}, self.after or {}
        for name in dict.fromkeys([*before, *after]):
            old, new = before.get(name), after.get(name)
            if isinstance(old, list) and isinstance(new, list):
                yield from (f"    {name}: - {_shown(each)}" for each in old if each not in new)
                yield from (f"    {name}: + {_shown(each)}" for each in new if each not in old)
            elif old != new and self.action == "change":
                yield f"    {name}: {_shown(old)} -> {_shown(new)}"
            elif self.action == "add" and new not in (None, [], {}, False):
                yield f"    {name}: {_shown(new)}"


class Diff(Struct, frozen=True):
    """All changes of one ``apply``; false where there are none."""

    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    def lines(self) -> Iterator[str]:
        """For people: ``+`` is new, ``~`` changes, ``-`` goes."""
        for change in self.changes:
            yield from change.lines()


def compare(old: Mapping[tuple[str, Any], Entity], new: Mapping[tuple[str, Any], Entity]) -> tuple[Change, ...]:
    """The changes that lead from ``old`` to ``new``, by kind and key."""
    keys = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
    keys.sort(key=lambda key: (_KINDS.index(key[0]), key[1]))
    return tuple(Change(kind, key, old.get((kind, key)), new.get((kind, key))) for kind, key in keys)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}… ({len(text)} characters)"
