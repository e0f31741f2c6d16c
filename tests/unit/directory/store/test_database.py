"""Opening the database: a file that another one is opening, what SQLite is told, and faults that tell no password."""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from heliograph.directory.secret import Secret
from heliograph.directory.store import database
from heliograph.directory.store.store import DirectoryStore
from heliograph.errors import ServerError, SettingsError
from heliograph.limits import Limits


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """A new file that another one is about to change, as one does who brings it into WAL mode."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_new_file_that_another_one_is_opening_is_waited_for(tmp_path: Path):
    with locked(tmp_path / database.FILE_NAME) as other:
        release = threading.Timer(0.1, other.rollback)
        release.start()
        store = DirectoryStore.open(database.url_in(tmp_path), Limits())
        release.join()
    assert store.revision() == 0
    store.close()


def test_a_new_file_that_stays_locked_is_given_up_in_time(tmp_path: Path):
    started = time.monotonic()
    with locked(tmp_path / database.FILE_NAME), pytest.raises(ServerError, match="database is locked"):
        DirectoryStore.open(database.url_in(tmp_path), Limits(directory_busy_ms_max=100))
    assert 0.1 <= time.monotonic() - started < 5


def test_the_file_is_for_its_owner_alone(tmp_path: Path):
    store = DirectoryStore.open(database.url_in(tmp_path / "new"), Limits())
    store.revision()
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    store.close()


def test_sqlite_is_set_up(tmp_path: Path):
    store = DirectoryStore.open(database.url_in(tmp_path), Limits(directory_busy_ms_max=1234))
    with store._engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    store.close()
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 1234, "synchronous": 2}


@pytest.mark.parametrize(
    "url", ["", "nothing", "mysql://user:canary@host/name", "sqlite://", "postgresql+asyncpg://user:canary@host/name"]
)
def test_what_is_no_url_of_ours_is_refused_and_not_quoted(url: str):
    with pytest.raises(SettingsError, match="postgresql://user@host") as caught:
        DirectoryStore(Secret(url), Limits())
    assert "canary" not in repr(caught.value)


def test_a_database_that_is_not_there_is_said_so_without_its_password():
    url = Secret("postgresql://user:canary@127.0.0.1:1/name")
    with pytest.raises(ServerError, match="Directory unavailable") as caught:
        DirectoryStore.open(url, Limits(directory_busy_ms_max=2_000))
    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="Directory unavailable"):
        DirectoryStore.open(database.url_in(tmp_path / "file"), Limits())
    (tmp_path / database.FILE_NAME).write_bytes(b"no database " * 100)
    with pytest.raises(ServerError, match="not a database"):
        DirectoryStore.open(database.url_in(tmp_path), Limits())
