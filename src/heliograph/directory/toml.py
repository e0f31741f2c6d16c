"""A directory file as TOML text: what ``export`` prints.  Secrets are never in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from heliograph.directory.file import DirectoryFile, MessageTypeEntry, PartnerEntry, SystemEntry

#: What stands above every export.
_HEAD = """\
# Applied again this changes nothing. It holds no secrets: a login that is stored keeps its credentials;
# for one that is not, add: secret = "..." (a partner: password, an operator: token).
"""


class _Literal(str):
    """A text that people read in lines."""

    __slots__ = ()


def toml_text(file: DirectoryFile) -> str:
    """The whole file; reading it gives an equal one, without secrets."""
    return "\n".join([_HEAD, *_lines(file)]).rstrip() + "\n"


def _lines(file: DirectoryFile) -> Iterator[str]:
    """Where there are no operators nothing is said of them, which leaves those that are stored."""
    for event_type in file.event_types:
        above = {} if event_type.supertype is None else {"supertype": event_type.supertype}
        yield from _table("event_types", {"name": event_type.name, **above})
    for message_type in file.message_types:
        yield from _table("message_types", _message_type(message_type))
    for system in file.systems:
        yield from _table("systems", {"name": system.name, "message_types": system.message_types})
        yield from _retention(system)
        yield ""
    for partner in file.partners:
        yield from _partner(partner)
    for service in file.services:
        rights = {"subscribe": service.subscribe, "publish": service.publish}
        yield from _table("services", {"name": service.name, **rights})
    for operator in file.operators or ():
        yield from _table("operators", {"name": operator.name})


def _message_type(entry: MessageTypeEntry) -> dict[str, object]:
    fields: dict[str, object] = {"name": entry.name, "key": entry.key}
    if entry.source is not None:
        fields["from"] = entry.source
    if entry.actions:
        fields["actions"] = entry.actions
    if entry.places:
        fields["places"] = entry.places
    fields["body"] = entry.body if isinstance(entry.body, str) else _Literal(json.dumps(entry.body, indent=2))
    return fields


def _partner(partner: PartnerEntry) -> Iterator[str]:
    fields: dict[str, object] = {"id": partner.id, "name": partner.name, "email": partner.email}
    if partner.disabled:
        fields["disabled"] = True
    if quota := partner.quota.given():
        fields["quota"] = quota
    fields["grants"] = [{"system": each.system, "message_types": each.message_types} for each in partner.grants]
    fields["accounts"] = [
        {"id": each.id} | ({} if each.cameras is None else {"cameras": each.cameras}) for each in partner.accounts
    ]
    yield from _table("partners", fields)


def _retention(system: SystemEntry) -> Iterator[str]:
    for name, kept in system.retention.items():
        given = {"log_ms_max": kept.log_ms_max, "log_bytes_max": kept.log_bytes_max}
        yield f"retention.{_text(name)} = {_value({key: value for key, value in given.items() if value is not None})}"


def _table(name: str, fields: Mapping[str, object]) -> Iterator[str]:
    yield f"[[{name}]]"
    for key, value in fields.items():
        yield f"{key} = {_value(value)}"
    if name != "systems":  # which goes on
        yield ""


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, _Literal):
        return _literal(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    assert isinstance(value, Iterable)
    return _array([_value(each) for each in value])


def _array(values: list[str]) -> str:
    one_line = f"[{', '.join(values)}]"
    return one_line if len(one_line) <= 100 else "\n".join(["[", *(f"    {each}," for each in values), "]"])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _literal(text: str) -> str:
    """A text of several lines as it is, where TOML can have that."""
    return _text(text) if "'''" in text or "\x7f" in text else f"'''\n{text}\n'''"


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, which wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
