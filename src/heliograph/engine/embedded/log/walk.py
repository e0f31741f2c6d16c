"""From batch to batch through a segment file, and over what is damaged between them.  Reads, never writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from heliograph.engine.embedded.log.batch import HEAD_BYTES, MAGIC, Head, decode_head
from heliograph.engine.embedded.log.store import File

#: Read at once; most batches are smaller, so that their bodies come with their heads.
WINDOW_BYTES = 65_536
_SECTOR_BYTES = 4_096


class Hole(NamedTuple):
    """No batch begins at ``position``; the next one does at ``end``.

    ``first`` to ``last``: the offsets that were there, if any; ``last`` is None if no batch follows.
    """

    position: int
    end: int
    first: int
    last: int | None


class Window:
    """A piece of a file in memory: many small reads become one.

    ``salvage``: octets that the disk does not give are read as zeros, which are no batch, instead of raising OSError.
    """

    __slots__ = ("_data", "_file", "_size", "_start", "salvage")

    def __init__(self, size: int = WINDOW_BYTES) -> None:
        self._size = size
        self._file: File | None = None
        self._start = 0
        self._data = b""
        self.salvage = False

    def read(self, file: File, position: int, size: int, end: int) -> bytes:
        """``size`` octets, fewer if the file does; ``end``: behind the last octet that will not change."""
        at = position - self._start
        if file is not self._file or at < 0 or at + size > len(self._data):
            if size > self._size:
                return self._read(file, size, position)
            self._data = self._read(file, min(self._size, end - position), position)
            self._file, self._start, at = file, position, 0
        return self._data[at : at + size]

    def forget(self) -> None:
        """Let the file go."""
        self._file = None
        self._data = b""

    def _read(self, file: File, size: int, position: int) -> bytes:
        if not self.salvage:
            return file.read(size, position)
        pieces = []
        for at in range(position, position + size, _SECTOR_BYTES):
            wanted = min(_SECTOR_BYTES, position + size - at)
            try:
                pieces.append(file.read(wanted, at))
            except OSError:
                pieces.append(bytes(wanted))
        return b"".join(pieces)


def walk(
    window: Window, file: File, salt: int, position: int, end: int, last_offset: int
) -> Iterator[tuple[int, Head] | Hole]:
    """Every batch (position, head) from ``position`` to ``end``, and every hole.

    ``last_offset``: the last committed before ``position``.  Each batch names its predecessor's last offset, so
    that those which are not there at all are found too.
    """
    while position < end:
        head = _head_at(window, file, salt, position, end, last_offset)
        if head is None:
            next_position = _next_batch(window, file, salt, position + 1, end, last_offset)
            if next_position is None:
                yield Hole(position, end, last_offset + 1, None)
                return
            head = _head_at(window, file, salt, next_position, end, last_offset)
            if head is None:
                return  # the file is being changed by somebody else
            yield Hole(position, next_position, last_offset + 1, head.previous_offset)
            position = next_position
        elif head.previous_offset != last_offset:
            yield Hole(position, position, last_offset + 1, head.previous_offset)
        yield position, head
        position += head.size
        last_offset = head.last_offset


def _head_at(window: Window, file: File, salt: int, position: int, end: int, last_offset: int) -> Head | None:
    head = decode_head(window.read(file, position, min(HEAD_BYTES, end - position), end), 0, salt)
    if head is None or position + head.size > end:
        return None
    if head.previous_offset < last_offset:
        return None  # from before; the chain has gone further
    return head


def _next_batch(window: Window, file: File, salt: int, position: int, end: int, last_offset: int) -> int | None:
    """Where the next batch begins.  What only looks like one fails at its salted CRC."""
    while position < end:
        data = window.read(file, position, min(WINDOW_BYTES, end - position), end)
        at = data.find(MAGIC)
        while at >= 0:
            if _head_at(window, file, salt, position + at, end, last_offset) is not None:
                return position + at
            at = data.find(MAGIC, at + 1)
        if len(data) < len(MAGIC):
            return None
        position += len(data) - len(MAGIC) + 1
    return None
