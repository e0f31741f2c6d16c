"""The end of one exchange's log, where it grows.  The writer's thread's own.

Every batch reserves offsets: a start after a crash begins behind ``reserved_offset`` of the last batch that is
whole, and one reservation further, since a batch that is not whole may have reserved once more.  An offset may
be assigned only below the reservation that is on disk, and each commit moves that on, so nobody ever waits.

A mark is a batch without events.  One is written at start (it reserves), at a clean stop (it gives back what
was not assigned), after a failure, and when the log rests: with something whole behind it, the last batch was
not torn by a crash, so if it turns out bad it was damaged, and can be reported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from heliograph.engine.embedded.log.appender import Appender
from heliograph.engine.embedded.log.batch import CLEAN, CONTINUED, MAGIC, Head, decode_head, encode_head, encode_mark
from heliograph.engine.embedded.log.draft import Block
from heliograph.engine.embedded.log.opening import Opened
from heliograph.engine.embedded.log.segment import Segment
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.upkeep import keep_tail
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.log")

#: Segments that one retention time is cut into, when there is little traffic.
_SEGMENTS_PER_AGE = 8
#: Segments that the retained size is cut into, at least: whole ones are removed, so one is what goes too early ...
_SEGMENTS_PER_SIZE = 8
#: ... unless they would be smaller than this: a new file costs some syncs.
_SEGMENT_BYTES_MIN = 1 << 20


class Written(NamedTuple):
    """What one write did.  ``segment``: a new one that the heads stand in; ``heads``: with their positions.

    ``reserved_offset``: as it is on disk; none from there on may be assigned.
    """

    segment: Segment | None
    heads: Sequence[tuple[int, Head]]
    reserved_offset: int


class Tail:
    """``broken``: nothing may be written before ``repair``, as after opening.  Methods raise OSError."""

    def __init__(self, store: Store, directory: str, limits: Limits, opened: Opened) -> None:
        self.broken = True
        self.marked = True  #: the last batch is a mark, or there is none
        self._store = store
        self._directory = directory
        self._limits = limits
        self._last_offset = opened.last_offset
        self._reserved_offset = opened.next_offset
        self._synced_reserved_offset = opened.next_offset
        self._appender: Appender | None = None
        self._received_from: int | None = None  # of the active segment
        self._segment_ms = self._segment_bytes = 0  # what makes it full; see cut_for
        self._made: Segment | None = None  # created, but not in use
        self._begun: Segment | None = None  # in use, but not told to the readers
        self._cut = opened.cut if any(damage.octets == opened.cut for damage in opened.damages[-1:]) else 0
        if opened.segments and not opened.sealed:
            segment = opened.segments[-1]
            assert segment.file is not None
            self._salt = segment.salt
            self._path = segment.path
            self._appender = Appender(segment.file, segment.end, limits.preallocated_bytes)
            self._received_from = None if segment.empty else segment.received_min

    def cut_for(self, age_ms: int, size_bytes: int) -> None:
        """Make segments of such a size that retention is fairly exact.  The one method for any thread."""
        self._segment_ms = -(-age_ms // _SEGMENTS_PER_AGE)
        wanted = max(_SEGMENT_BYTES_MIN, size_bytes // _SEGMENTS_PER_SIZE)
        self._segment_bytes = min(self._limits.segment_bytes_max, wanted)

    def write(self, blocks: Sequence[Block], sync: bool) -> Written:
        """Store the blocks, in one call."""
        if self._full(blocks[0]):
            self._roll(blocks[0].first_offset)
        assert self._appender is not None
        last_offset = self._last_offset
        reserved_offset = max(self._reserved_offset, blocks[-1].last_offset + 1 + self._limits.reserved_offsets)
        position = self._appender.end
        parts: list[bytes] = []
        heads: list[tuple[int, Head]] = []
        for block in blocks:
            head = Head(
                MAGIC, 0, block.flags | (CONTINUED if heads else 0), block.event_count, len(block.keys), block.keys_crc,
                len(block.body), block.body_crc, block.first_offset, last_offset, reserved_offset,
                block.received_min, block.received_max,
            )  # fmt: skip
            parts += (encode_head(head, self._salt), block.keys, block.body)
            heads.append((position, head))
            position += head.size
            last_offset = head.last_offset
        self._append(parts, sync)
        self._last_offset = last_offset
        self._reserve(reserved_offset, sync)
        if self._received_from is None:
            self._received_from = heads[0][1].received_min
        self.marked = False
        return self._written(heads)

    def mark(self, next_offset: int, sync: bool, clean: bool = False) -> Written:
        """Write a mark; ``next_offset``: none from there on was assigned.  ``clean``: none will be."""
        if self._appender is None:
            self._roll(self._last_offset + 1)
        return self._written([self._mark(next_offset, sync, clean)])

    def roll(self, next_offset: int, sync: bool) -> Written:
        """Begin a new segment, so that the active one can be removed, unless that holds no event."""
        if self._received_from is not None:
            self._roll(self._last_offset + 1)
        return self._written([self._mark(next_offset, sync)])

    def repair(self, next_offset: int) -> Written:
        """Cut what was not committed, write again what may not be on disk, then a mark: it works again."""
        if self._appender is not None:
            self._keep_cut(self._appender)
            self._appender.repair()
            self._store.sync_directory(self._directory)
        written = self.mark(next_offset, sync=True)
        self.broken = False
        return written

    def sync(self) -> Written:
        """Put on disk what was written without."""
        try:
            if self._appender is not None:
                self._appender.sync()
        except BaseException:
            self.broken = True
            raise
        self._synced_reserved_offset = self._reserved_offset
        return self._written([])

    def _mark(self, next_offset: int, sync: bool, clean: bool = False) -> tuple[int, Head]:
        assert self._appender is not None
        reserved = next_offset if clean else max(self._reserved_offset, next_offset + self._limits.reserved_offsets)
        octets = encode_mark(self._last_offset, reserved, self._salt, CLEAN if clean else 0)
        position = self._appender.end
        self._append([octets], sync)
        self._reserve(reserved, sync)
        self.marked = True
        head = decode_head(octets, 0, self._salt)
        assert head is not None
        return position, head

    def _append(self, parts: Sequence[bytes], sync: bool) -> None:
        assert self._appender is not None
        try:
            self._appender.write(parts, sync)
        except BaseException:
            self.broken = True
            raise

    def _reserve(self, reserved_offset: int, sync: bool) -> None:
        self._reserved_offset = reserved_offset
        if sync:
            self._synced_reserved_offset = reserved_offset

    def _full(self, block: Block) -> bool:
        if self._appender is None or self._appender.end >= self._segment_bytes:
            return True
        return self._received_from is not None and block.received_min - self._received_from >= self._segment_ms

    def _roll(self, base: int) -> None:
        self.broken = True  # until the end of this
        made = self._made
        if made is None:
            self._store.make_directory(self._directory)
            salt = int.from_bytes(os.urandom(4), "big")
            path = f"{self._directory}/{Segment.name(base, salt)}"
            made = self._made = Segment(path, base, salt, self._store.open(path, create=True), self._last_offset)
        self._store.sync_directory(self._directory)
        if self._appender is not None:
            self._appender.sync()
        assert made.file is not None
        made.previous_offset = made.last_offset = self._last_offset
        self._salt = made.salt
        self._appender = Appender(made.file, 0, self._limits.preallocated_bytes)
        self._received_from = None
        self._made, self._begun = None, made
        self.broken = False

    def _keep_cut(self, appender: Appender) -> None:
        cut, self._cut = self._cut, 0
        if cut:
            try:
                keep_tail(self._store, self._path, appender.file, appender.end, cut)
            except OSError as error:
                logger.warning("damaged tail is not kept", file=self._path, error=error.strerror)

    def _written(self, heads: list[tuple[int, Head]]) -> Written:
        begun, self._begun = self._begun, None
        return Written(begun, heads, self._synced_reserved_offset)
