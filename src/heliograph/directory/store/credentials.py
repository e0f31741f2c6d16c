"""Making, rotating and revoking credentials, each within a transaction."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from heliograph.directory.fault import NotThere
from heliograph.directory.store import tables as t
from heliograph.directory.store.reading import StoredCredential, read_credentials
from heliograph.errors import LimitError, SettingsError
from heliograph.limits import Limits

#: People read it.
_NAME_CHARACTERS_MAX = 255


def find_principal(connection: Connection, login: str) -> tuple[int, str]:
    """The row and the kind of who logs in so; NotThere."""
    query = select(t.principals.c.id, t.principals.c.kind).where(t.principals.c.login == login)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotThere("No such login", f"Nobody in the directory logs in as {login!r}.")
    return row.id, row.kind


def add(
    connection: Connection, login: str, name: str, hashed: str, expires_ms: int | None, now_ms: int, limits: Limits
) -> StoredCredential:
    """One more; LimitError where there are ``credentials_max`` valid ones, SettingsError for a ``name``."""
    _check_name(name)
    principal, _ = find_principal(connection, login)
    valid = [each for each, _ in read_credentials(connection, login) if each.is_valid(now_ms)]
    if len(valid) >= limits.credentials_max:
        raise LimitError(
            "Too many credentials",
            f"{login!r} has {len(valid)} valid ones (credentials_max). Revoke one, or wait until one has expired.",
        )
    row = {
        "principal": principal,
        "name": name,
        "hash": hashed,
        "from_file": False,
        "created_ms": now_ms,
        "expires_ms": expires_ms,
    }
    connection.execute(insert(t.credentials).values(row))
    _forget_ended(connection, login, now_ms, limits)
    return read_credentials(connection, login)[0][0]


def end_named(
    connection: Connection, login: str, name: str, ends_ms: int, now_ms: int
) -> list[tuple[StoredCredential, int]]:
    """Let the valid ones of that name expire at ``ends_ms`` at the latest; they, and when they expire now."""
    valid = [each for each, _ in read_credentials(connection, login) if each.name == name and each.is_valid(now_ms)]
    if not valid:
        raise NotThere("No such credential", f"{login!r} has no valid credential called {name!r}.")
    ended = [(each, ends_ms if each.expires_ms is None else min(each.expires_ms, ends_ms)) for each in valid]
    for each, expires_ms in ended:
        connection.execute(update(t.credentials).where(t.credentials.c.id == each.id).values(expires_ms=expires_ms))
    return ended


def revoke(connection: Connection, login: str, credential_id: int, now_ms: int, limits: Limits) -> StoredCredential:
    """End one for good; NotThere where ``login`` has none of that id, or it is revoked already."""
    found = next((each for each, _ in read_credentials(connection, login) if each.id == credential_id), None)
    if found is None or found.revoked_ms is not None:
        raise NotThere("No such credential", f"{login!r} has no credential {credential_id} that is not revoked.")
    connection.execute(update(t.credentials).where(t.credentials.c.id == credential_id).values(revoked_ms=now_ms))
    _forget_ended(connection, login, now_ms, limits)
    return found


def touch(connection: Connection, used_ms: Mapping[int, int]) -> None:
    """Note last uses by credential; an older one than is stored changes nothing."""
    c = t.credentials.c
    statement = (
        update(t.credentials)
        .where(c.id == bindparam("credential"), or_(c.last_used_ms.is_(None), c.last_used_ms < bindparam("at_ms")))
        .values(last_used_ms=bindparam("at_ms"))
    )
    # In the order of ids, so that two nodes do not wait for each other.
    connection.execute(statement, [{"credential": key, "at_ms": used_ms[key]} for key in sorted(used_ms)])


def change(
    connection: Connection, login: str, credential_id: int, name: str, expires_ms: int | None, now_ms: int
) -> tuple[StoredCredential, StoredCredential]:
    """Another name and end for a valid one; as it was, and as it is.  NotThere, SettingsError."""
    _check_name(name)
    found = next((each for each, _ in read_credentials(connection, login) if each.id == credential_id), None)
    if found is None or not found.is_valid(now_ms):
        raise NotThere("No such credential", f"{login!r} has no valid credential {credential_id}.")
    row = {"name": name, "expires_ms": expires_ms}
    connection.execute(update(t.credentials).where(t.credentials.c.id == credential_id).values(row))
    return found, replace(found, **row)


def _check_name(name: str) -> None:
    has_control = any(character < " " or character == "\x7f" for character in name)
    if not name.strip() or len(name) > _NAME_CHARACTERS_MAX or has_control:
        detail = f"it has 1 to {_NAME_CHARACTERS_MAX} characters, no control character, and not blanks alone."
        raise SettingsError("Bad name of a credential", detail)


def _forget_ended(connection: Connection, login: str, now_ms: int, limits: Limits) -> None:
    """Of those revoked or expired the newest stay, so that a file cannot bring one back."""
    ended = [each.id for each, _ in read_credentials(connection, login) if not each.is_valid(now_ms)]
    for credential_id in ended[limits.credentials_max :]:
        connection.execute(delete(t.credentials).where(t.credentials.c.id == credential_id))
