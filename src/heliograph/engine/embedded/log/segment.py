"""One file of a log, as readers see it: where it stands in the log, and a sparse index into it.

    name   = base "-" salt ".log"       ; base: 20 digits, no offset in the file is lower; salt: 8 hex digits
    index  = name with ".index"         ; written when the segment is full; without it the segment is walked
    octets of an index = magic crc salt base previous-offset last-offset reserved-offset end event-count
                         received-min received-max count *previous *position *received  ; little-endian
    magic  = "HGI2"                     ; crc: CRC-32 of all that follows it

There is one entry for every 64 KiB: the last offset before a batch, the batch's position, and the latest time
of receipt of all batches before it in this file.  ``end`` is behind the last batch; the file may have zeros behind it.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from zlib import crc32

from heliograph.engine.embedded.log.batch import Head
from heliograph.engine.embedded.log.store import File
from heliograph.engine.embedded.log.walk import Hole, Window, walk

#: Octets between two entries of the index: walked in Python, at most, to find an offset.
ENTRY_BYTES = 65_536
SUFFIX = ".log"
INDEX_SUFFIX = ".index"

_MAGIC = b"HGI2"
_INDEX = struct.Struct("<4sIIQQQQQQqqI")
_CRC_FROM = 8
#: Positions of followers remembered, one for each reader that goes through the segment.
_HINTS_MAX = 256
_NEVER = -(1 << 63)  #: a time of receipt before all others


class Segment:
    """Offsets after ``previous_offset`` up to ``last_offset``, in ``file`` up to ``end``."""

    __slots__ = (
        "_hints", "_positions", "_previous", "_received", "base", "end", "event_count", "file", "last_offset", "path",
        "previous_offset", "received_max", "received_min", "reserved_offset", "salt",
    )  # fmt: skip

    def __init__(self, path: str, base: int, salt: int, file: File | None, previous_offset: int) -> None:
        self.path = path
        self.base = base
        self.salt = salt
        self.file = file  #: None once the segment is removed
        self.previous_offset = previous_offset
        self.last_offset = previous_offset
        self.reserved_offset = 0
        self.end = 0
        self.event_count = 0
        self.received_min = -_NEVER - 1
        self.received_max = _NEVER
        self._previous = array("Q")
        self._positions = array("Q")
        self._received = array("q")
        self._hints: dict[int, int] = {}  # an offset: where the batch after it begins

    @staticmethod
    def name(base: int, salt: int) -> str:
        """Of the file."""
        return f"{base:020d}-{salt:08x}{SUFFIX}"

    @staticmethod
    def parse_name(name: str) -> tuple[int, int] | None:
        """Base and salt, or None if it is no segment's name."""
        base, _, salt = name.removesuffix(SUFFIX).partition("-")
        if not name.endswith(SUFFIX) or not base.isdecimal():
            return None
        try:
            parsed = int(base), int(salt, 16)
        except ValueError:
            return None
        return parsed if Segment.name(*parsed) == name else None

    @property
    def index_path(self) -> str:
        """Of its index."""
        return self.path.removesuffix(SUFFIX) + INDEX_SUFFIX

    @property
    def empty(self) -> bool:
        """Whether it holds no event."""
        return self.received_max == _NEVER

    def add(self, position: int, head: Head) -> None:
        """Let readers see the batch at ``position``; batches come in order."""
        if not self._positions or position >= self._positions[-1] + ENTRY_BYTES:
            self._previous.append(head.previous_offset)
            self._positions.append(position)
            self._received.append(self.received_max)
        if head.event_count:
            self.last_offset = head.last_offset
            self.event_count += head.event_count
            self.received_min = min(self.received_min, head.received_min)
            self.received_max = max(self.received_max, head.received_max)
        else:
            self.last_offset = max(self.last_offset, head.last_offset)
        self.reserved_offset = head.reserved_offset
        self.end = position + head.size

    def items_from(self, window: Window, offset: int) -> Iterator[tuple[int, Head] | Hole]:
        """Batches and holes in order, beginning not behind the batch that holds ``offset``."""
        if self.file is None:
            return iter(())
        position = self._hints.get(offset)
        if position is not None:
            return walk(window, self.file, self.salt, position, self.end, offset - 1)
        return self._walk_from(window, bisect_left(self._previous, offset) - 1)

    def items_before(self, window: Window, offset: int) -> tuple[list[tuple[int, Head] | Hole], int]:
        """About ``ENTRY_BYTES`` of batches and holes in order, with the one that holds the offset before ``offset``,
        which is one of this segment's; and the last offset before them."""
        entry = max(0, bisect_left(self._previous, offset - 1) - 1)
        previous = self._previous[entry] if entry else self.previous_offset
        follows = entry + 1 < len(self._previous)
        last = self._previous[entry + 1] if follows else self.last_offset
        end = self._positions[entry + 1] if follows else self.end
        position = self._positions[entry] if entry else 0
        items = [] if self.file is None else list(walk(window, self.file, self.salt, position, end, previous))
        seen = previous
        for item in items:
            seen = item[1].last_offset if not isinstance(item, Hole) else seen if item.last is None else item.last
        if items and isinstance(items[-1], Hole) and items[-1].last is None:
            items[-1] = items[-1]._replace(last=last)
        elif seen < last:
            items.append(Hole(end, end, seen + 1, last))
        return items, previous

    def items_received(self, window: Window, received_ms: int) -> Iterator[tuple[int, Head] | Hole]:
        """Batches and holes in order, beginning not behind the first batch received at or after that time."""
        return self._walk_from(window, bisect_left(self._received, received_ms) - 1)

    def follow(self, last_offset: int, position: int) -> None:
        """Remember where the batch behind ``last_offset`` begins; a reader will soon ask for it."""
        if len(self._hints) >= _HINTS_MAX:
            self._hints.clear()
        self._hints[last_offset + 1] = position

    def offset_at(self, position: int) -> int:
        """An offset that stands at or a little before that position."""
        entry = bisect_right(self._positions, position) - 1
        return (self._previous[entry] if entry >= 0 else self.previous_offset) + 1

    def _walk_from(self, window: Window, entry: int) -> Iterator[tuple[int, Head] | Hole]:
        if self.file is None:
            return iter(())
        if entry <= 0:
            return walk(window, self.file, self.salt, 0, self.end, self.previous_offset)
        return walk(window, self.file, self.salt, self._positions[entry], self.end, self._previous[entry])

    def encode_index(self) -> bytes:
        """See the grammar."""
        count = len(self._previous)
        fields = (
            self.salt, self.base, self.previous_offset, self.last_offset, self.reserved_offset, self.end,
            self.event_count, self.received_min, self.received_max, count,
        )  # fmt: skip
        entries = struct.pack(f"<{2 * count}Q{count}q", *self._previous, *self._positions, *self._received)
        checked = _INDEX.pack(_MAGIC, 0, *fields)[_CRC_FROM:] + entries
        return _MAGIC + struct.pack("<I", crc32(checked)) + checked

    def decode_index(self, data: bytes) -> bool:
        """Take everything from an index; False, and nothing taken, if it is damaged or another's."""
        try:
            fields = _INDEX.unpack_from(data)
            magic, crc, salt, base, previous, last, reserved, end, events, received_min, received_max, count = fields
            numbers = struct.unpack_from(f"<{2 * count}Q{count}q", data, _INDEX.size)
        except struct.error:
            return False
        if (magic, salt, base) != (_MAGIC, self.salt, self.base) or crc32(data[_CRC_FROM:]) != crc:
            return False
        self.previous_offset, self.last_offset, self.reserved_offset, self.end = previous, last, reserved, end
        self.event_count, self.received_min, self.received_max = events, received_min, received_max
        self._previous = array("Q", numbers[:count])
        self._positions = array("Q", numbers[count : 2 * count])
        self._received = array("q", numbers[2 * count :])
        return True


def offset_near_end(segments: list[Segment], size: int, first_offset: int) -> int:
    """An offset with about ``size`` octets from there to the end of the last; ``first_offset`` if there are less."""
    for segment in reversed(segments):
        if segment.end >= size:
            return segment.offset_at(segment.end - size)
        size -= segment.end
    return first_offset
