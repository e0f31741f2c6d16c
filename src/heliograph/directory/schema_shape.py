"""Bodies of an operator's own message type: its JSON Schema (2020-12), and where in them words of the key stand.

No schema can fetch anything (only ``#/...`` may be referred to), and none can hold up the broker: patterns run in
linear time, and a body may have so many octets that schema and body together ask for ``schema_steps_max``.
``format`` is not checked: the standard has ``date-time`` refuse what the contract's timestamps are (BODY-2).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from heliograph.catalog.bodies import INT64_MAX
from heliograph.catalog.body_shape import INVALID_BODY, Place, Words, is_utf8, several, spoken, unreadable
from heliograph.catalog.faults import FAULTS_MAX, below
from heliograph.catalog.routing_key import ACTION, EVENT_TYPES
from heliograph.directory.schema_cost import SchemaFault, schema_cost
from heliograph.errors import BodyError
from heliograph.limits import Limits

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Of one compiled pattern; a GUID or a time take 4,096.  Their product with the body is what matching takes at worst.
_PATTERN_BYTES_MAX = 65_536
_PATTERN_CACHE_BYTES_MAX = 1_048_576
#: Collecting all faults costs some 20 us each, so of more steps than these only the first is named.
_ALL_FAULTS_STEPS_MAX = 16_384
_SHOWN_CHARACTERS_MAX = 200
_TEXTS = {ACTION, EVENT_TYPES}


class SchemaShape:
    """``schema``: a JSON object.  ``pointers``: by layout name.  SchemaFault for a schema that cannot be used."""

    __slots__ = ("_bytes_max", "_cost", "_decode", "_schema", "_steps", "implied", "places")

    def __init__(self, schema: Mapping[str, Any], pointers: Mapping[str, str], limits: Limits) -> None:
        self._cost = checked_cost(schema, limits)
        self._bytes_max = limits.schema_steps_max // self._cost
        self._schema = _compiled(schema)
        self._decode = msgspec.json.Decoder().decode
        self.places: Mapping[str, Place] = {name: Place("", pointer) for name, pointer in pointers.items()}
        self._steps = [(name, pointer, pointer_steps(pointer)) for name, pointer in pointers.items()]
        #: What a body says for each of ``places``; BodyError where it does not.
        self.implied: Callable[[Any], tuple[int | str, ...]] = self._implied

    def read(self, body: bytes) -> Any:
        """Decode and validate; ``BodyError`` with all faults."""
        if len(body) > self._bytes_max:
            raise BodyError(
                INVALID_BODY,
                f"The body has {len(body)} octets; with the schema of its message type it may have {self._bytes_max}.",
            )
        try:
            found = self._decode(body)
            if self._schema.is_valid(found):
                return found
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as fault:
            if is_utf8(body) and type(fault) is ValueError:  # the validator's own limit
                raise BodyError(INVALID_BODY, "The body is nested too deeply.") from None
            raise unreadable(body, fault) from None
        raise several([*islice(self._faults(found, body), FAULTS_MAX)])

    def agree(self, bodies: Sequence[bytes], expected: Sequence[Words]) -> bool:
        """Whether ``read`` takes all bodies, and each says its words of ``expected`` for ``places``."""
        try:
            return all(self._implied(self.read(body)) == said for body, said in zip(bodies, expected, strict=True))
        except BodyError:
            return False

    def _faults(self, found: Any, body: bytes) -> Iterable[tuple[str, str]]:
        nodes = 1 + body.count(b",") + body.count(b"[") + body.count(b"{")  # at most: each stands behind one of these
        if nodes * self._cost <= _ALL_FAULTS_STEPS_MAX:
            return map(_told, self._schema.iter_errors(found))
        try:
            self._schema.validate(found)
        except ValidationError as fault:
            return [_told(fault)]
        return [("", "The body is not as its message type says.")]

    def _implied(self, found: Any) -> tuple[int | str, ...]:
        return tuple([_word(found, *step) for step in self._steps])


def checked_cost(schema: Mapping[str, Any], limits: Limits) -> int:
    """See ``schema_cost``.  SchemaFault where it is over ``schema_cost_max``, or another dialect."""
    if schema.get("$schema", DIALECT) != DIALECT:
        raise SchemaFault(("$schema",), f"only {DIALECT} is known. Leave it out, or say that.")
    try:
        size = len(json.dumps(schema, allow_nan=False))
        cost = schema_cost(schema)
    except (TypeError, ValueError, RecursionError):
        raise SchemaFault((), "it is not JSON: a date, infinity, or nested too deeply. Use what JSON has.") from None
    if size > limits.schema_bytes_max:
        raise SchemaFault((), f"it has {size} octets; {limits.schema_bytes_max} are allowed (schema_bytes_max).")
    if cost > limits.schema_cost_max:
        raise SchemaFault(
            (),
            f"it asks for {cost} steps at each place of a body; {limits.schema_cost_max} are allowed "
            "(schema_cost_max). Refer less often to what is large, and nest fewer anyOf, oneOf, if and not.",
        )
    return cost


def pointer_steps(pointer: str) -> list[str]:
    """The names that a JSON pointer leads through; ValueError where it is none."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _compiled(schema: Mapping[str, Any]) -> Draft202012Validator:
    """SchemaFault with the path of what is wrong."""
    patterns = RegexOptions(size_limit=_PATTERN_BYTES_MAX, dfa_size_limit=_PATTERN_CACHE_BYTES_MAX)
    try:
        return Draft202012Validator(dict(schema), validate_formats=False, pattern_options=patterns, offline=True)
    except ValidationError as fault:
        what = _cut(fault.message)
        if fault.instance_path and fault.instance_path[-1] == "pattern":
            what = f"{what}. Lookaround, back references and patterns over {_PATTERN_BYTES_MAX} octets are not known"
        raise SchemaFault(tuple(fault.instance_path), f"it is no JSON Schema: {what}.") from None
    except ValueError as fault:
        raise SchemaFault((), f"it is no JSON Schema: {_cut(str(fault))}.") from None


def _told(fault: ValidationError) -> tuple[str, str]:
    pointer = ""
    for step in fault.instance_path:
        pointer = below(pointer, step)
    return pointer, f"{spoken(pointer)}: {_cut(fault.message)}."


def _word(found: Any, name: str, pointer: str, steps: list[str]) -> int | str:
    """What ``found`` says for a word of the key."""
    for step in steps:
        if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict) and step in found:
            found = found[step]
        else:
            raise BodyError(INVALID_BODY, f"{spoken(pointer)} must be there, for the routing key has it.", pointer)
    if name in _TEXTS and isinstance(found, str):
        return found
    if name not in _TEXTS and type(found) is int and 0 <= found <= INT64_MAX:
        return found
    expected = "a string" if name in _TEXTS else "an integer from 0 to 2^63-1"
    raise BodyError(INVALID_BODY, f"{spoken(pointer)} must be {expected}, for the routing key has it.", pointer)


def _cut(text: str) -> str:
    text = text.partition("\n")[0]
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"
