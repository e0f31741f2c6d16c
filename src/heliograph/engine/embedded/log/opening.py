"""What is found of a log when it is opened.  Reads, never writes: what must be mended is mended before the first write.

A segment with an index is believed to be as long as that says; its batches are checked when they are read.  One
without is walked from head to head.  In the last one the bodies are checked too, for a crash may have left its
tail half written.  The tail behind the last good batch is cut; but a good batch behind a bad one, or a head in
the tail that names its predecessor, proves that the bad one was once stored: that is damage, and reported.
"""

from __future__ import annotations

from typing import NamedTuple

from heliograph.engine.embedded.log.batch import (
    CLEAN,
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


class _Tail:
    """What the scan of a last segment tells: see ``Opened``."""

    __slots__ = ("clean", "cut", "last_offset", "reserved_offset")

    def __init__(self) -> None:
        self.clean = False
        self.cut = 0
        self.last_offset = 0
        self.reserved_offset = 0


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
    tail = _Tail()
    sealed = False
    for (base, salt), name in found:
        path = f"{directory}/{name}"
        segment = Segment(path, base, salt, store.open(path), base - 1)
        previous = segments[-1].last_offset if segments else None
        is_last = name == found[-1][1]
        sealed = _read_index(store, segment, damages)
        if previous is not None:
            if sealed and segment.previous_offset > previous:
                damages.append(Damage(path, 0, 0, previous + 1, segment.previous_offset, "segment"))
            segment.previous_offset = previous
        if not sealed:
            tail = _scan(segment, previous, is_last, damages)
        reserved = segment.reserved_offset or reserved
        segments.append(segment)
    last = segments[-1].last_offset
    if sealed:  # it was full, so another was begun
        missing = last + 1, max(reserved, last + 1) + _SEGMENT_OFFSETS_MAX
        damages.append(Damage(segments[-1].path, segments[-1].end, 0, *missing, "segment"))
        return Opened(segments, missing[1], missing[1] + 1, sealed, 0, damages)
    last = max(last, tail.last_offset)
    reserved = max(reserved, tail.reserved_offset, last + 1)
    if not tail.clean:
        reserved += reserved_offsets + tail.cut
    return Opened(segments, last, reserved, sealed, tail.cut, damages)


def _read_index(store: Store, segment: Segment, damages: list[Damage]) -> bool:
    """Whether there is an index, and it was taken."""
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
    damages.append(Damage(segment.index_path, 0, len(data), 1, 0, "index"))
    return False


def _scan(segment: Segment, previous: int | None, is_last: bool, damages: list[Damage]) -> _Tail:
    """Fill the segment from its batches; ``previous``: the last offset of the segment before, if there is one."""
    file = segment.file
    assert file is not None
    window = Window(_WINDOW_BYTES)
    window.salvage = True
    size = file.size()
    if previous is None:
        first = decode_head(window.read(file, 0, min(HEAD_BYTES, size), size), 0, segment.salt)
        segment.previous_offset = segment.last_offset = segment.base - 1 if first is None else first.previous_offset
    else:
        segment.last_offset = previous
    tail = _Tail()
    bad: list[tuple[int, Head]] = []  # since the last good one
    hole: Hole | None = None
    for item in walk(window, file, segment.salt, 0, size, segment.previous_offset):
        if isinstance(item, Hole):
            hole = item
            if item.last is None:
                break
            continue
        position, head = item
        if is_last and not _intact(window, file, segment.salt, position, head, size):
            bad.append((position, head))
            continue
        if hole is not None and hole.last is not None:
            what = "head" if hole.end > hole.position else "chain"
            damages.append(Damage(segment.path, hole.position, hole.end - hole.position, hole.first, hole.last, what))
        hole = None
        for bad_position, bad_head in bad:
            damages.append(
                Damage(segment.path, bad_position, bad_head.size, bad_head.first_offset, bad_head.last_offset, "body")
            )
            segment.add(bad_position, bad_head)
        bad.clear()
        segment.add(position, head)
        tail.clean = bool(head.flags & CLEAN)
    if is_last:
        _judge_tail(segment, window, file, size, hole, bad, tail, damages)
    return tail


def _judge_tail(
    segment: Segment,
    window: Window,
    file: File,
    size: int,
    hole: Hole | None,
    bad: list[tuple[int, Head]],
    tail: _Tail,
    damages: list[Damage],
) -> None:
    """What stands behind the last good batch is cut; what its heads still tell is kept."""
    heads = [head for _, head in bad]
    if hole is not None and (torn := decode_head(window.read(file, hole.position, HEAD_BYTES, size), 0, segment.salt)):
        heads.append(torn)
    tail.cut = _octets_behind(window, file, segment.end, size)
    tail.clean = tail.clean and not tail.cut
    tail.last_offset = max([segment.last_offset, *[head.previous_offset for head in heads]])
    tail.reserved_offset = max([0, *[head.reserved_offset for head in heads]])
    if tail.last_offset > segment.last_offset:
        lost = segment.last_offset + 1, tail.last_offset
        damages.append(Damage(segment.path, segment.end, tail.cut, *lost, "body"))


def _octets_behind(window: Window, file: File, position: int, size: int) -> int:
    """How many, without the zeros at the end, which are room that was made ahead."""
    last = position
    for at in range(position, size, _WINDOW_BYTES):
        data = window.read(file, at, min(_WINDOW_BYTES, size - at), size).rstrip(b"\0")
        if data:
            last = at + len(data)
    return last - position


def _intact(window: Window, file: File, salt: int, position: int, head: Head, size: int) -> bool:
    keys_at = position + HEAD_BYTES
    try:
        decode_keys(head, window.read(file, keys_at, head.keys_size, size), salt)
        check_body(head, window.read(file, keys_at + head.keys_size, head.body_size, size), salt)
    except BatchDamagedError:
        return False
    return True
