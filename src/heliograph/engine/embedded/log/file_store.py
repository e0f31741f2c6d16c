"""The store on a real disk: Linux first; where ``RWF_DSYNC`` is missing (macOS), two calls do what one does there."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from heliograph.errors import SettingsError

#: One call that writes and syncs (Linux 4.7); without it a commit is a write and a sync.
_DSYNC: int = getattr(os, "RWF_DSYNC", 0)
#: macOS: fsync leaves the data in the drive's cache, only this does not.
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
#: Parts of one call; POSIX promises no more than 16, Linux and macOS take 1,024.
_PARTS_MAX = 1_024


class DiskFile:
    """See ``File``."""

    __slots__ = ("_descriptor", "_dsync")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._dsync = _DSYNC

    def read(self, size: int, position: int) -> bytes:
        """See ``File``."""
        data = os.pread(self._descriptor, size, position)
        while data and len(data) < size:  # the end of the file, or a signal
            more = os.pread(self._descriptor, size - len(data), position + len(data))
            if not more:
                break
            data += more
        return data

    def write(self, parts: Sequence[bytes | memoryview], position: int, sync: bool) -> int:
        """See ``File``."""
        if len(parts) > _PARTS_MAX:
            parts = (b"".join(parts),)
        if sync and self._dsync:
            try:
                return os.pwritev(self._descriptor, parts, position, self._dsync)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.ENOSYS}:
                    raise
                self._dsync = 0  # a file system that does not know it
        written = os.pwritev(self._descriptor, parts, position)
        if sync:
            self.sync()
        return written

    def sync(self) -> None:
        """See ``File``."""
        if _FULL_SYNC is not None:
            fcntl.fcntl(self._descriptor, _FULL_SYNC)
        else:
            os.fdatasync(self._descriptor)  # the size is data here, the time stamps are not

    def truncate(self, size: int) -> None:
        """See ``File``."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """See ``File``."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """See ``File``."""
        os.close(self._descriptor)
        self._descriptor = -1  # so that no later file is taken for it


class FileStore:
    """See ``Store``.  Holds ``root`` for itself until it is closed.

    Raises SettingsError if the directory cannot be used, or another process uses it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError("Data directory", f"{root} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SettingsError(
                "Data directory", f"{root} is in use by another server. Stop that one, or name another directory."
            ) from error

    def names(self, directory: str) -> list[str]:
        """See ``Store``."""
        try:
            return os.listdir(self._root / directory)
        except FileNotFoundError:
            return []

    def open(self, path: str, create: bool = False) -> DiskFile:
        """See ``Store``."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return DiskFile(os.open(self._root / path, flags, 0o600))

    def rename(self, old: str, new: str) -> None:
        """See ``Store``."""
        os.replace(self._root / old, self._root / new)

    def link(self, old: str, new: str) -> None:
        """See ``Store``."""
        try:
            os.link(self._root / old, self._root / new)
        except FileExistsError:
            pass

    def unlink(self, path: str) -> None:
        """See ``Store``."""
        os.unlink(self._root / path)

    def make_directory(self, path: str) -> None:
        """See ``Store``."""
        directory = self._root
        for name in path.split("/"):
            parent, directory = directory, directory / name
            if not directory.is_dir():
                directory.mkdir(mode=0o700)
                self._sync(parent)

    def sync_directory(self, directory: str) -> None:
        """See ``Store``."""
        self._sync(self._root / directory)

    def free_bytes(self) -> int:
        """See ``Store``."""
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """See ``Store``."""
        os.close(self._lock)

    @staticmethod
    def _sync(directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
