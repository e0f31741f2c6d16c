"""From the tables to the shapes of the file, and to hashes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

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


def read_revision(connection: Connection) -> int:
    """The number of the last change."""
    return int(connection.execute(select(t.revision.c.number)).scalar_one())


def read_file(connection: Connection) -> DirectoryFile:
    """All entities, in the order of their names and ids; without secrets."""
    return DirectoryFile(
        systems=tuple(_systems(connection)),
        partners=tuple(_partners(connection)),
        event_types=tuple(
            EventTypeEntry(name=row.name, supertype=row.supertype)
            for row in connection.execute(select(t.event_types).order_by(t.event_types.c.name))
        ),
        message_types=tuple(
            MessageTypeEntry(
                name=row.name,
                key=row.key,
                body=row.body,
                places=json.loads(row.places),
                actions=tuple(json.loads(row.actions)),
                source=row.source,
            )
            for row in connection.execute(select(t.message_types).order_by(t.message_types.c.name))
        ),
        services=tuple(_services(connection)),
        operators=tuple(OperatorEntry(name=row.login) for row in _principals(connection, "operator")),
    )


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


def _principals(connection: Connection, kind: str) -> Iterable[Any]:
    query = select(t.principals.c.id, t.principals.c.login).where(t.principals.c.kind == kind)
    return connection.execute(query.order_by(t.principals.c.login)).all()


def _systems(connection: Connection) -> Iterable[SystemEntry]:
    switched_on: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(select(t.exchanges).order_by(t.exchanges.c.message_type)):
        switched_on[row.system].append(row)
    for principal in _principals(connection, "system"):
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


def _partners(connection: Connection) -> Iterable[PartnerEntry]:
    grants, accounts = _grants(connection), _accounts(connection)
    query = select(t.partners, t.principals.c.login).join_from(t.partners, t.principals).order_by(t.partners.c.id)
    for row in connection.execute(query):
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


def _grants(connection: Connection) -> dict[int, dict[str, list[str]]]:
    """By partner's principal, then by system."""
    query = (
        select(t.grants.c.partner, t.principals.c.login, t.exchanges.c.message_type)
        .join_from(t.grants, t.exchanges)
        .join(t.principals, t.exchanges.c.system == t.principals.c.id)
        .order_by(t.principals.c.login, t.exchanges.c.message_type)
    )
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for partner, system, message_type in connection.execute(query):
        found[partner][system].append(message_type)
    return found


def _accounts(connection: Connection) -> dict[int, list[AccountEntry]]:
    """By partner's principal."""
    cameras: dict[int, list[int]] = defaultdict(list)
    for account, camera in connection.execute(select(t.cameras.c.account, t.cameras.c.id).order_by(t.cameras.c.id)):
        cameras[account].append(camera)
    found: dict[int, list[AccountEntry]] = defaultdict(list)
    for row in connection.execute(select(t.accounts).order_by(t.accounts.c.id)):
        listed = None if row.any_camera else tuple(cameras[row.id])
        found[row.partner].append(AccountEntry(id=row.id, cameras=listed))
    return found


def _services(connection: Connection) -> Iterable[ServiceEntry]:
    rights: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in connection.execute(select(t.rights).order_by(t.rights.c.destination)):
        rights[row.service, row.verb].append(row.destination)
    for principal in _principals(connection, "service"):
        yield ServiceEntry(
            name=principal.login,
            subscribe=tuple(rights[principal.id, "subscribe"]),
            publish=tuple(rights[principal.id, "publish"]),
        )
