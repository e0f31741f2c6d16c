"""Reading a body against its shape, and saying what is wrong with it.

A body is decoded once, into a struct that holds only the known fields.  msgspec passes over the others without
looking at their characters, so octets that are not UTF-8 are looked for here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from heliograph.catalog.bodies import TIMESTAMP, Body
from heliograph.catalog.faults import FAULTS_MAX, Fault, faults_of
from heliograph.errors import BodyError
from heliograph.topic.words import quote

INVALID_BODY = "Invalid body"

# msgspec's texts: a fault, and but for the body itself where it is
_PLACE = " - at `$"
_NOT_ONE_OF = re.compile(r"Invalid enum value '(.*)'", re.DOTALL)
_GOT = re.compile(r"got `(\w+)`")
_GOT_NAMES = {
    "array": "an array",
    "bool": "a boolean",
    "float": "a number with a fraction or an exponent",
    "int": "an integer",
    "null": "null",
    "object": "an object",
    "str": "a string",
}


#: Words of a routing key, as a body says them.
Words = tuple[int | str | None, ...]


class Place(NamedTuple):
    """Where a body holds a word of its routing key: as an attribute (dotted) and as a JSON pointer (RFC 6901)."""

    attribute: str
    pointer: str


class BodyShape:
    """A struct for bodies, and where in it words of the routing key stand: ``places``, two or more, by layout name."""

    __slots__ = ("_expected", "_struct", "decode", "implied", "places")

    def __init__(self, struct: type[Body], places: Mapping[str, Place]) -> None:
        self.places = places
        #: What a body says for each of ``places``; an attribute, since a method costs more than what it does.
        self.implied: Callable[[Any], tuple[int | str, ...]] = attrgetter(*(each.attribute for each in places.values()))
        #: JSON to struct, without what msgspec cannot check.
        self.decode = msgspec.json.Decoder(struct).decode
        self._struct = struct
        self._expected = dict(_descriptions(inspect.type_info(struct), ""))

    def read(self, body: bytes) -> Body:
        """Decode and validate; ``BodyError`` with pointer and detail for whatever is wrong."""
        try:
            found = self.decode(body)
            if not body.isascii():
                body.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise self._error(body, fault) from None
        if TIMESTAMP.fullmatch(found.timestamp) is None:
            raise several([("/timestamp", self._detail(Fault("/timestamp", f"it is {quote(found.timestamp)}")))])
        return found

    def agree(self, bodies: Sequence[bytes], expected: Sequence[Words]) -> bool:
        """Whether ``read`` takes all bodies, and each says its words of ``expected`` for ``places``.

        Every event comes by here.  What comes at once is often of the same millisecond, which is read once then.
        """
        decode, implied, is_timestamp = self.decode, self.implied, TIMESTAMP.fullmatch
        checked = None
        try:
            for body, said in zip(bodies, expected, strict=True):
                found = decode(body)
                if implied(found) != said:
                    return False
                if found.timestamp != checked:
                    checked = found.timestamp
                    if is_timestamp(checked) is None:
                        return False
                if not body.isascii():
                    body.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True

    def _error(self, body: bytes, fault: Exception) -> BodyError:
        if not isinstance(fault, msgspec.ValidationError) or not is_utf8(body):
            return unreadable(body, fault)
        faults = islice(self._faults(body, str(fault)), FAULTS_MAX)
        return several([(each.pointer, self._detail(each)) for each in faults])

    def _faults(self, body: bytes, first: str) -> Iterator[Fault]:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):  # such as a number that only a struct knows to pass over
            text, _, place = first.partition(_PLACE)
            yield Fault(place.rstrip("`").replace(".", "/").replace("[", "/").replace("]", ""), text)
            return
        yield from faults_of(value, self._struct)
        timestamp = value.get("timestamp") if isinstance(value, dict) else None
        if isinstance(timestamp, str) and TIMESTAMP.fullmatch(timestamp) is None:
            yield Fault("/timestamp", f"it is {quote(timestamp)}")

    def _detail(self, fault: Fault) -> str:
        found = fault.text
        if value := _NOT_ONE_OF.fullmatch(found):
            found = f"it is {quote(value[1])}"
        elif got := _GOT.search(found):
            found = f"it is {_GOT_NAMES.get(got[1], got[1])}"
        elif not found.startswith("it is "):
            found = "its value is not allowed"
        expected = self._expected.get(fault.pointer, "as its message type says")
        return f"{spoken(fault.pointer)} must be {expected}; {found}."


def is_utf8(body: bytes) -> bool:
    """Whether it is (RFC 3629)."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def unreadable(body: bytes, fault: Exception) -> BodyError:
    """The error for octets that msgspec could not decode, and why it says it could not."""
    if isinstance(fault, RecursionError):
        return BodyError(INVALID_BODY, "The body is nested too deeply.")
    try:
        body.decode()
    except UnicodeDecodeError as where:
        return BodyError(INVALID_BODY, f"The body is not UTF-8: octet {where.start} (from 0) cannot stand there.")
    return BodyError(INVALID_BODY, f"The body is not valid JSON: {fault}.")


def several(faults: Sequence[tuple[str, str]]) -> BodyError:
    """One error for all ``faults``, pointer and detail of each: the first, and the others behind it."""
    (pointer, detail), *further = faults
    return BodyError(INVALID_BODY, detail, pointer, tuple(further))


def spoken(pointer: str) -> str:
    """A JSON pointer as people write a field: ``source.accountId``."""
    return pointer[1:].replace("/", ".") or "The body"


def _descriptions(info: inspect.Type, pointer: str) -> Iterator[tuple[str, str]]:
    """JSON pointer and ``description`` of all parts of a type."""
    if isinstance(info, inspect.Metadata):
        yield pointer, (info.extra_json_schema or {}).get("description", "")
        yield from _descriptions(info.type, pointer)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _descriptions(member, pointer)
    elif isinstance(info, inspect.TupleType):
        for index, item in enumerate(info.item_types):
            yield from _descriptions(item, f"{pointer}/{index}")
    elif isinstance(info, inspect.StructType):
        if not pointer:
            yield pointer, "a JSON object"
        for field in info.fields:
            yield from _descriptions(field.type, f"{pointer}/{field.encode_name}")
