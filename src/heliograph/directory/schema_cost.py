"""How much work a JSON Schema (2020-12) asks for, told before it is used.

A validator looks at each part of a body with each subschema that stands over it, so the work for a body is at most the
body's size times the schema's cost.  That holds while no ``$ref`` leads back to itself, and where what a keyword may
have looked at again counts twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

#: Keywords that hold a subschema, several, or several by name.
_ONE = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP = ("dependentSchemas", "patternProperties", "properties")
#: What stands below these may be looked at twice; with the last two, all that stands beside them.
_TWICE = {"anyOf", "contains", "if", "not", "oneOf"}
_AGAIN = ("unevaluatedItems", "unevaluatedProperties")
#: They make what a ``$ref`` means depend on where it stands, or on what was validated before.
_REFUSED = ("$id", "$dynamicRef", "$recursiveRef")
#: So many octets of the other keywords (patterns, enumerations) count as much as a subschema.
_OCTETS = 16
_LEVELS_MAX = 64

Step = str | int
Path = tuple[Step, ...]


class SchemaFault(Exception):
    """``path``: the keys that lead to what is wrong; ``sentences``: what that is, and how to mend it."""

    def __init__(self, path: Path, sentences: str) -> None:
        super().__init__(sentences)
        self.path = path
        self.sentences = sentences


def schema_cost(schema: Mapping[str, Any]) -> int:
    """1 or more.  SchemaFault for what makes it endless, or reaches beyond the schema."""
    return _Meter(schema).cost((), schema)


class _Meter:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[int, int] = {}  # by identity: a subschema that is referred to often is counted once
        self._open: set[int] = set()
        self._level = 0

    def cost(self, path: Path, schema: Any) -> int:
        if not isinstance(schema, Mapping):
            return 1  # true and false; what else stands here, the validator refuses
        known = self._known.get(id(schema))
        if known is not None:
            return known
        if id(schema) in self._open:
            raise SchemaFault(path, "it leads back to itself, so there would be no end. Write out the levels you need.")
        if self._level == _LEVELS_MAX:
            raise SchemaFault(path, f"it is nested deeper than {_LEVELS_MAX} levels.")
        self._open.add(id(schema))
        self._level += 1
        found = self._known[id(schema)] = self._measure(path, schema)
        self._level -= 1
        self._open.discard(id(schema))
        return found

    def _measure(self, path: Path, schema: Mapping[str, Any]) -> int:
        for name in _REFUSED:
            if name in schema:
                raise SchemaFault((*path, name), "it is not allowed. Refer by $ref to a place in this schema: '#/...'.")
        own = {name: value for name, value in schema.items() if name not in {*_ONE, *_LIST, *_MAP, "$defs"}}
        total = 1 + len(json.dumps(own)) // _OCTETS
        for keyword, place, subschema in _subschemas(path, schema):
            total += self.cost(place, subschema) * (2 if keyword in _TWICE else 1)
        if "$ref" in schema:
            total += self.cost((*path, "$ref"), self._target((*path, "$ref"), schema["$ref"]))
        return 2 * total if any(name in schema for name in _AGAIN) else total

    def _target(self, path: Path, reference: Any) -> Any:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise SchemaFault(path, f"{reference!r:.100} is outside this schema, and nothing is fetched. Use '#/...'.")
        found: Any = self._root
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, Mapping) and name in found:
                found = found[name]
            else:
                raise SchemaFault(path, f"there is no {reference!r:.100} in this schema.")
        return found


def _subschemas(path: Path, schema: Mapping[str, Any]) -> Iterator[tuple[str, Path, Any]]:
    """Keyword, path and subschema of all that is applied."""
    for name in _ONE:
        if name in schema:
            yield name, (*path, name), schema[name]
    for name in _LIST:
        if isinstance(schema.get(name), list):
            yield from ((name, (*path, name, index), each) for index, each in enumerate(schema[name]))
    for name in _MAP:
        if isinstance(schema.get(name), Mapping):
            yield from ((name, (*path, name, key), each) for key, each in schema[name].items())
            if name == "patternProperties":
                yield from (("propertyNames", (*path, name), {"pattern": key}) for key in schema[name])
