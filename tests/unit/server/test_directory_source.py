"""The directory file, read again: all of it or nothing, in turn; an unchanged secret stays the same credential."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from heliograph.directory.store.database import url_in
from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.errors import SettingsError
from heliograph.limits import Limits
from heliograph.server.directory_source import DirectorySource
from tests.hashing import CHEAP
from tests.stored import store_tables

FILE = """
[[systems]]
name = "acme"
secret = "canary-of-acme"
[[systems]]
name = "other"
secret = "canary-of-other"
"""


class Taker:
    """Is told that something was applied; ``error`` is raised then, once."""

    def __init__(self) -> None:
        self.told = 0
        self.error: Exception | None = None

    def __call__(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.told += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    store_tables(tmp_path)
    store = DirectoryStore(url_in(tmp_path), Limits(), hasher=CHEAP)
    yield store
    store.close()


def credential_of(snapshot: Snapshot, login: str) -> int:
    (credential,) = snapshot.hashed.by_login[login]
    return credential.id


async def reloaded(source: DirectorySource, taker: Taker) -> list[dict[str, object]]:
    """What was logged meanwhile."""
    with capture_logs() as logs:
        source.reload(taker)
        async with asyncio.timeout(20):
            while source._task is not None:
                await asyncio.sleep(0.005)
    return [dict(entry) for entry in logs if entry["event"] != "directory applied"]


async def test_a_secret_that_has_not_changed_stays_the_same_credential(path: Path, store: DirectoryStore) -> None:
    source, taker = DirectorySource(path, store, Limits()), Taker()
    before = await source.read()
    path.write_text(FILE.replace("canary-of-other", "canary-that-is-new"))
    assert await reloaded(source, taker) == []
    assert taker.told == 1
    after = store.load()
    assert after.directory.principals.keys() == {"acme", "other"}
    assert credential_of(after, "acme") == credential_of(before, "acme")
    assert credential_of(after, "other") != credential_of(before, "other")


@pytest.mark.parametrize("text", ["no TOML", 'systems = "canary"', FILE + 'secret = "canary"', FILE + FILE])
async def test_a_file_that_does_not_fit_replaces_nothing_and_is_told_without_its_secrets(
    path: Path, text: str, store: DirectoryStore
) -> None:
    source, taker = DirectorySource(path, store, Limits()), Taker()
    await source.read()
    path.write_text(text)
    (entry,) = await reloaded(source, taker)
    assert (entry["event"], entry["log_level"]) == ("directory not reloaded", "error")
    assert path.name in str(entry["detail"])
    assert "canary" not in str(entry)
    path.unlink()
    assert len(await reloaded(source, taker)) == 1
    assert taker.told == 0
    path.write_text(FILE)
    assert await reloaded(source, taker) == []
    assert taker.told == 1


async def test_what_is_asked_for_during_a_reading_is_read_once_more(path: Path, store: DirectoryStore) -> None:
    source, taker = DirectorySource(path, store, Limits()), Taker()
    await source.read()
    for _ in range(10):
        source.reload(taker)
    assert await reloaded(source, taker) == []
    assert taker.told in (1, 2)


async def test_a_fault_of_ours_ends_no_later_reading(path: Path, store: DirectoryStore) -> None:
    source, taker = DirectorySource(path, store, Limits()), Taker()
    await source.read()
    taker.error = RuntimeError("a bug")
    assert [entry["event"] for entry in await reloaded(source, taker)] == ["bug"]
    assert await reloaded(source, taker) == []
    assert taker.told == 1


async def test_without_a_file_nobody_is_there_and_nothing_is_read_again(store: DirectoryStore) -> None:
    source, taker = DirectorySource(None, store, Limits()), Taker()
    assert not (await source.read()).directory.principals
    assert await reloaded(source, taker) == []
    assert taker.told == 0


async def test_a_file_that_does_not_fit_at_the_start_is_raised(path: Path, store: DirectoryStore) -> None:
    path.write_text("no TOML")
    with pytest.raises(SettingsError):
        await DirectorySource(path, store, Limits()).read()


async def test_nothing_is_replaced_after_the_stop(path: Path, store: DirectoryStore) -> None:
    source, taker = DirectorySource(path, store, Limits()), Taker()
    source.reload(taker)
    reloading = source._task
    assert reloading is not None
    source.stop()
    await asyncio.wait({reloading})
    assert taker.told == 0
