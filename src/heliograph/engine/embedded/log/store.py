"""The seam between the engine and the disk: all file access of the engine goes through a ``Store``.

Paths are relative to the data directory, with "/".  Every method blocks, and raises OSError.  Tests put
stores in this place that fail, that write less than they were given, and that forget what was not synced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class File(Protocol):
    """An open file.  Reading and writing name their position, so that threads share no cursor."""

    def read(self, size: int, position: int) -> bytes:
        """Up to ``size`` octets; fewer only at the end of the file."""

    def write(self, parts: Sequence[bytes | memoryview], position: int, sync: bool) -> int:
        """Write the parts one after the other; how many octets were written, which may be fewer than given.

        With ``sync``, what was written, and as much of the file's size as is needed to read it, is on disk
        when the call returns.
        """

    def sync(self) -> None:
        """Put everything written so far, and the size, on disk."""

    def truncate(self, size: int) -> None:
        """Cut the file; not on disk before ``sync``."""

    def size(self) -> int:
        """In octets."""

    def close(self) -> None:
        """Give the file up; nothing is synced."""


class Store(Protocol):
    """A data directory."""

    def names(self, directory: str) -> list[str]:
        """What stands in a directory, in no order; nothing if there is no such directory."""

    def open(self, path: str, create: bool = False) -> File:
        """Open a file for reading and writing.  A created one is in its directory on disk after ``sync_directory``."""

    def rename(self, old: str, new: str) -> None:
        """Rename a file, in place of what was there; on disk after ``sync_directory``."""

    def link(self, old: str, new: str) -> None:
        """Give a file a second name, or do nothing if that name is taken; on disk after ``sync_directory``."""

    def unlink(self, path: str) -> None:
        """Remove a file; on disk after ``sync_directory``."""

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, on disk; nothing if it is there."""

    def sync_directory(self, directory: str) -> None:
        """Put the names in a directory on disk."""

    def free_bytes(self) -> int:
        """Octets that can still be written."""

    def close(self) -> None:
        """Let others have the directory."""
