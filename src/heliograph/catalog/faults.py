"""All that is wrong with a decoded JSON value, where msgspec names the first fault only.

Asked when something is known to be wrong, so it need not be fast; whoever asks takes ``FAULTS_MAX`` at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType, structs

FAULTS_MAX = 32  #: told of one body; who has more mends these first
_POINTER_CHARACTERS_MAX = 1_000  #: a field's name may be as long as a body
MISSING = "it is missing"
UNKNOWN = "there is no such field"
_PLACE = re.compile(r" - at `.*`$", re.DOTALL)


class Fault(NamedTuple):
    """One field.  ``pointer``: RFC 6901; ``text``: what is wrong, in msgspec's words or one of ours above."""

    pointer: str
    text: str


def faults_of(value: Any, kind: Any, pointer: str = "") -> Iterator[Fault]:
    """The faults of ``value`` (what JSON decodes to) as a ``kind`` (a type that msgspec knows), in the order of kind.

    What a union may be is looked into where that is one type beside null.
    """
    inner = _faults_within(value, _bare(kind), pointer)
    first = next(inner, None)
    if first is not None:
        yield first
        yield from inner
        return
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as fault:
        yield Fault(pointer, _PLACE.sub("", str(fault)))


def below(pointer: str, name: str | int) -> str:
    """The pointer of a member (RFC 6901 section 3)."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"[:_POINTER_CHARACTERS_MAX]


def _faults_within(value: Any, kind: Any, pointer: str) -> Iterator[Fault]:
    """Those of the parts of a value that is a container as it should be."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        yield from _faults_of_fields(value, kind, pointer)
    elif isinstance(value, dict) and origin is dict:
        for name, each in value.items():
            yield from faults_of(each, arguments[1], below(pointer, name))
    elif isinstance(value, list) and origin in {list, tuple}:
        kinds = arguments if origin is tuple and Ellipsis not in arguments else arguments[:1] * len(value)
        if len(kinds) == len(value):
            for index, each in enumerate(value):
                yield from faults_of(each, kinds[index], below(pointer, index))


def _faults_of_fields(value: dict[str, Any], kind: type[Struct], pointer: str) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in structs.fields(kind)}
    for name, field in fields.items():
        if name in value:
            yield from faults_of(value[name], field.type, below(pointer, name))
        elif field.required:
            yield Fault(below(pointer, name), MISSING)
    if kind.__struct_config__.forbid_unknown_fields:
        yield from (Fault(below(pointer, name), UNKNOWN) for name in value if name not in fields)


def _bare(kind: Any) -> Any:
    """Without annotations, null and absence."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, UnionType}:
        members = [each for each in get_args(kind) if each not in {NoneType, UnsetType}]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind
