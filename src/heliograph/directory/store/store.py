"""The one door to the directory's database.  Every call blocks; none belongs on an event loop."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from argon2 import PasswordHasher
from msgspec import Struct
from sqlalchemy import Connection, Engine, select, update

from heliograph.directory.build import build_directory
from heliograph.directory.directory import Directory
from heliograph.directory.fault import NotThere
from heliograph.directory.file import AccountEntry, DirectoryFile
from heliograph.directory.hashed import Credential, HashedSecrets, OperatorTokens
from heliograph.directory.secret import Secret, secret_fault
from heliograph.directory.store import credentials, database, tables
from heliograph.directory.store.audit import AuditEntry, read_audit, write_audit
from heliograph.directory.store.diff import Change, Diff, compare
from heliograph.directory.store.entities import EntityKey, entities_of, without_shared
from heliograph.directory.store.migrations import upgrade
from heliograph.directory.store.passwords import (
    PasswordChange,
    Stored,
    compare_passwords,
    hash_secret,
    unmatched_hash,
)
from heliograph.directory.store.reading import (
    Span,
    StoredCredential,
    read_accounts,
    read_credentials,
    read_entries,
    read_file,
    read_revision,
)
from heliograph.directory.store.writing import write_entities, write_passwords
from heliograph.errors import ServerError, SettingsError
from heliograph.limits import Limits

SOURCE = "the stored directory"


class Snapshot(Struct, frozen=True, eq=False):
    """The directory as it was at one revision, and what logins are verified against."""

    revision: int
    directory: Directory
    hashed: HashedSecrets
    operators: OperatorTokens


class _Comparison(Struct, frozen=True):
    """What applying a file would do to the directory of one revision."""

    revision: int
    entities: tuple[Change, ...]
    passwords: list[PasswordChange]

    def diff(self) -> Diff:
        changed = (change for passwords in self.passwords for change in passwords.changes())
        return Diff((*self.entities, *changed))


class DirectoryStore:
    """The directory in a database.  Any thread may call, several processes may have the same one open.

    ``url``: see ``database``.  ``now``: seconds since the epoch.  Every method raises ServerError where the database
    cannot be asked; SettingsError where what is given, or stored, does not fit.
    """

    def __init__(
        self, url: Secret, limits: Limits, *, hasher: PasswordHasher | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._limits = limits
        self._hasher = hasher or PasswordHasher()
        self._now = now
        self._engine: Engine = database.connect(url, limits)
        self._unknown = ""
        self._closed = False

    @classmethod
    def open(cls, url: Secret, limits: Limits, *, hasher: PasswordHasher | None = None) -> DirectoryStore:
        """Connect, and bring the tables to this version."""
        store = cls(url, limits, hasher=hasher)
        try:
            store.migrate()
        except BaseException:
            store.close()
            raise
        return store

    def migrate(self) -> None:
        """Make or change the tables; several nodes may do so at once."""
        upgrade(self._engine)

    def close(self) -> None:
        """Close all connections; an ``apply`` in another thread gives up."""
        self._closed = True
        self._engine.dispose()

    # --- reading

    def revision(self) -> int:
        """Counted up by every change; how other nodes notice one."""
        with database.reading(self._engine) as connection:
            return read_revision(connection)

    def load(self) -> Snapshot:
        """All of it, checked by the validator of the file."""
        with database.reading(self._engine) as connection:
            revision, file, stored = read_revision(connection), read_file(connection), read_credentials(connection)
        self._unknown = self._unknown or unmatched_hash(self._hasher)
        valid: dict[str, list[Credential]] = defaultdict(list)
        now_ms = self._now_ms()
        for each, hashed in stored:
            if each.is_valid(now_ms):
                valid[each.login].append(Credential(each.id, hashed, each.expires_ms))
        names = {operator.name for operator in file.operators or ()}
        by_login = {
            login: tuple(found[: self._limits.credentials_max]) for login, found in valid.items() if login not in names
        }
        tokens = {each.hash: (name, each) for name in names for each in valid.get(name, ())}
        directory = build_directory(file, self._limits, SOURCE)
        return Snapshot(revision, directory, HashedSecrets(by_login, self._unknown), OperatorTokens(tokens))

    def export(self) -> DirectoryFile:
        """As a file, without secrets; applied again it changes nothing."""
        with database.reading(self._engine) as connection:
            return read_file(connection)

    def entries(self, table: str, span: Span) -> list[Any]:
        """Some entries of a table of the file, without secrets; partners without their accounts."""
        with database.reading(self._engine) as connection:
            return read_entries(connection, table, span)

    def accounts(self, partner_id: int, span: Span) -> list[AccountEntry]:
        """Some accounts of one partner; NotThere where there is no such partner."""
        with database.reading(self._engine) as connection:
            found = read_accounts(connection, partner_id, span)
        if found is None:
            raise NotThere("Not there", f"There is no partner {partner_id}.")
        return found

    def credentials(self, login: str) -> list[StoredCredential]:
        """Those of ``login``, ended ones too, the newest first; NotThere where nobody logs in so."""
        with database.reading(self._engine) as connection:
            credentials.find_principal(connection, login)
            return [each for each, _ in read_credentials(connection, login)]

    def audit(self, limit: int, before: int | None = None) -> list[AuditEntry]:
        """The newest changes first, ``audit_page_max`` at most; ``before``: the id of the last one seen."""
        with database.reading(self._engine) as connection:
            return read_audit(connection, max(1, min(limit, self._limits.audit_page_max)), before)

    # --- the file

    def plan(self, wanted: DirectoryFile, source: object = "directory file") -> Diff:
        """What ``apply`` would do; nothing is written."""
        return self._compare(wanted, source, dry_run=True).diff()

    def apply(self, wanted: DirectoryFile, who: str, source: object = "directory file") -> Diff:
        """Make the directory what the file says; applied again it changes nothing.

        What the file has no entry for goes, apart from operators where it has no ``operators`` at all.  Secrets: see
        ``passwords``.  They are hashed before the transaction, and all is done again where a change came between.
        """
        return self.edit(lambda _: wanted, who, source, from_file=True)

    def edit(
        self,
        change: Callable[[DirectoryFile], DirectoryFile],
        who: str,
        source: object = "request",
        *,
        from_file: bool = False,
    ) -> Diff:
        """Make the directory what ``change`` makes of it; it is asked again where somebody's change came between.

        ``from_file``: secrets in it are a file's, and not the first ones of who is made.
        """
        for _ in range(self._limits.directory_attempts_max):
            with database.reading(self._engine) as connection:
                revision, file = read_revision(connection), read_file(connection)
            comparison = self._compare(
                change(file), source, dry_run=False, from_file=from_file, stored=(revision, file)
            )
            diff = comparison.diff()
            if not diff:
                return diff
            with self._changing() as connection:
                if read_revision(connection) == comparison.revision:
                    write_entities(connection, comparison.entities)
                    write_passwords(connection, comparison.passwords, self._now_ms())
                    self._changed(connection, who, *diff.changes)
                    return diff
        raise ServerError("Directory busy", "It was changed by others all the while. Try again in a moment.")

    def _compare(
        self,
        wanted: DirectoryFile,
        source: object,
        *,
        dry_run: bool,
        from_file: bool = True,
        stored: tuple[int, DirectoryFile] | None = None,
    ) -> _Comparison:
        """``stored``: a revision and what it has, where that was read before."""
        build_directory(wanted, self._limits, source)
        by_login: dict[str, list[tuple[StoredCredential, str]]] = defaultdict(list)
        with database.reading(self._engine) as connection:
            revision, file = stored or (read_revision(connection), read_file(connection))
            if any(entry.secret is not None for entry in wanted.logins()):
                for each, hashed in read_credentials(connection):
                    by_login[each.login].append((each, hashed))
        credentials_of: dict[EntityKey, Stored] = {
            (entry.kind, entry.key): by_login[entry.login] for entry in file.logins()
        }
        old, new = (entities_of(each) for each in without_shared(file, wanted))
        if wanted.operators is None:
            new |= {key: entity for key, entity in old.items() if key[0] == "operator"}
            self._check_operators(wanted, file, source)
        passwords = compare_passwords(
            wanted,
            credentials_of,
            self._limits,
            self._hasher,
            self._now_ms(),
            source,
            dry_run=dry_run,
            from_file=from_file,
            stopped=lambda: self._closed,
        )
        return _Comparison(revision, compare(old, new), passwords)

    def _check_operators(self, wanted: DirectoryFile, stored: DirectoryFile, source: object) -> None:
        """Those that the file leaves as they are share its space of logins."""
        together = DirectoryFile(
            systems=wanted.systems,
            partners=wanted.partners,
            event_types=wanted.event_types,
            message_types=wanted.message_types,
            services=wanted.services,
            operators=stored.operators,
        )
        build_directory(together, self._limits, source)

    # --- credentials

    def add_credential(
        self, login: str, name: str, secret: Secret, who: str, expires_ms: int | None = None
    ) -> StoredCredential:
        """One more way to log in; the others stay.  NotThere, LimitError, SettingsError."""
        hashed = self._hash(login, secret)
        with self._changing() as connection:
            made = credentials.add(connection, login, name, hashed, expires_ms, self._now_ms(), self._limits)
            self._changed(connection, who, Change("credential", f"{name} of {login}", None, _shown(made)))
            return made

    def rotate_credential(
        self, login: str, name: str, secret: Secret, who: str, overlap_ms: int = 0, expires_ms: int | None = None
    ) -> StoredCredential:
        """A new one for those called ``name``, which stay valid for ``overlap_ms``.

        NotThere, LimitError, SettingsError.
        """
        hashed = self._hash(login, secret)
        with self._changing() as connection:
            now_ms = self._now_ms()
            ended = credentials.end_named(connection, login, name, now_ms + overlap_ms, now_ms)
            made = credentials.add(connection, login, name, hashed, expires_ms, now_ms, self._limits)
            what = f"{name} of {login}"
            gone = [
                Change("credential", what, _shown(each), {**_shown(each), "expires_ms": expires_ms})
                for each, expires_ms in ended
            ]
            self._changed(connection, who, *gone, Change("credential", what, None, _shown(made)))
            return made

    def change_credential(
        self,
        login: str,
        credential_id: int,
        name: str,
        expires_ms: int | None,
        who: str,
        check: Callable[[StoredCredential], None] = lambda _: None,
    ) -> StoredCredential:
        """Another name and end for a valid one.  NotThere, SettingsError.  ``check``: as for ``revoke_credential``."""
        with self._changing() as connection:
            old, new = credentials.change(connection, login, credential_id, name, expires_ms, self._now_ms())
            check(old)
            before, after = ({"name": each.name, **_shown(each)} for each in (old, new))
            if before != after:
                self._changed(connection, who, Change("credential", f"{old.name} of {login}", before, after))
            return new

    def revoke_credential(
        self, login: str, credential_id: int, who: str, check: Callable[[StoredCredential], None] = lambda _: None
    ) -> None:
        """It lets nobody in any more.  NotThere.  ``check``: may refuse, once nobody can change it."""
        with self._changing() as connection:
            gone = credentials.revoke(connection, login, credential_id, self._now_ms(), self._limits)
            check(gone)  # what was there before; all of it is undone where this raises
            self._changed(connection, who, Change("credential", f"{gone.name} of {login}", _shown(gone), None))

    def touch_last_used(self, used_ms: Mapping[int, int]) -> None:
        """Note when credentials were used last, by their id.  No change of the directory, so no new revision."""
        if used_ms:
            with database.writing(self._engine) as connection:
                credentials.touch(connection, used_ms)

    def _hash(self, login: str, secret: Secret) -> str:
        with database.reading(self._engine) as connection:
            _, kind = credentials.find_principal(connection, login)
        if fault := secret_fault(secret, kind, self._limits):
            raise SettingsError("Bad secret", fault)
        return hash_secret(kind, secret, self._hasher)

    # --- transactions

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction in which nobody else changes the directory."""
        with database.writing(self._engine) as connection:
            connection.execute(select(tables.revision).with_for_update())
            yield connection

    def _changed(self, connection: Connection, who: str, *changes: Change) -> None:
        connection.execute(update(tables.revision).values(number=tables.revision.c.number + 1))
        write_audit(connection, changes, who, self._now_ms(), self._limits)

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _shown(credential: StoredCredential) -> dict[str, object]:
    return {"id": credential.id, "expires_ms": credential.expires_ms}
