"""The operator's directory file: its shape in TOML, and reading it.

What one entry can get wrong by itself (types, unknown and missing keys) is refused here; what takes a
look at other entries, or at a value, is ``build``'s.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, ValidationError, field, inspect
from msgspec.structs import force_setattr

from heliograph.directory.fault import did_you_mean, directory_fault
from heliograph.directory.quota import Quota
from heliograph.directory.secret import Secret
from heliograph.errors import SettingsError

#: The ``body`` of a message type whose bodies are not looked at.
ANY_BODY = "any"


class RetentionEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long one exchange is kept, where not as the limits of the same names say."""

    log_ms_max: int | None = None
    log_bytes_max: int | None = None


class SystemEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An analytics system; each message type is switched on one by one (FEED-2).

    ``secret``: absent where the store has one (so it is for partners and services).  ``retention``: by message type.
    """

    name: str
    secret: Secret | None = None
    message_types: tuple[str, ...] = ()
    retention: dict[str, RetentionEntry] = {}


class GrantEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The message types of one system that a partner may subscribe to."""

    system: str
    message_types: tuple[str, ...]


class AccountEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An end customer of a partner.  ``cameras``: camera ids; absent means any, empty means none."""

    id: int
    cameras: tuple[int, ...] | None = None


class PartnerEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A partner: consumes the events of its own accounts.  It logs in with ``email`` (SESS-1), unless ``disabled``."""

    id: int
    name: str
    email: str
    password: Secret | None = None
    disabled: bool = False
    quota: Quota = Quota()
    grants: tuple[GrantEntry, ...] = ()
    accounts: tuple[AccountEntry, ...] = ()


class EventTypeEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's own event type.  ``supertype``: its parent in the tree, None for a root."""

    name: str
    supertype: str | None = None


class MessageTypeEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's own message type.

    ``key``: the layout of its routing keys, ``#`` for any.  ``body``: a JSON Schema, as text or as an object; or
    ``any``, relayed unread, text or binary.  ``places``: where in a body the words of the key stand, JSON pointers by
    word.  ``actions``: those that a key may name, ``create`` where there are none.  ``from``: what is posted there is
    told in it too, as it came.
    """

    name: str
    key: str
    body: str | dict[str, Any]
    places: dict[str, str] = {}
    actions: tuple[str, ...] = ()
    source: Literal["events", "faces", "users"] | None = field(name="from", default=None)

    def __post_init__(self) -> None:
        """Text that is a JSON object becomes that; what is neither that nor ``any`` is for ``build`` to refuse."""
        if isinstance(self.body, str) and self.body != ANY_BODY:
            try:
                force_setattr(self, "body", msgspec.json.decode(self.body, type=dict[str, Any]))
            except (msgspec.DecodeError, RecursionError):
                pass


class ServiceEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program of the operator's own; its rights are destinations with patterns, across partners."""

    name: str
    secret: Secret | None = None
    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()


class OperatorEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who administers.  ``token``: a long random text that only they know."""

    name: str
    token: Secret | None = None


class LoginEntry(Struct, frozen=True):
    """A login and its secret.  ``place``: of the secret in the file; ``key``: a partner's id, the others' name."""

    place: str
    kind: str
    key: str | int
    login: str
    secret: Secret | None


class DirectoryFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole file.  An empty one is a directory in which nobody exists.

    ``operators``: None leaves those that are stored as they are, for files that know of none.
    """

    systems: tuple[SystemEntry, ...] = ()
    partners: tuple[PartnerEntry, ...] = ()
    event_types: tuple[EventTypeEntry, ...] = ()
    message_types: tuple[MessageTypeEntry, ...] = ()
    services: tuple[ServiceEntry, ...] = ()
    operators: tuple[OperatorEntry, ...] | None = None

    def logins(self) -> Iterator[LoginEntry]:
        """All who log in, operators with their tokens too."""
        for number, system in enumerate(self.systems):
            yield LoginEntry(f"systems[{number}].secret", "system", system.name, system.name, system.secret)
        for number, partner in enumerate(self.partners):
            yield LoginEntry(f"partners[{number}].password", "partner", partner.id, partner.email, partner.password)
        for number, service in enumerate(self.services):
            yield LoginEntry(f"services[{number}].secret", "service", service.name, service.name, service.secret)
        for number, operator in enumerate(self.operators or ()):
            yield LoginEntry(f"operators[{number}].token", "operator", operator.name, operator.name, operator.token)

    def secrets(self) -> dict[str, Secret]:
        """The password of each login, where the file says it.  Logins are unique once ``build`` has passed."""
        return {
            entry.login: entry.secret
            for entry in self.logins()
            if entry.secret is not None and entry.kind != "operator"
        }


def read_directory_file(path: Path) -> DirectoryFile:
    """Read and check one file.  SettingsError names the file, the place in it and how to mend it.

    The errors of the readers below are not chained: some of them hold the whole text, passwords included.
    """
    tables = _read_toml(path)
    try:
        return msgspec.convert(tables, DirectoryFile, dec_hook=_decode_secret)
    except ValidationError as error:
        text = str(error)
    raise _shape_fault(path, text)


def _read_toml(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what = str(error)
    except RecursionError:
        what = "arrays or tables nested too deep (at end of document)"
    what = what.replace("(at end of document)", f"(at the end, line {text.count(chr(10)) + 1})")
    raise directory_fault(path, "", f"this is not TOML: {what}. Mend that line; https://toml.io has the grammar.")


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        fault = directory_fault(path, "", "there is no such file. Check the path.")
    except OSError as error:
        fault = directory_fault(path, "", f"it cannot be read: {error.strerror}. It must be a file that you may read.")
    except UnicodeDecodeError as error:
        fault = directory_fault(path, "", f"octet {error.start} is not UTF-8. TOML is UTF-8; save the file as that.")
    raise fault


def _decode_secret(kind: type, value: object) -> Secret:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


# msgspec tells a fault in one line, such as: Expected `str`, got `int` - at `$.partners[0].name`
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPE = re.compile(r"Expected `(.*)`, got `(.*)`")
_RANGE = re.compile(r"Expected `int` (>=|<=) (\d+)")
_TOML_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a float",
    "bool": "a boolean",
    "array": "an array",
    "array | null": "an array",
    "int | null": "an integer",
    "str | null": "a string",
    "list": "an array",
    "object": "a table",
    "object | str": "a string or a table",
    "str | object": "a string or a table",
    "dict": "a table",
    "date": "a date",
    "time": "a time",
    "datetime": "a date and time",
}


def _shape_fault(path: Path, text: str) -> SettingsError:
    parts = _PLACE.fullmatch(text)
    what, place = (parts["what"], parts["place"] or "") if parts else (text, "")
    if unknown := _UNKNOWN.fullmatch(what):
        key = unknown[1]
        return directory_fault(path, _inside(place, key), f"unknown key.{did_you_mean(key, _keys_at(place))}")
    if missing := _MISSING.fullmatch(what):
        return directory_fault(path, _inside(place, missing[1]), "this key is missing. Add it.")
    if kinds := _TYPE.fullmatch(what):
        wanted, found = (_TOML_NAMES.get(kind, kind) for kind in kinds.groups())
        return directory_fault(path, place, f"expected {wanted}, found {found}.")
    if bound := _RANGE.fullmatch(what):
        return directory_fault(path, place, f"expected {bound[2]} or {'more' if bound[1] == '>=' else 'less'}.")
    return directory_fault(path, place, f"{what}.")


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _not_none(kind: inspect.Type) -> inspect.Type:
    """The one type beside None in a union, and the type of a table's values."""
    if isinstance(kind, inspect.UnionType):
        kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
    return kind.value_type if isinstance(kind, inspect.DictType) else kind


def _keys_at(place: str) -> list[str]:
    """The keys that the table at ``place`` may have."""
    kind: inspect.Type = inspect.type_info(DirectoryFile)
    for step in re.findall(r"\w+", place):
        if isinstance(kind, inspect.StructType) and not step.isdigit():
            kind = next(field.type for field in kind.fields if field.encode_name == step)
        elif isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        kind = _not_none(kind)
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []
