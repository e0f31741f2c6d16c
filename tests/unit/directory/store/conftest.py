"""Stores on SQLite, with a cheap hasher and a clock that a test moves; tests/integration/postgresql has the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heliograph.directory.secret import Secret
from heliograph.directory.store.database import url_in
from heliograph.directory.store.store import DirectoryStore
from heliograph.limits import Limits
from tests.stored import store_tables
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


@pytest.fixture
def new_url(tmp_path: Path) -> Secret:
    """Of a database without tables."""
    return url_in(tmp_path / "data")


@pytest.fixture
def url(tmp_path: Path) -> Secret:
    """Of a database with nothing in its tables."""
    store_tables(tmp_path / "data")
    return url_in(tmp_path / "data")


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
