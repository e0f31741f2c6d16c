"""Who changed what, and when.  Bounded: the oldest entries go first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select

from heliograph.directory.store import tables as t
from heliograph.directory.store.diff import Change, Entity
from heliograph.limits import Limits


class AuditEntry(Struct, frozen=True):
    """One change.  ``at_ms``: since the epoch; ``before`` and ``after`` as in ``Change``."""

    id: int
    at_ms: int
    who: str
    action: str
    what: str
    before: Any = None
    after: Any = None


def write_audit(connection: Connection, changes: Iterable[Change], who: str, now_ms: int, limits: Limits) -> None:
    """An entry for each change, in the transaction that makes it."""
    rows = [
        {
            "at_ms": now_ms,
            "who": who,
            "action": change.action,
            "what": change.what,
            "before": _encoded(change.before),
            "after": _encoded(change.after),
        }
        for change in changes
    ]
    connection.execute(insert(t.audit), rows)
    last = connection.execute(select(func.max(t.audit.c.id))).scalar_one()
    connection.execute(delete(t.audit).where(t.audit.c.id <= last - limits.audit_entries_max))


def read_audit(connection: Connection, limit: int, before: int | None) -> list[AuditEntry]:
    """The newest first; ``before``: an id, to go on from."""
    query = select(t.audit).order_by(t.audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(t.audit.c.id < before)
    return [
        AuditEntry(
            id=row.id,
            at_ms=row.at_ms,
            who=row.who,
            action=row.action,
            what=row.what,
            before=None if row.before is None else json.loads(row.before),
            after=None if row.after is None else json.loads(row.after),
        )
        for row in connection.execute(query)
    ]


def _encoded(entity: Entity | None) -> str | None:
    return None if entity is None else json.dumps(entity, ensure_ascii=False)
