"""A directory file as flat entities by kind and key: what is compared, written and audited.  No secrets here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heliograph.directory.file import DirectoryFile, MessageTypeEntry, PartnerEntry, SystemEntry
from heliograph.directory.store.diff import Entity

EntityKey = tuple[str, Any]


def entities_of(file: DirectoryFile) -> dict[EntityKey, Entity]:
    """All of it; lists stand in one order, so that equal directories have equal entities."""
    return dict(_entities(file))


def without_shared(old: DirectoryFile, new: DirectoryFile) -> tuple[DirectoryFile, DirectoryFile]:
    """Both, without the entries that are the same object in both, as nearly all are where one was made of the other."""
    tables = DirectoryFile.__struct_fields__
    both = {id(each) for name in tables for each in getattr(old, name) or ()}
    both &= {id(each) for name in tables for each in getattr(new, name) or ()}

    def rest(file: DirectoryFile) -> DirectoryFile:
        entries = {name: tuple(e for e in getattr(file, name) or () if id(e) not in both) for name in tables}
        return DirectoryFile(**entries)

    return rest(old), rest(new)


def _entities(file: DirectoryFile) -> Iterator[tuple[EntityKey, Entity]]:
    for event_type in file.event_types:
        yield ("event type", event_type.name), {"supertype": event_type.supertype}
    for message_type in file.message_types:
        yield ("message type", message_type.name), _message_type(message_type)
    for system in file.systems:
        yield ("system", system.name), _system(system)
    for partner in file.partners:
        yield ("partner", partner.id), _partner(partner)
        for account in partner.accounts:
            cameras = None if account.cameras is None else sorted(set(account.cameras))
            yield ("account", account.id), {"partner": partner.id, "cameras": cameras}
    for service in file.services:
        rights = {"subscribe": sorted(set(service.subscribe)), "publish": sorted(set(service.publish))}
        yield ("service", service.name), rights
    for operator in file.operators or ():
        yield ("operator", operator.name), {}


def _message_type(entry: MessageTypeEntry) -> Entity:
    return {
        "key": entry.key,
        "body": entry.body,
        "places": dict(sorted(entry.places.items())),
        "actions": list(entry.actions),
        "from": entry.source,
    }


def _system(system: SystemEntry) -> Entity:
    retention = {
        name: {"log_ms_max": entry.log_ms_max, "log_bytes_max": entry.log_bytes_max}
        for name, entry in sorted(system.retention.items())
        if entry.log_ms_max is not None or entry.log_bytes_max is not None
    }
    return {"message_types": sorted(system.message_types), "retention": retention}


def _partner(partner: PartnerEntry) -> Entity:
    grants = {f"{grant.system}/{name}" for grant in partner.grants for name in grant.message_types}
    return {
        "name": partner.name,
        "email": partner.email,
        "disabled": partner.disabled,
        "quota": partner.quota.given(),
        "grants": sorted(grants),
    }
