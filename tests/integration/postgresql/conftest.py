"""What the unit tests of the stored directory use, with a database on PostgreSQL in place of SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from heliograph.directory.secret import Secret
from heliograph.directory.store.migrations import upgrade
from heliograph.directory.store.tables import metadata
from tests.unit.directory.conftest import example, hasher, read, write
from tests.unit.directory.store.conftest import clock, open_store, store

__all__ = ["clock", "example", "hasher", "open_store", "read", "store", "write"]  # fixtures, as they are


@pytest.fixture
def new_url(postgresql_url: str) -> Secret:
    """Of a database without tables."""
    return Secret(postgresql_url)


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


@pytest.fixture
def url(migrated: Engine) -> Secret:
    """Of a database with nothing in its tables."""
    with migrated.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        connection.execute(text("INSERT INTO revision (id, number) VALUES (1, 0)"))
    return Secret(migrated.url.render_as_string(hide_password=False))
