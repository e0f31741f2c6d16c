"""Stores in memory that behave as badly as a disk may: they forget what was not synced, and they fail."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The machine is off.  No handler of the code under test may survive it."""


class Inode:
    """``cache``: what a process sees.  ``disk``: what a power cut leaves for certain.  ``loose``: in between."""

    def __init__(self) -> None:
        self.cache = bytearray()
        self.disk = bytearray()
        self.loose: list[tuple[int, bytes] | int] = []  # writes (position, octets) and truncations (size)

    def apply(self, target: bytearray, position: int, data: bytes) -> None:
        if len(target) < position:
            target.extend(bytes(position - len(target)))
        target[position : position + len(data)] = data

    def cut(self, rng: random.Random | None) -> None:
        """Each sector of what is loose may have arrived or not; one may have arrived half.  Without ``rng``: none."""
        if rng is not None:
            self._arrive(rng)
        self.loose.clear()
        self.cache = bytearray(self.disk)

    def _arrive(self, rng: random.Random) -> None:
        fate = rng.choice(["none", "all", "some", "some"])
        for change in self.loose:
            if isinstance(change, int):
                if fate == "all" or (fate == "some" and rng.random() < 0.5):
                    resize(self.disk, change)
                continue
            position, data = change
            at = 0
            while at < len(data):
                end = min(len(data), at + SECTOR_BYTES - (position + at) % SECTOR_BYTES)
                if fate == "all" or (fate == "some" and rng.random() < 0.7):
                    torn = rng.randrange(at, end) if fate == "some" and rng.random() < 0.05 else end
                    self.apply(self.disk, position + at, data[at:torn])
                at = end


def resize(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


class ForgetfulFile:
    def __init__(self, store: ForgetfulStore, path: str, inode: Inode) -> None:
        self._store = store
        self._path = path
        self.inode = inode
        self._open = True

    def read(self, size: int, position: int) -> bytes:
        self._check()
        self._store.before("read", self._path)
        return bytes(self.inode.cache[position : position + size])

    def write(self, parts: Sequence[bytes | memoryview], position: int, sync: bool) -> int:
        self._check()
        data = b"".join(parts)
        inode = self.inode
        written, error = self._store.before("write", self._path, len(data))
        data = data[:written]
        inode.apply(inode.cache, position, data)
        inode.loose.append((position, data))
        self._store.after()
        if error is not None:
            inode.loose.clear()  # the system takes the pages for clean and writes them never
            raise error
        if sync and self._store.honest:
            inode.loose.remove((position, data))
            for change in [change for change in inode.loose if isinstance(change, int)]:
                inode.loose.remove(change)  # the sizes of a file reach the disk in order
                resize(inode.disk, change)
            inode.apply(inode.disk, position, data)
        return len(data)

    def sync(self) -> None:
        self._check()
        _, error = self._store.before("sync", self._path)
        self._store.after()
        if error is not None:
            self.inode.loose.clear()
            raise error
        if self._store.honest:
            self.inode.loose.clear()
            self.inode.disk = bytearray(self.inode.cache)

    def truncate(self, size: int) -> None:
        self._check()
        _, error = self._store.before("truncate", self._path)
        if error is not None:
            raise error
        resize(self.inode.cache, size)
        self.inode.loose.append(size)
        self._store.after()

    def size(self) -> int:
        return len(self.inode.cache)

    def close(self) -> None:
        self._check()
        self._open = False

    def _check(self) -> None:
        assert self._open, f"{self._path} was closed"


class ForgetfulStore:
    """``honest``: False ignores every request to sync, as a disk that lies or a broker that forgets to ask."""

    def __init__(self, honest: bool = True) -> None:
        self.honest = honest
        self.free = 1 << 40
        self.free_asked = 0  #: how often it was asked for
        self.changes = 0  #: changes of anything so far
        self.cut_at: int | None = None  #: the power is cut at this change
        self._names: dict[str, Inode] = {}
        self._disk_names: dict[str, Inode] = {}
        self._loose: list[dict[str, Inode | None]] = []  # changes of names, each atomic

    # --- what tests do to it

    def power_cut(self, rng: random.Random | None) -> None:
        """Lose what was not synced, or without ``rng`` all of it, and start again."""
        for change in self._loose:
            if rng is not None and rng.random() < 0.5:
                self._arrive(change)
        self._loose.clear()
        self._names = dict(self._disk_names)
        for inode in {id(inode): inode for inode in self._names.values()}.values():
            inode.cut(rng)
        self.cut_at = None

    def content(self, path: str) -> bytearray:
        """Of a file, to damage it; what is on disk and what is in memory are made one."""
        inode = self._names[path]
        inode.loose.clear()
        inode.disk = inode.cache
        return inode.cache

    def paths(self) -> list[str]:
        return sorted(self._names)

    def before(self, operation: str, path: str, size: int = 0) -> tuple[int, OSError | None]:
        """How much of a write is done, and the error in the end."""
        return size, None

    def after(self) -> None:
        """Something has changed."""
        self.changes += 1
        if self.cut_at is not None and self.changes >= self.cut_at:
            raise PowerCut

    # --- Store

    def names(self, directory: str) -> list[str]:
        return [path.rpartition("/")[2] for path in self._names if path.rpartition("/")[0] == directory]

    def open(self, path: str, create: bool = False) -> ForgetfulFile:
        if path not in self._names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            _, error = self.before("create", path)
            if error is not None:
                raise error
            self._change({path: Inode()})
        return ForgetfulFile(self, path, self._names[path])

    def rename(self, old: str, new: str) -> None:
        self._change({new: self._names[old], old: None})

    def link(self, old: str, new: str) -> None:
        if new not in self._names:
            self._change({new: self._names[old]})

    def unlink(self, path: str) -> None:
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._change({path: None})

    def make_directory(self, path: str) -> None:
        pass

    def sync_directory(self, directory: str) -> None:
        _, error = self.before("sync_directory", directory)
        self.after()
        if error is not None:
            raise error
        if self.honest:
            for change in list(self._loose):
                if all(path.rpartition("/")[0] == directory for path in change):
                    self._loose.remove(change)
                    self._arrive(change)

    def free_bytes(self) -> int:
        self.free_asked += 1
        return self.free

    def close(self) -> None:
        pass

    def _arrive(self, change: dict[str, Inode | None]) -> None:
        for path, inode in change.items():
            if inode is None:
                self._disk_names.pop(path, None)
            else:
                self._disk_names[path] = inode

    def _change(self, change: dict[str, Inode | None]) -> None:
        for path, inode in change.items():
            if inode is None:
                del self._names[path]
            else:
                self._names[path] = inode
        self._loose.append(change)
        self.after()


#: Asked before each operation (its name, the path): a fault, or None.
Judge = Callable[[str, str], "str | None"]


class FaultyStore(ForgetfulStore):
    """Fails where its ``judge`` says so: "EIO", "ENOSPC", "torn" (EIO after half was written), "short" (a short write).

    A failed write or sync leaves the octets in the system's cache, where they are taken for written.
    """

    def __init__(self, honest: bool = True) -> None:
        super().__init__(honest)
        self.judge: Judge = lambda operation, path: None

    def fail(self, fault: str, times: int = 1 << 30, operations: Sequence[str] = ("write", "sync")) -> None:
        """``times`` from now on."""
        left = [times]

        def judge(operation: str, path: str) -> str | None:
            if operation not in operations or not left[0]:
                return None
            left[0] -= 1
            return fault

        self.judge = judge

    def mend(self) -> None:
        self.judge = lambda operation, path: None

    def before(self, operation: str, path: str, size: int = 0) -> tuple[int, OSError | None]:
        fault = self.judge(operation, path)
        if fault is None:
            return size, None
        if operation == "write":
            if fault == "short":
                return size // 2, None
            if fault == "torn":
                return size // 2, OSError(errno.EIO, os.strerror(errno.EIO))
        number = errno.ENOSPC if fault in {"ENOSPC", "short"} else errno.EIO
        error = OSError(number, os.strerror(number))
        if operation == "read" or (operation == "write" and fault == "ENOSPC"):
            raise error
        return size, error
