"""One growing file: room ahead, short writes, and what a failed sync leaves."""

from __future__ import annotations

import random

import pytest

from heliograph.engine.embedded.log.appender import Appender
from tests.crash.stores import FaultyStore, ForgetfulFile

ROOM = 1_000


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore()


@pytest.fixture
def file(store: FaultyStore) -> ForgetfulFile:
    file = store.open("a", create=True)
    store.sync_directory("")
    return file


def after_power_cut(store: FaultyStore, size: int) -> bytes:
    store.power_cut(None)
    return store.open("a").read(size, 0)


def test_room_is_made_once_for_many_small_writes(file: ForgetfulFile):
    appender = Appender(file, 0, ROOM)
    sizes = []
    for number in range(60):
        appender.write([bytes([number]), b"x" * 19], sync=True)
        sizes.append(file.size())
    assert appender.end == 60 * 20
    assert len(set(sizes)) == 2
    assert file.read(10_000, appender.end) == bytes(file.size() - appender.end)


def test_a_large_write_gets_no_room(file: ForgetfulFile):
    appender = Appender(file, 0, ROOM)
    appender.write([bytes(ROOM)], sync=True)
    assert file.size() == ROOM


@pytest.mark.parametrize("fault", ["short", "torn", "EIO", "ENOSPC"])
def test_what_fails_is_not_counted_and_is_cut(store: FaultyStore, file: ForgetfulFile, fault: str):
    appender = Appender(file, 0, ROOM)
    appender.write([b"good"], sync=True)
    store.fail(fault, times=1)
    with pytest.raises(OSError):
        appender.write([b"bad" * 100], sync=True)
    assert appender.end == 4
    appender.repair()
    assert file.size() == 4
    appender.write([b"more"], sync=True)
    assert after_power_cut(store, 8) == b"goodmore"


@pytest.mark.parametrize("size", [10, 3_000, 4_096, 5_000, 3_000_000])
def test_what_a_failed_sync_left_in_memory_only_is_written_again(store: FaultyStore, file: ForgetfulFile, size: int):
    """The system takes a page that it could not write for clean; the next sync succeeds and does nothing."""
    data = random.Random(2).randbytes(size)
    appender = Appender(file, 0, ROOM)
    appender.write([b"begin"], sync=True)
    appender.write([data[: size // 2]], sync=False)
    appender.write([data[size // 2 :]], sync=False)
    store.fail("EIO", times=1, operations=["sync"])
    with pytest.raises(OSError):
        appender.sync()
    appender.repair()
    assert after_power_cut(store, size + 5) == b"begin" + data


def test_a_synced_write_syncs_what_came_before_it(store: FaultyStore, file: ForgetfulFile):
    appender = Appender(file, 0, ROOM)
    appender.write([b"a" * 5_000], sync=False)
    appender.write([b"b" * 10], sync=True)
    assert after_power_cut(store, 9_000).rstrip(b"\0") == b"a" * 5_000 + b"b" * 10


def test_a_repair_may_fail_and_be_tried_again(store: FaultyStore, file: ForgetfulFile):
    appender = Appender(file, 0, ROOM)
    appender.write([b"a" * 5_000], sync=False)
    for operation in ("truncate", "sync", "write"):
        store.fail("EIO", times=1, operations=[operation])
        with pytest.raises(OSError):
            appender.repair()
    store.mend()
    appender.repair()
    assert after_power_cut(store, 9_000) == b"a" * 5_000
