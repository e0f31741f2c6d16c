"""Reading a body against its shape, and saying what is wrong with it.

A body is decoded once, into a struct that holds only the known fields.  msgspec passes over the others without
looking at their characters, so octets that are not UTF-8 are looked for here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

import msgspec
from msgspec import inspect

from heliograph.catalog.bodies import TIMESTAMP, Body
from heliograph.errors import BodyError
from heliograph.topic.words import quote

INVALID_BODY = "Invalid body"

# msgspec's texts: a fault, and but for the body itself where it is
_PLACE = " - at `$"
_MISSING = re.compile(r"Object missing required field `(.*)`")
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


class Place(NamedTuple):
    """Where a body holds a word of its routing key: as an attribute (dotted) and as a JSON pointer (RFC 6901)."""

    attribute: str
    pointer: str


class BodyShape:
    """A struct for bodies, and where in it words of the routing key stand: ``places``, two or more, by layout name."""

    __slots__ = ("_expected", "decode", "implied", "places")

    def __init__(self, struct: type[Body], places: Mapping[str, Place]) -> None:
        self.places = places
        #: What a body says for each of ``places``; an attribute, since a method costs more than what it does.
        self.implied: Callable[[Body], tuple[int | str, ...]] = attrgetter(
            *(each.attribute for each in places.values())
        )
        #: JSON to struct, without what msgspec cannot check.
        self.decode = msgspec.json.Decoder(struct).decode
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
            raise self._fault("/timestamp", f"it is {quote(found.timestamp)}")
        return found

    def _error(self, body: bytes, fault: Exception) -> BodyError:
        if isinstance(fault, RecursionError):
            return BodyError(INVALID_BODY, "The body is nested too deeply.")
        try:
            body.decode()
        except UnicodeDecodeError as where:
            return BodyError(INVALID_BODY, f"The body is not UTF-8: octet {where.start} (from 0) cannot stand there.")
        if not isinstance(fault, msgspec.ValidationError):
            return BodyError(INVALID_BODY, f"The body is not valid JSON: {fault}.")
        text, place, path = str(fault).rpartition(_PLACE)
        if not place:
            text, path = path, ""
        pointer = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        if missing := _MISSING.fullmatch(text):
            return self._fault(f"{pointer}/{missing[1]}", "it is missing")
        if value := _NOT_ONE_OF.fullmatch(text):
            return self._fault(pointer, f"it is {quote(value[1])}")
        if got := _GOT.search(text):
            return self._fault(pointer, f"it is {_GOT_NAMES.get(got[1], got[1])}")
        return self._fault(pointer, "its value is not allowed")

    def _fault(self, pointer: str, found: str) -> BodyError:
        expected = self._expected.get(pointer, "as its message type says")
        return BodyError(INVALID_BODY, f"{spoken(pointer)} must be {expected}; {found}.", pointer)


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
