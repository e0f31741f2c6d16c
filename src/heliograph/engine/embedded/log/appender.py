"""One file that is only ever written at its end, in one call a commit.

Room is made ahead: the write that reaches the end of the room carries zeros behind its data.  A synced write
within the room changes no metadata; measured on ext4 that takes 0.4 ms where growing the file takes 1.0 ms.
Large writes get no room, for they are held up by their octets.

After a failure nothing is known of what stands behind ``end``, nor of the page that ``end`` lies in: the
system may take a page that it failed to write for written.  So ``repair`` cuts the file, and writes that page
again from memory, before anything else is written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from heliograph.engine.embedded.log.store import File

#: What systems write at once; a multiple of every sector.
_PAGE_BYTES = 4_096
#: Read and written again at once when an interval's sync has failed.
_REWRITE_BYTES = 1 << 20


class Appender:
    """``end``: behind the last octet that counts.  ``room_bytes``: zeros written ahead.  All raise OSError."""

    __slots__ = ("_page", "_room_end", "_synced_end", "end", "file", "room_bytes")

    def __init__(self, file: File, end: int, room_bytes: int) -> None:
        self.file = file
        self.end = end
        self.room_bytes = room_bytes
        self._room_end = end
        self._synced_end = end
        self._page: bytes | None = None  # the octets from the last page's start to end, once known

    def write(self, parts: Sequence[bytes], sync: bool) -> None:
        """Append the parts.  ``end`` moves only when all of them are written, and synced if asked for."""
        size = sum(map(len, parts))
        end = self.end + size
        room = self.room_bytes if sync and end > self._room_end and 4 * size <= self.room_bytes else 0
        expected = size + room
        if sync:
            self.sync()  # of what was written without, for the call syncs no more than it writes
        written = self.file.write((*parts, _zeros(room)) if room else parts, self.end, sync)
        if written != expected:
            raise OSError(errno.ENOSPC, f"{written} of {expected} octets were written")
        self._keep_page(parts, end)
        self.end = end
        self._room_end = max(self._room_end, end + room)
        if sync:
            self._synced_end = end

    def sync(self) -> None:
        """Put what was written without sync on disk."""
        if self._synced_end != self.end:
            self.file.sync()
            self._synced_end = self.end

    def repair(self) -> None:
        """Make the file end at ``end`` on disk, and what precedes ``end`` be on disk for certain."""
        self.file.truncate(self.end)
        self.file.sync()
        position = min(self._synced_end, self.end)
        position -= position % _PAGE_BYTES
        while position < self.end:
            if self._page is not None and position == self.end - len(self._page):
                data = self._page
            else:  # not synced before the failure; its CRCs tell readers whether the system still had it
                data = self.file.read(min(_REWRITE_BYTES, self.end - position), position)
            if not data or self.file.write((data,), position, sync=True) != len(data):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            position += len(data)
        self._room_end = self._synced_end = self.end

    def _keep_page(self, parts: Sequence[bytes], end: int) -> None:
        size = end % _PAGE_BYTES
        last = parts[-1]
        if len(last) >= size:
            self._page = last[len(last) - size :]
            return
        if self._page is None:
            start = self.end - self.end % _PAGE_BYTES
            self._page = self.file.read(self.end - start, start)
        data = b"".join((self._page, *parts))
        self._page = data[len(data) - size :] if size else b""


_ZEROS = memoryview(bytes(1 << 20))


def _zeros(size: int) -> memoryview:
    return _ZEROS[:size] if size <= len(_ZEROS) else memoryview(bytes(size))
