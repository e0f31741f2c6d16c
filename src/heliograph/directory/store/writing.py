"""A diff into the tables, within one transaction.  What is checked by ``build`` is not checked again.

In the order in which nothing stands in another's way: logins that change make room first, then what goes, then
what comes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from heliograph.directory.quota import Quota
from heliograph.directory.store import tables as t
from heliograph.directory.store.diff import Change, Entity
from heliograph.directory.store.entities import EntityKey
from heliograph.directory.store.passwords import PasswordChange

_PRINCIPALS = ("system", "partner", "service", "operator")
Rows = list[dict[str, Any]]


def principal_ids(connection: Connection) -> dict[EntityKey, int]:
    """The row of every principal by kind and key."""
    query = select(t.principals, t.partners.c.id.label("number")).join_from(t.principals, t.partners, isouter=True)
    return {(row.kind, row.number if row.kind == "partner" else row.login): row.id for row in connection.execute(query)}


def write_entities(connection: Connection, changes: Sequence[Change]) -> None:
    """Make the tables say what the changes' ``after`` says."""
    ids = principal_ids(connection)
    _make_room(connection, changes, ids)
    _remove(connection, changes, ids)
    added = [change for change in changes if change.kind in _PRINCIPALS and change.action == "add"]
    _insert(connection, t.principals, ({"kind": each.kind, "login": _login(each)} for each in added))
    if any(change.kind == "partner" for change in added):
        _insert_partners(connection, added)
    _write_types(connection, changes)
    ids = principal_ids(connection)
    _write_exchanges(connection, changes, ids)
    _write_partners(connection, changes, ids)
    _write_accounts(connection, changes, ids)
    for change, after in _kept(changes, "service"):
        service = ids["service", change.key]
        rights = [(verb, destination) for verb in ("subscribe", "publish") for destination in after[verb]]
        _insert(connection, t.rights, ({"service": service, "verb": v, "destination": d} for v, d in rights))


def write_passwords(connection: Connection, changes: Iterable[PasswordChange], now_ms: int) -> None:
    """Drop and add credentials; the principals must be there."""
    ids = principal_ids(connection)
    for change in changes:
        _delete(connection, t.credentials, "id", [each.id for each in change.dropped])
        if change.added_hash is not None:
            row = {
                "principal": ids[change.entry.kind, change.entry.key],
                "name": change.name,
                "hash": change.added_hash,
                "from_file": change.from_file,
                "created_ms": now_ms,
            }
            connection.execute(insert(t.credentials).values(row))


def _kept(changes: Iterable[Change], kind: str) -> Iterable[tuple[Change, Entity]]:
    """What is added or changed, of a kind."""
    return ((change, change.after) for change in changes if change.kind == kind and change.after is not None)


def _make_room(connection: Connection, changes: Iterable[Change], ids: dict[EntityKey, int]) -> None:
    """Partners may swap e-mails, so those that change take one first that nobody can have."""
    for change in changes:
        if change.kind == "partner" and change.before and change.after:
            if change.before["email"] != change.after["email"]:
                principal = ids["partner", change.key]
                connection.execute(
                    update(t.principals).where(t.principals.c.id == principal).values(login=f"\x1f{principal}")
                )


def _remove(connection: Connection, changes: Sequence[Change], ids: dict[EntityKey, int]) -> None:
    def old(kind: str, *, changed: bool) -> list[Any]:
        keys = [each.key for each in changes if each.kind == kind and each.before is not None]
        gone = {each.key for each in changes if each.kind == kind and each.after is None}
        return [key for key in keys if changed or key in gone]

    _delete(connection, t.grants, "partner", [ids["partner", key] for key in old("partner", changed=True)])
    _delete(connection, t.rights, "service", [ids["service", key] for key in old("service", changed=True)])
    _delete(connection, t.accounts, "id", old("account", changed=True))
    for kind in _PRINCIPALS:
        _delete(connection, t.principals, "id", [ids[kind, key] for key in old(kind, changed=False)])
    _delete(connection, t.message_types, "name", old("message type", changed=True))
    _delete(connection, t.event_types, "name", old("event type", changed=True))


def _login(change: Change) -> Any:
    return change.after["email"] if change.kind == "partner" and change.after else change.key


def _insert_partners(connection: Connection, added: Iterable[Change]) -> None:
    logins = {row.login: row.id for row in connection.execute(select(t.principals.c.login, t.principals.c.id))}
    rows = (
        {"principal": logins[after["email"]], "id": change.key, **_partner_row(after)}
        for change, after in _kept(added, "partner")
    )
    _insert(connection, t.partners, rows)


def _partner_row(after: Entity) -> dict[str, Any]:
    quota = {name: after["quota"].get(name) for name in Quota.__struct_fields__}
    return {"name": after["name"], "disabled": after["disabled"], **quota}


def _write_types(connection: Connection, changes: Iterable[Change]) -> None:
    event_types = ({"name": each.key, "supertype": after["supertype"]} for each, after in _kept(changes, "event type"))
    _insert(connection, t.event_types, event_types)
    message_types = (
        {
            "name": each.key,
            "key": after["key"],
            "body": after["body"] if isinstance(after["body"], str) else json.dumps(after["body"]),
            "places": json.dumps(after["places"]),
            "actions": json.dumps(after["actions"]),
            "source": after["from"],
        }
        for each, after in _kept(changes, "message type")
    )
    _insert(connection, t.message_types, message_types)


def _write_exchanges(connection: Connection, changes: Iterable[Change], ids: dict[EntityKey, int]) -> None:
    """Those that stay keep their row, since grants refer to it."""
    c = t.exchanges.c
    for change, after in _kept(changes, "system"):
        system = ids["system", change.key]
        before: set[str] = set(change.before["message_types"]) if change.before else set()
        wanted: set[str] = set(after["message_types"])
        for name in sorted(before - wanted):
            connection.execute(delete(t.exchanges).where(c.system == system, c.message_type == name))
        nothing = {"log_ms_max": None, "log_bytes_max": None}
        rows = {name: after["retention"].get(name, nothing) for name in sorted(wanted)}
        new = ({"system": system, "message_type": name, **rows[name]} for name in rows if name not in before)
        _insert(connection, t.exchanges, new)
        for name in sorted(wanted & before):
            connection.execute(
                update(t.exchanges).where(c.system == system, c.message_type == name).values(**rows[name])
            )


def _write_partners(connection: Connection, changes: Sequence[Change], ids: dict[EntityKey, int]) -> None:
    for change, after in _kept(changes, "partner"):
        if change.before is not None:
            principal = ids["partner", change.key]
            connection.execute(update(t.principals).where(t.principals.c.id == principal).values(login=after["email"]))
            connection.execute(
                update(t.partners).where(t.partners.c.principal == principal).values(**_partner_row(after))
            )
    query = select(t.exchanges.c.id, t.exchanges.c.message_type, t.principals.c.login).join_from(
        t.exchanges, t.principals
    )
    exchanges = {f"{row.login}/{row.message_type}": row.id for row in connection.execute(query)}
    grants = (
        {"partner": ids["partner", change.key], "exchange": exchanges[name]}
        for change, after in _kept(changes, "partner")
        for name in after["grants"]
    )
    _insert(connection, t.grants, grants)


def _write_accounts(connection: Connection, changes: Sequence[Change], ids: dict[EntityKey, int]) -> None:
    kept = list(_kept(changes, "account"))
    accounts = (
        {"id": each.key, "partner": ids["partner", after["partner"]], "any_camera": after["cameras"] is None}
        for each, after in kept
    )
    _insert(connection, t.accounts, accounts)
    cameras = ({"account": each.key, "id": camera} for each, after in kept for camera in after["cameras"] or ())
    _insert(connection, t.cameras, cameras)


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    if found := list(rows):
        connection.execute(insert(table), found)


def _delete(connection: Connection, table: Table, column: str, values: Sequence[Any]) -> None:
    if values:
        statement = delete(table).where(table.c[column] == bindparam("value"))
        connection.execute(statement, [{"value": value} for value in values])
