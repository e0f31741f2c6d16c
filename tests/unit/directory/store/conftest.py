"""Stores on both databases, with a cheap hasher and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from heliograph.directory.secret import Secret
from heliograph.directory.store.database import url_in
from heliograph.directory.store.migrations import upgrade
from heliograph.directory.store.store import DirectoryStore
from heliograph.directory.store.tables import metadata
from heliograph.limits import Limits
from tests.unit.directory.conftest import CountingHasher


class Clock:
    """Seconds since the epoch that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now_s

    @property
    def now_ms(self) -> int:
        return int(self.now_s * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def migrated(postgresql_server: str) -> Iterator[Engine]:
    """A database with its tables, for all tests of the run; to make one for each would take them four times as long."""
    server = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE migrated"))
    server.dispose()
    engine = create_engine(postgresql_server.rpartition("/")[0] + "/migrated")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """Of a database with nothing in its tables, of one kind after the other."""
    if request.param == "sqlite":
        return url_in(tmp_path / "data")
    engine: Engine = request.getfixturevalue("migrated")
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        connection.execute(text("INSERT INTO revision (id, number) VALUES (1, 0)"))
    return Secret(engine.url.render_as_string(hide_password=False))


Open = Callable[..., DirectoryStore]


@pytest.fixture
def open_store(url: Secret, hasher: CountingHasher, clock: Clock) -> Iterator[Open]:
    """``open_store(**limits)``: another store on the same database, as another node has it."""
    stores: list[DirectoryStore] = []

    def open_one(**limits: int) -> DirectoryStore:
        stores.append(DirectoryStore(url, Limits(**limits), hasher=hasher, now=clock))
        stores[-1].migrate()
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store: Open) -> DirectoryStore:
    return open_store()
