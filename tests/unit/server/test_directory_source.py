"""The directory file, read again: all of it or nothing, in turn; the same secret stays the same credential."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from heliograph.directory.credentials import HashedSecrets
from heliograph.directory.directory import Directory
from heliograph.errors import ServerError, SettingsError
from heliograph.limits import Limits
from heliograph.server.directory_source import DirectorySource

FILE = """
[[systems]]
name = "acme"
secret = "canary-of-acme"
[[systems]]
name = "other"
secret = "canary-of-other"
"""


class Taker:
    """Takes snapshots; ``error`` is raised instead, once."""

    def __init__(self) -> None:
        self.taken: list[tuple[Directory, HashedSecrets]] = []
        self.error: Exception | None = None

    async def __call__(self, directory: Directory, hashed: HashedSecrets) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.taken.append((directory, hashed))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory.toml"
    path.write_text(FILE)
    return path


async def reloaded(source: DirectorySource, taker: Taker) -> list[dict[str, object]]:
    """What was logged meanwhile."""
    with capture_logs() as logs:
        source.reload(taker)
        async with asyncio.timeout(20):
            while source._task is not None:
                await asyncio.sleep(0.005)
    return [dict(entry) for entry in logs]


async def test_a_secret_that_has_not_changed_stays_the_same_credential(path: Path) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    _, before = await source.read()
    path.write_text(FILE.replace("canary-of-other", "canary-that-is-new"))
    assert await reloaded(source, taker) == []
    ((directory, hashed),) = taker.taken
    assert directory.principals.keys() == {"acme", "other"}
    assert hashed.by_login["acme"] == before.by_login["acme"]
    assert hashed.by_login["other"] != before.by_login["other"]


@pytest.mark.parametrize("text", ["no TOML", 'systems = "canary"', FILE + 'secret = "canary"', FILE + FILE])
async def test_a_file_that_does_not_fit_replaces_nothing_and_is_told_without_its_secrets(path: Path, text: str) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    await source.read()
    path.write_text(text)
    (entry,) = await reloaded(source, taker)
    assert (entry["event"], entry["log_level"]) == ("directory not reloaded", "error")
    assert path.name in str(entry["detail"])
    assert "canary" not in str(entry)
    path.unlink()
    assert len(await reloaded(source, taker)) == 1
    assert taker.taken == []
    path.write_text(FILE)
    assert await reloaded(source, taker) == []
    assert len(taker.taken) == 1


async def test_what_could_not_be_replaced_does_not_count_as_known(path: Path) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    _, before = await source.read()
    path.write_text(FILE.replace("canary-of-other", "canary-that-is-new"))
    taker.error = ServerError("Storage", "The disk takes nothing.")
    assert [entry["event"] for entry in await reloaded(source, taker)] == ["directory not reloaded"]
    path.write_text(FILE)
    await reloaded(source, taker)
    ((_, hashed),) = taker.taken
    assert hashed.by_login == before.by_login


async def test_what_is_asked_for_during_a_reading_is_read_once_more(path: Path) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    await source.read()
    for _ in range(10):
        source.reload(taker)
    assert await reloaded(source, taker) == []
    assert len(taker.taken) in (1, 2)


async def test_a_fault_of_ours_ends_no_later_reading(path: Path) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    await source.read()
    taker.error = RuntimeError("a bug")
    assert [entry["event"] for entry in await reloaded(source, taker)] == ["bug"]
    assert await reloaded(source, taker) == []
    assert len(taker.taken) == 1


async def test_without_a_file_nobody_is_there_and_nothing_is_read_again() -> None:
    source, taker = DirectorySource(None, Limits()), Taker()
    directory, _ = await source.read()
    assert not directory.principals
    assert await reloaded(source, taker) == []
    assert taker.taken == []


async def test_a_file_that_does_not_fit_at_the_start_is_raised(path: Path) -> None:
    path.write_text("no TOML")
    with pytest.raises(SettingsError):
        await DirectorySource(path, Limits()).read()


async def test_nothing_is_replaced_after_the_stop(path: Path) -> None:
    source, taker = DirectorySource(path, Limits()), Taker()
    source.reload(taker)
    source.stop()
    await asyncio.sleep(0.3)
    assert taker.taken == []
