"""Changes reach the event loop; a database that is away does not end it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from heliograph.directory.file import DirectoryFile
from heliograph.directory.secret import Secret
from heliograph.directory.store import watcher as watcher_module
from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.directory.store.watcher import Watcher
from heliograph.errors import ServerError
from heliograph.limits import Limits
from tests.unit.directory.store.conftest import Clock, Open

QUICK = Limits(directory_poll_ms=5, last_used_interval_ms=5)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def file(read: Callable[[str], DirectoryFile], example: str) -> DirectoryFile:
    return read(example)


async def never(snapshot: Snapshot) -> None:
    pytest.fail("there is nothing to tell")


async def test_a_change_by_another_node_is_told_on_the_loop(open_store: Open, file: DirectoryFile):
    here, there = open_store(), open_store()
    seen: list[Snapshot] = []
    where: set[int] = set()

    async def changed(snapshot: Snapshot) -> None:
        seen.append(snapshot)
        where.add(threading.get_ident())

    watcher = Watcher(here, QUICK, changed, dict)
    watcher.start(here.load())
    await asyncio.to_thread(there.apply, file, "test")
    await until(lambda: seen)
    await asyncio.to_thread(there.apply, DirectoryFile(), "test")
    await until(lambda: len(seen) == 2)
    await watcher.stop()
    assert [each.revision for each in seen] == [1, 2]
    assert ["acme" in each.directory.principals for each in seen] == [True, False]
    assert where == {threading.get_ident()}


async def test_nothing_is_told_while_nothing_changes(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    revision = store.revision

    def counted() -> int:
        asked.append(revision())
        return asked[-1]

    watcher = Watcher(store, QUICK, never, dict)
    watcher.start(store.load())
    monkeypatch.setattr(store, "revision", counted)
    monkeypatch.setattr(store, "load", lambda: pytest.fail("nothing has changed"))
    await until(lambda: len(asked) >= 3)
    await watcher.stop()


async def test_a_database_that_is_away_is_asked_again(
    store: DirectoryStore, file: DirectoryFile, monkeypatch: pytest.MonkeyPatch
):
    revision = store.revision
    faults: list[None] = []
    seen: list[Snapshot] = []

    def away() -> int:
        faults.append(None)
        raise ServerError("Directory unavailable", "Away.")

    async def changed(snapshot: Snapshot) -> None:
        seen.append(snapshot)

    watcher = Watcher(store, QUICK, changed, dict)
    watcher.start(store.load())
    monkeypatch.setattr(store, "revision", away)
    await until(lambda: len(faults) >= 3)
    monkeypatch.setattr(store, "revision", revision)
    await asyncio.to_thread(store.apply, file, "test")
    await until(lambda: seen)
    await watcher.stop()


async def test_a_fault_of_who_is_told_does_not_end_it(open_store: Open, file: DirectoryFile):
    here, there = open_store(), open_store()
    told: list[int] = []

    async def fail_once(snapshot: Snapshot) -> None:
        told.append(snapshot.revision)
        if len(told) == 1:
            raise ZeroDivisionError

    watcher = Watcher(here, QUICK, fail_once, dict)
    watcher.start(here.load())
    with capture_logs() as logs:
        await asyncio.to_thread(there.apply, file, "test")
        await until(lambda: len(told) == 2)
        await watcher.stop()
    assert logs[0]["event"] == "bug"
    assert told == [1, 1], "it is told again what it has not taken"


async def test_nothing_is_told_after_its_end(
    store: DirectoryStore, file: DirectoryFile, monkeypatch: pytest.MonkeyPatch
):
    loading, go_on = threading.Event(), threading.Event()
    load = store.load

    def slowly() -> Snapshot:
        loading.set()
        assert go_on.wait(20)
        return load()

    watcher = Watcher(store, QUICK, never, dict)
    watcher.start(store.load())
    monkeypatch.setattr(store, "load", slowly)
    await asyncio.to_thread(store.apply, file, "test")
    await until(loading.is_set)
    watcher.end()
    go_on.set()
    await watcher.stop()


async def test_last_uses_are_written_in_between_and_at_the_end(store: DirectoryStore, file: DirectoryFile):
    await asyncio.to_thread(store.apply, file, "test")
    credential = store.credentials("acme")[0].id
    used: list[dict[int, int]] = [{credential: 5}]

    def take() -> dict[int, int]:
        return used.pop() if used else {}

    watcher = Watcher(store, QUICK, never, take)
    watcher.start(store.load())
    await until(lambda: store.credentials("acme")[0].last_used_ms == 5)
    used.append({credential: 7})
    await watcher.stop()
    assert store.credentials("acme")[0].last_used_ms == 7


async def test_the_directory_is_told_again_when_a_credential_expires(
    store: DirectoryStore, file: DirectoryFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watcher_module, "time", SimpleNamespace(time=clock))
    await asyncio.to_thread(store.apply, file, "test")
    soon_ms = clock.now_ms + 1_000
    await asyncio.to_thread(partial(store.add_credential, "acme", "short", Secret("s"), "test", expires_ms=soon_ms))
    told: list[Snapshot] = []

    async def changed(snapshot: Snapshot) -> None:
        told.append(snapshot)

    watcher = Watcher(store, QUICK, changed, dict)
    snapshot = store.load()
    watcher.start(snapshot)
    await asyncio.sleep(0.03)
    assert not told
    clock.now_s += 1
    await until(lambda: told)
    await asyncio.sleep(0.03)
    await watcher.stop()
    assert told == [snapshot], "once"
