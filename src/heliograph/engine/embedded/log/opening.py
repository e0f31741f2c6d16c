"""What is found of a log when it is opened.  Reads, never writes: what must be mended is mended before the first write.

A segment with an index is believed to be as long as that says; its batches are checked when they are read.  One
without is walked from head to head.  In the last one the bodies are checked too, for a crash may have left its
tail half written: what stands behind the last good commit is cut.  But the begin of a later commit, or only its
head, proves that a bad batch had once been stored: that is damage, and reported.
"""

from __future__ import annotations

from typing import NamedTuple

import structlog

from heliograph.engine.embedded.log.batch import (
    CLEAN,
    CONTINUED,
    HEAD_BYTES,
    BatchDamagedError,
    Head,
    check_body,
    decode_head,
    decode_keys,
)
from heliograph.engine.embedded.log.damage import Damage
from heliograph.engine.embedded.log.segment import Segment
from heliograph.engine.embedded.log.store import File, Store
from heliograph.engine.embedded.log.walk import Hole, Window, walk

logger = structlog.get_logger("heliograph.log")

_WINDOW_BYTES = 1 << 20
#: More offsets than a missing segment can have held.
_SEGMENT_OFFSETS_MAX = 1 << 32


class Opened(NamedTuple):
    """``segments``: oldest first.  ``last_offset``: the last that was committed.  ``next_offset``: higher than any
    that was ever assigned.  ``sealed``: the last segment is full.  ``cut``: octets of a torn tail behind its end.
    """

    segments: list[Segment]
    last_offset: int
    next_offset: int
    sealed: bool
    cut: int
    damages: list[Damage]


def open_segments(store: Store, directory: str, first_offset: int, reserved_offsets: int) -> Opened:
    """Open every segment in ``directory``; ``first_offset``: the first of a log that has none."""
    found = sorted(
        (parsed, name) for name in store.names(directory) if (parsed := Segment.parse_name(name)) is not None
    )
    if not found:
        return Opened([], first_offset - 1, first_offset, sealed=True, cut=0, damages=[])
    segments: list[Segment] = []
    damages: list[Damage] = []
    reserved = 0
    scan: _Scan | None = None
    for (base, salt), name in found:
        path = f"{directory}/{name}"
        segment = Segment(path, base, salt, store.open(path), base - 1)
        previous = segments[-1].last_offset if segments else None
        is_last = name == found[-1][1]
        sealed = _read_index(store, segment)
        if previous is not None:
            if sealed and segment.previous_offset > previous:
                damages.append(Damage(path, 0, 0, previous + 1, segment.previous_offset, "segment"))
            segment.previous_offset = previous
        scan = None if sealed else _Scan(segment, previous, is_last, damages)
        if scan is not None:
            scan.run()
        reserved = segment.reserved_offset or reserved
        segments.append(segment)
    last = segments[-1].last_offset
    if scan is None:  # it was full, so another was begun
        missing = last + 1, max(reserved, last + 1) + _SEGMENT_OFFSETS_MAX
        damages.append(Damage(segments[-1].path, segments[-1].end, 0, *missing, "segment"))
        return Opened(segments, missing[1], missing[1] + 1, sealed=True, cut=0, damages=damages)
    last = max(last, scan.last_offset)
    reserved = max(reserved, scan.reserved_offset, last + 1)
    if not scan.clean:
        reserved += reserved_offsets + scan.cut
    return Opened(segments, last, reserved, sealed=False, cut=scan.cut, damages=damages)


def _read_index(store: Store, segment: Segment) -> bool:
    """Whether there is an index, and it was taken.  A bad one, as a crash leaves, costs a walk and nothing else."""
    try:
        file = store.open(segment.index_path)
    except FileNotFoundError:
        return False
    try:
        data = file.read(file.size(), 0)
    except OSError:
        data = b""
    finally:
        file.close()
    if segment.decode_index(data):
        return True
    logger.warning("bad index", file=segment.index_path, octets=len(data))
    return False


class _Scan:
    """Fills a segment from its batches.

    ``previous_offset``: the last of the segment before, if there is one.  ``clean``, ``cut``, ``last_offset``,
    ``reserved_offset``: what a last segment tells, see ``Opened``; the two offsets also by heads that are cut.
    """

    def __init__(self, segment: Segment, previous_offset: int | None, is_last: bool, damages: list[Damage]) -> None:
        assert segment.file is not None
        self.clean = False
        self.cut = 0
        self._segment = segment
        self._file = segment.file
        self._size = self._file.size()
        self._is_last = is_last
        self._damages = damages
        self._window = Window(_WINDOW_BYTES)
        self._window.salvage = True
        self._doubts: list[Hole | tuple[int, Head, bool]] = []  # what is bad, and what came with it
        if previous_offset is None:
            first = self._head_at(0)
            previous_offset = segment.base - 1 if first is None else first.previous_offset
        segment.previous_offset = segment.last_offset = self.last_offset = previous_offset
        self.reserved_offset = 0

    def run(self) -> None:
        """From the start to the end of the file."""
        segment = self._segment
        for item in walk(self._window, self._file, segment.salt, 0, self._size, segment.previous_offset):
            if isinstance(item, Hole):
                self._doubts.append(item)
                continue
            position, head = item
            intact = not self._is_last or self._intact(position, head)
            if not intact or (self._doubts and head.flags & CONTINUED):
                self._doubts.append((position, head, intact))
                continue
            self._believe()  # for a commit begins only when the one before it has succeeded
            segment.add(position, head)
            self.clean = bool(head.flags & CLEAN)
        if self._is_last:
            self._judge_tail()
        else:
            self._believe()
        self.last_offset = max(self.last_offset, segment.last_offset)

    def _believe(self) -> None:
        """What is in doubt was stored once: what is bad of it is damaged."""
        path = self._segment.path
        for doubt in self._doubts:
            if isinstance(doubt, Hole):
                if doubt.last is None:
                    continue  # zeros; or damage that the next segment's chain tells of
                what = "head" if doubt.end > doubt.position else "chain"
                octets = doubt.end - doubt.position
                self._damages.append(Damage(path, doubt.position, octets, doubt.first, doubt.last, what))
                continue
            position, head, intact = doubt
            if not intact:
                self._damages.append(Damage(path, position, head.size, head.first_offset, head.last_offset, "body"))
            self._segment.add(position, head)
        self._doubts.clear()

    def _judge_tail(self) -> None:
        """What is in doubt at the end was torn by a crash, and is cut; what its heads tell of others is true."""
        for doubt in self._doubts:
            head = self._head_at(doubt.position) if isinstance(doubt, Hole) else doubt[1]
            if head is None:
                continue
            self.reserved_offset = max(self.reserved_offset, head.reserved_offset)
            if not head.flags & CONTINUED:
                self.last_offset = max(self.last_offset, head.previous_offset)
        segment = self._segment
        self.cut = _octets_behind(self._window, self._file, segment.end, self._size)
        self.clean = self.clean and not self.cut
        if self.last_offset > segment.last_offset:
            lost = segment.last_offset + 1, self.last_offset
            self._damages.append(Damage(segment.path, segment.end, self.cut, *lost, "body"))

    def _head_at(self, position: int) -> Head | None:
        return decode_head(self._window.read(self._file, position, HEAD_BYTES, self._size), 0, self._segment.salt)

    def _intact(self, position: int, head: Head) -> bool:
        keys_at = position + HEAD_BYTES
        try:
            decode_keys(head, self._window.read(self._file, keys_at, head.keys_size, self._size))
            body = self._window.read(self._file, keys_at + head.keys_size, head.body_size, self._size)
            check_body(head, body)
        except BatchDamagedError:
            return False
        return True


def _octets_behind(window: Window, file: File, position: int, size: int) -> int:
    """How many, without the zeros at the end, which are room that was made ahead."""
    last = position
    for at in range(position, size, _WINDOW_BYTES):
        data = window.read(file, at, min(_WINDOW_BYTES, size - at), size).rstrip(b"\0")
        if data:
            last = at + len(data)
    return last - position
