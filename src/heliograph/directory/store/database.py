"""Opening the directory's database: SQLite or PostgreSQL, by URL.

    sqlite:////var/lib/heliograph/directory.sqlite
    postgresql://user@host:5432/name

A URL may hold a password, so it is a ``Secret`` and never quoted.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from heliograph.directory.secret import Secret
from heliograph.errors import HeliographError, ServerError, SettingsError
from heliograph.limits import Limits

FILE_NAME = "directory.sqlite"
_FORMS = "Give sqlite:////path/to/file or postgresql://user@host:5432/name."
#: One writes at a time, and one reads: the server has one thread for it, the HTTP API a few.
_POOL_SIZE = 4
#: Between two tries to bring a file into WAL mode.
_RETRY_S = 0.01


def url_in(data_dir: Path) -> Secret:
    """The default: a file in the data directory."""
    return Secret(URL.create("sqlite", database=str((data_dir / FILE_NAME).absolute())).render_as_string(False))


def connect(url: Secret, limits: Limits) -> Engine:
    """An engine for ``url``; nothing is opened yet.  SettingsError where it is no URL of ours."""
    try:
        parsed = make_url(url.reveal())
    except ArgumentError:
        raise _bad_url("it is no URL.") from None
    if parsed.drivername == "sqlite" and parsed.database:
        return _sqlite(parsed, limits)
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), limits)
    raise _bad_url(f"{parsed.drivername!r} is no database that is known here.")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of all tables."""
    level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with faults_told(), engine.connect() as connection, connection.execution_options(**level).begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; SQLite lets one at a time begin.  It is undone when anything is raised."""
    with faults_told(), engine.connect() as connection, connection.execution_options(immediate=True).begin():
        yield connection


@contextmanager
def faults_told() -> Iterator[None]:
    """The database's errors as ours.  Theirs may hold a statement's values, so they are not chained."""
    fault: HeliographError
    try:
        yield
        return
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        fault = ServerError("Directory unavailable", f"{lines[0]}. Is the database there, and may it be used?")
    except SQLAlchemyError as error:
        fault = ServerError("Directory unavailable", f"{type(error).__name__}. Is the database there?")
    raise fault


def _sqlite(url: URL, limits: Limits) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # it holds hashes
    except OSError as error:
        raise SettingsError("Directory unavailable", f"{path} cannot be used: {error.strerror}.") from error
    engine = create_engine(
        url, hide_parameters=True, pool_size=_POOL_SIZE, connect_args={"timeout": limits.directory_busy_ms_max / 1000}
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, so that it covers reads and changes of tables too
    _into_wal(connection)
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _into_wal(connection: sqlite3.Connection) -> None:
    """The file is in WAL mode afterwards, as it stays.

    SQLite reads the file's mode before it takes the lock to change it, and a reader that wants to write is refused
    at once, not after the busy time-out, lest two wait for each other.  So whoever meets another one that opens a
    new file tries again, for as long as the time-out says.
    """
    busy_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]  # directory_busy_ms_max
    deadline_s = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
        time.sleep(_RETRY_S)


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _postgresql(url: URL, limits: Limits) -> Engine:
    settings = f"-c lock_timeout={limits.directory_busy_ms_max}"
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=_POOL_SIZE,
        pool_pre_ping=True,
        connect_args={"options": settings, "connect_timeout": max(2, limits.directory_busy_ms_max // 1000)},
    )


def _bad_url(sentence: str) -> SettingsError:
    return SettingsError("Bad directory_url", f"{sentence} {_FORMS}")
