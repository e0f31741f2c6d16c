"""What the writer's thread does for a log between commits: files that nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from heliograph.engine.embedded.log.batch import HEAD_BYTES, BatchDamagedError, Head, decode_events, decode_keys
from heliograph.engine.embedded.log.damage import Damage
from heliograph.engine.embedded.log.segment import Segment
from heliograph.engine.embedded.log.store import File, Store
from heliograph.engine.embedded.log.walk import Hole, Window, walk

_QUARANTINE = "quarantine"
_SLICE_BYTES = 1 << 20


def write_index(store: Store, segment: Segment, index: bytes) -> None:
    """Store the index of a full segment; the room that was made ahead is given back."""
    full = segment.file
    if full is None:
        return  # removed meanwhile
    full.truncate(segment.end)
    file = store.open(segment.index_path, create=True)
    try:
        file.truncate(0)
        file.write((index,), 0, sync=True)
    finally:
        file.close()
    store.sync_directory(segment.path.rpartition("/")[0])


def remove(store: Store, segment: Segment, file: File | None) -> None:
    """Remove a segment that readers see no more, and its index."""
    if file is not None:
        file.close()
    store.unlink(segment.path)
    try:
        store.unlink(segment.index_path)
    except FileNotFoundError:
        pass
    store.sync_directory(segment.path.rpartition("/")[0])


def quarantine(store: Store, path: str, files_max: int) -> None:
    """Give a damaged file a second name, so that retention leaves it to whoever wants to look at it."""
    store.make_directory(_QUARANTINE)
    names = store.names(_QUARANTINE)
    name = path.replace("/", "+")
    if name not in names and len(names) < files_max:
        store.link(path, f"{_QUARANTINE}/{name}")
        store.sync_directory(_QUARANTINE)


def keep_tail(store: Store, path: str, file: File, position: int, size: int) -> None:
    """Copy what is about to be cut from the end of a file, though it had been stored once."""
    store.make_directory(_QUARANTINE)
    copy = store.open(f"{_QUARANTINE}/{path.replace('/', '+')}.{position}", create=True)
    try:
        for at in range(0, size, _SLICE_BYTES):
            copy.write((file.read(min(_SLICE_BYTES, size - at), position + at),), at, sync=False)
        copy.sync()
    finally:
        copy.close()
    store.sync_directory(_QUARANTINE)


class _Extent(NamedTuple):
    """What of a segment was committed when the check began."""

    segment: Segment
    previous_offset: int
    last_offset: int
    end: int


def check(exchange: str, segments: list[Segment]) -> Iterator[list[Damage]]:
    """Read every batch of the segments, as far as they reach now; what is damaged, slice by slice."""
    extents = [
        _Extent(segment, segment.previous_offset, segment.last_offset, segment.end) for segment in segments
    ]  # fmt: skip
    return _check(exchange, extents)


def _check(exchange: str, extents: list[_Extent]) -> Iterator[list[Damage]]:
    window = Window(_SLICE_BYTES)
    window.salvage = True
    damages: list[Damage] = []
    slice_end = _SLICE_BYTES
    for extent in extents:
        segment, file = extent.segment, extent.segment.file
        if file is None:
            continue
        for item in walk(window, file, segment.salt, 0, extent.end, extent.previous_offset):
            if isinstance(item, Hole):
                last = extent.last_offset if item.last is None else item.last
                what = "head" if item.end > item.position else "chain"
                damages.append(Damage(segment.path, item.position, item.end - item.position, item.first, last, what))
                continue
            position, head = item
            what = _fault(exchange, window, file, position, head, extent.end)
            if what:
                damages.append(Damage(segment.path, position, head.size, head.first_offset, head.last_offset, what))
            if position >= slice_end:
                slice_end = position + _SLICE_BYTES
                yield damages
                damages = []
                if segment.file is None:
                    break  # removed meanwhile
        slice_end = _SLICE_BYTES
        window.forget()
    yield damages


def _fault(exchange: str, window: Window, file: File, position: int, head: Head, end: int) -> str:
    """What is damaged of a batch; nothing if it is as it was written."""
    keys_at = position + HEAD_BYTES
    try:
        decode_keys(head, window.read(file, keys_at, head.keys_size, end))
        if head.event_count:
            body = window.read(file, keys_at + head.keys_size, head.body_size, end)
            decode_events(exchange, head, body)
    except BatchDamagedError as error:
        return str(error)
    return ""
