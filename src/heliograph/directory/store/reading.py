"""From the tables to the shapes of the file, and to hashes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, Connection, Select, select

from heliograph.directory.file import (
    AccountEntry,
    DirectoryFile,
    EventTypeEntry,
    GrantEntry,
    MessageTypeEntry,
    OperatorEntry,
    PartnerEntry,
    RetentionEntry,
    ServiceEntry,
    SystemEntry,
)
from heliograph.directory.quota import Quota
from heliograph.directory.store import tables as t


class StoredCredential(Struct, frozen=True):
    """What may be shown of a credential: all but its hash.  Times in milliseconds since the epoch, or None."""

    id: int
    login: str
    name: str
    from_file: bool
    created_ms: int
    expires_ms: int | None
    last_used_ms: int | None
    revoked_ms: int | None

    def is_valid(self, now_ms: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


class Span(Struct, frozen=True):
    """Some of a table's entries, in the order of their keys: that which has ``key``, or ``limit`` behind ``after``."""

    key: str | int | None = None
    after: str | int | None = None
    limit: int | None = None

    def of(self, query: Select[Any], column: Column[Any]) -> Select[Any]:
        """``query`` for these alone; ``column`` has the keys."""
        if self.key is not None:
            query = query.where(column == self.key)
        if self.after is not None:
            query = query.where(column > self.after)
        return query.order_by(column).limit(self.limit)


EVERYTHING = Span()


def read_revision(connection: Connection) -> int:
    """The number of the last change."""
    return int(connection.execute(select(t.revision.c.number)).scalar_one())


def read_file(connection: Connection) -> DirectoryFile:
    """All entities, in the order of their names and ids; without secrets."""
    accounts = _accounts(connection)
    readers: dict[str, _Reader] = {**_READERS, "partners": partial(_partners, accounts=accounts)}
    return DirectoryFile(**{table: tuple(read(connection, EVERYTHING)) for table, read in readers.items()})


def read_entries(connection: Connection, table: str, span: Span) -> list[Any]:
    """Entries of a table of the file, without secrets; partners without their accounts."""
    return list(_READERS[table](connection, span))


def read_accounts(connection: Connection, partner_id: int, span: Span) -> list[AccountEntry] | None:
    """Of one partner; None where it is not there."""
    query = select(t.partners.c.principal).where(t.partners.c.id == partner_id)
    principal = connection.execute(query).scalar_one_or_none()
    return None if principal is None else _accounts(connection, principal, span).get(principal, [])


def read_credentials(connection: Connection, login: str | None = None) -> list[tuple[StoredCredential, str]]:
    """Credentials with their hashes, of one login or of all; the newest first."""
    c = t.credentials.c
    query = select(t.credentials, t.principals.c.login).join_from(t.credentials, t.principals).order_by(c.id.desc())
    if login is not None:
        query = query.where(t.principals.c.login == login)
    names = StoredCredential.__struct_fields__
    return [
        (StoredCredential(**{name: getattr(row, name) for name in names}), row.hash)
        for row in connection.execute(query)
    ]


def _principals(connection: Connection, kind: str, span: Span) -> Sequence[Any]:
    query = select(t.principals.c.id, t.principals.c.login).where(t.principals.c.kind == kind)
    return connection.execute(span.of(query, t.principals.c.login)).all()


def _belonging(query: Select[Any], column: Column[Any], owners: Iterable[int], span: Span) -> Select[Any]:
    """What belongs to these; to ask for those of everybody by name would only be slower."""
    return query if span is EVERYTHING else query.where(column.in_(owners))


def _event_types(connection: Connection, span: Span) -> Iterable[EventTypeEntry]:
    for row in connection.execute(span.of(select(t.event_types), t.event_types.c.name)):
        yield EventTypeEntry(name=row.name, supertype=row.supertype)


def _message_types(connection: Connection, span: Span) -> Iterable[MessageTypeEntry]:
    for row in connection.execute(span.of(select(t.message_types), t.message_types.c.name)):
        yield MessageTypeEntry(
            name=row.name,
            key=row.key,
            body=row.body,
            places=json.loads(row.places),
            actions=tuple(json.loads(row.actions)),
            source=row.source,
        )


def _systems(connection: Connection, span: Span) -> Iterable[SystemEntry]:
    principals = _principals(connection, "system", span)
    query = select(t.exchanges).order_by(t.exchanges.c.message_type)
    switched_on: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(_belonging(query, t.exchanges.c.system, [each.id for each in principals], span)):
        switched_on[row.system].append(row)
    for principal in principals:
        rows = switched_on[principal.id]
        yield SystemEntry(
            name=principal.login,
            message_types=tuple(row.message_type for row in rows),
            retention={
                row.message_type: RetentionEntry(log_ms_max=row.log_ms_max, log_bytes_max=row.log_bytes_max)
                for row in rows
                if row.log_ms_max is not None or row.log_bytes_max is not None
            },
        )


def _partners(
    connection: Connection, span: Span, accounts: Mapping[int, list[AccountEntry]] = MappingProxyType({})
) -> Iterable[PartnerEntry]:
    query = select(t.partners, t.principals.c.login).join_from(t.partners, t.principals)
    rows = connection.execute(span.of(query, t.partners.c.id)).all()
    grants = _grants(connection, [row.principal for row in rows], span)
    for row in rows:
        yield PartnerEntry(
            id=row.id,
            name=row.name,
            email=row.login,
            disabled=row.disabled,
            quota=Quota(**{name: getattr(row, name) for name in Quota.__struct_fields__}),
            grants=tuple(
                GrantEntry(system=system, message_types=tuple(names))
                for system, names in grants.get(row.principal, {}).items()
            ),
            accounts=tuple(accounts.get(row.principal, ())),
        )


def _grants(connection: Connection, principals: Iterable[int], span: Span) -> dict[int, dict[str, list[str]]]:
    """By partner's principal, then by system."""
    query = (
        select(t.grants.c.partner, t.principals.c.login, t.exchanges.c.message_type)
        .join_from(t.grants, t.exchanges)
        .join(t.principals, t.exchanges.c.system == t.principals.c.id)
        .order_by(t.principals.c.login, t.exchanges.c.message_type)
    )
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for partner, system, message_type in connection.execute(_belonging(query, t.grants.c.partner, principals, span)):
        found[partner][system].append(message_type)
    return found


def _accounts(
    connection: Connection, principal: int | None = None, span: Span = EVERYTHING
) -> dict[int, list[AccountEntry]]:
    """By partner's principal; of one alone where it is named."""
    of_accounts = (
        select(t.accounts) if principal is None else select(t.accounts).where(t.accounts.c.partner == principal)
    )
    rows = connection.execute(span.of(of_accounts, t.accounts.c.id)).all()
    query = select(t.cameras.c.account, t.cameras.c.id).order_by(t.cameras.c.id)
    cameras: dict[int, list[int]] = defaultdict(list)
    for account, camera in connection.execute(_belonging(query, t.cameras.c.account, [row.id for row in rows], span)):
        cameras[account].append(camera)
    found: dict[int, list[AccountEntry]] = defaultdict(list)
    for row in rows:
        listed = None if row.any_camera else tuple(cameras[row.id])
        found[row.partner].append(AccountEntry(id=row.id, cameras=listed))
    return found


def _services(connection: Connection, span: Span) -> Iterable[ServiceEntry]:
    principals = _principals(connection, "service", span)
    query = select(t.rights).order_by(t.rights.c.destination)
    rights: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in connection.execute(_belonging(query, t.rights.c.service, [each.id for each in principals], span)):
        rights[row.service, row.verb].append(row.destination)
    for principal in principals:
        yield ServiceEntry(
            name=principal.login,
            subscribe=tuple(rights[principal.id, "subscribe"]),
            publish=tuple(rights[principal.id, "publish"]),
        )


def _operators(connection: Connection, span: Span) -> Iterable[OperatorEntry]:
    return (OperatorEntry(name=row.login) for row in _principals(connection, "operator", span))


_Reader = Callable[[Connection, Span], Iterable[Any]]
#: By table of the file.
_READERS: dict[str, _Reader] = {
    "systems": _systems,
    "partners": _partners,
    "event_types": _event_types,
    "message_types": _message_types,
    "services": _services,
    "operators": _operators,
}
