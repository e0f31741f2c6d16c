"""The store on a real disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.errors import SettingsError


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "data")


def test_a_file_is_written_read_and_cut(store: FileStore):
    store.make_directory("a/b")
    file = store.open("a/b/c", create=True)
    store.sync_directory("a/b")
    assert file.write([b"one", memoryview(b"two")], 0, sync=True) == 6
    assert file.write([b"x"], 8, sync=False) == 1
    file.sync()
    assert file.read(100, 0) == b"onetwo\0\0x"
    assert file.read(3, 3) == b"two"
    file.truncate(4)
    assert file.size() == 4
    file.close()


def test_more_parts_than_one_call_takes(store: FileStore):
    file = store.open("a", create=True)
    assert file.write([b"ab"] * 5_000, 0, sync=True) == 10_000
    assert file.read(20_000, 0) == b"ab" * 5_000


def test_names_come_and_go(store: FileStore):
    assert store.names("none") == []
    store.open("a", create=True).close()
    store.link("a", "b")
    store.link("a", "b")
    store.rename("b", "c")
    assert sorted(store.names("")) == ["a", "c", "lock"]
    store.unlink("a")
    assert sorted(store.names("")) == ["c", "lock"]
    with pytest.raises(FileNotFoundError):
        store.open("a")


def test_only_one_server_uses_a_directory(tmp_path: Path, store: FileStore):
    with pytest.raises(SettingsError, match="in use by another server"):
        FileStore(tmp_path / "data")
    store.close()
    FileStore(tmp_path / "data").close()


def test_a_directory_that_cannot_be_used_is_a_settings_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        FileStore(tmp_path / "file")


def test_nobody_else_reads_the_data(tmp_path: Path, store: FileStore):
    store.make_directory("d")
    store.open("d/f", create=True).close()
    assert (tmp_path / "data/d").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data/d/f").stat().st_mode & 0o077 == 0


def test_without_dsync_a_write_is_followed_by_a_sync(store: FileStore, monkeypatch: pytest.MonkeyPatch):
    pwritev = os.pwritev
    synced: list[int] = []

    def old_kernel(descriptor, parts, position, flags=0):
        if flags:
            raise OSError(errno.EOPNOTSUPP, "")
        return pwritev(descriptor, parts, position)

    monkeypatch.setattr(os, "pwritev", old_kernel)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    file = store.open("a", create=True)
    file._dsync = 2
    file.write([b"a"], 0, sync=True)
    file.write([b"b"], 1, sync=True)
    file.write([b"c"], 2, sync=False)
    assert file.read(9, 0) == b"abc"
    assert len(synced) == 2


def test_the_free_room_is_told(store: FileStore):
    assert store.free_bytes() > 0
