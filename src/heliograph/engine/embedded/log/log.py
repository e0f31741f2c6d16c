"""One exchange's log, as the event loop sees it: what is committed, where it stands, how it is read.

Everything here belongs to the event loop's thread, apart from ``jobs``, which the writer's thread empties,
and ``tail``, which is the writer's thread's own.  What that thread has done becomes visible by ``apply``,
on the event loop.  Reads happen on the calling thread: what is read was mostly written a moment ago.

``Batch.events()`` gives a ``Gap`` where the body is damaged; an event that was read has ``position`` 0, since
it is in no ring; a disk that does not give what is asked for raises ``ServerError`` a few times, then the batch
is a ``Gap``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import structlog

from heliograph.engine.embedded.log.batch import (
    HEAD_BYTES,
    BatchDamagedError,
    Head,
    decode_events,
    decode_keys,
)
from heliograph.engine.embedded.log.damage import Damage, Damages, Gap
from heliograph.engine.embedded.log.draft import Block, Draft
from heliograph.engine.embedded.log.opening import open_segments
from heliograph.engine.embedded.log.segment import Segment, offset_near_end
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.stored import Batch, Stretch
from heliograph.engine.embedded.log.tail import Tail, Written
from heliograph.engine.embedded.log.upkeep import check, quarantine, remove, write_index
from heliograph.engine.embedded.log.walk import Hole, Window
from heliograph.engine.interface import AS_LIMITED, Event, Retention
from heliograph.errors import ServerError, SettingsError
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.log")

_NAME_BYTES_MAX = 200
#: Reads that may fail in a row before what cannot be read is given up.
_READ_TRIES = 8


T = TypeVar("T")


class Log:
    """See the module.  ``draft``: where events are appended; ``uncommitted``: blocks of them that are not on disk yet.

    ``reserved_offset``: none from there on may be assigned yet; the writer moves it on long before it is met.
    """

    def __init__(self, store: Store, name: str, limits: Limits, first_offset: int = 1) -> None:
        """Open the log of exchange ``name``; ``first_offset``: where a new one begins to count."""
        directory = quote(name, safe="").replace(".", "%2E")
        if len(directory) > _NAME_BYTES_MAX:
            raise SettingsError("Exchange name", f"{name} is too long to name a directory. Choose a shorter one.")
        self.name = name
        self.directory = f"logs/{directory}"
        self.uncommitted: deque[Block] = deque()
        self._handed_over = 0  # of these
        self.jobs: deque[Callable[[], None]] = deque()  # for the writer's thread
        self.roll_wanted = False  #: for the writer: the active segment is to be full
        self._store = store
        self._limits = limits
        self._damages = Damages(name, limits.damages_max, self._keep)
        self.report = self._damages.report  #: of what ``verify`` found
        self._window = Window()
        self._failures = 0
        opened = open_segments(store, self.directory, first_offset, limits.reserved_offsets)
        self._segments = opened.segments
        self._previous = [segment.previous_offset for segment in opened.segments]  # of each segment
        self.next_offset = opened.last_offset + 1
        self.reserved_offset = opened.next_offset
        self.draft = Draft(name, opened.next_offset)
        self.tail = Tail(store, self.directory, limits, opened)
        self.keep(AS_LIMITED)
        if opened.cut:
            end = self._segments[-1]
            logger.warning("torn tail", exchange=name, file=end.path, position=end.end, octets=opened.cut)
        for damage in opened.damages:
            self.report(damage)

    # --- what is not on disk

    def seal(self) -> int:
        """Make a block of the draft; the octets that its events are counted with."""
        block = self.draft.seal()
        if block is None:
            return 0
        self.uncommitted.append(block)
        return block.size

    @property
    def waiting(self) -> bool:
        """Whether there are blocks that were not handed over."""
        return len(self.uncommitted) > self._handed_over

    def hand_over(self) -> list[Block]:
        """The blocks that the writer does not have yet; now it has them."""
        blocks = list(self.uncommitted)[self._handed_over :]
        self._handed_over = len(self.uncommitted)
        return blocks

    def drop(self, blocks: list[Block]) -> int:
        """They are on disk; the octets that their events were counted with, unless they had been given up."""
        size = 0
        for block in blocks:
            if self.uncommitted and self.uncommitted[0] is block:
                self.uncommitted.popleft()
                self._handed_over -= 1
                size += block.size
        return size

    def uncommitted_events(self) -> Iterator[Event]:
        """Those that may not be on disk, in order."""
        for block in self.uncommitted:
            yield from block.events()
        yield from self.draft.events()

    def give_up(self) -> int:
        """Forget what is not on disk; how many events these were."""
        count = self.draft.next_offset - (
            self.uncommitted[0].first_offset if self.uncommitted else self.draft.first_offset
        )
        self.uncommitted.clear()
        self._handed_over = 0
        self.draft.clear()
        return count

    # --- what there is

    @property
    def first_offset(self) -> int:
        """None lower is retained; ``next_offset`` if nothing is."""
        return self._segments[0].previous_offset + 1 if self._segments else self.next_offset

    @property
    def size_bytes(self) -> int:
        """Octets of everything retained."""
        return sum([segment.end for segment in self._segments])

    @property
    def event_count(self) -> int:
        """Of everything retained."""
        return sum([segment.event_count for segment in self._segments])

    @property
    def oldest_ms(self) -> int | None:
        """Time of receipt of the oldest event that is retained, if there is one."""
        return next((segment.received_min for segment in self._segments if not segment.empty), None)

    def offset_near_end(self, size: int) -> int:
        """An offset with about ``size`` octets from there to the end; ``first_offset`` if there are less."""
        return offset_near_end(self._segments, size, self.first_offset)

    @property
    def damages(self) -> list[Damage]:
        """Everything found so far."""
        return self._damages.found

    # --- reading

    def read_batch(self, offset: int) -> Batch | Gap | None:
        """The batch that holds ``offset``, or the next later one; a Gap if what is there is lost; None at the end.

        Raises ServerError if the disk gives an error; after some in a row what cannot be read is a Gap.
        """
        if offset >= self.next_offset:
            return None
        if not self._segments or offset <= self._previous[0]:
            return Gap(offset, self.first_offset - 1, "removed")
        lost = self._damages.around(offset)
        if lost is not None:
            return Gap(offset, lost[1], "damaged")
        return self._try(self._find, offset)

    def read_before(self, offset: int) -> Stretch | None:
        """Some 64 KiB of batches that end before ``offset``, or hold it; None where nothing is before it.

        Raises ServerError as ``read_batch``.
        """
        if not self._segments or offset <= self.first_offset:
            return None
        lost = self._damages.around(offset - 1)
        if lost is not None:
            return Stretch([Gap(lost[0], min(lost[1], offset - 1), "damaged")], lost[0])
        return self._try(self._find_before, offset)

    def read_events(self, segment: Segment, at: int, head: Head) -> list[Event] | Gap:
        """See ``Batch.events``."""
        return self.read_body(segment, at, head, partial(decode_events, self.name))

    def read_body(self, segment: Segment, at: int, head: Head, decode: Callable[[Head, bytes], T]) -> T | Gap:
        """What ``decode`` makes of the body of a batch, or a Gap."""
        file = segment.file
        if file is None:
            return Gap(head.first_offset, head.last_offset, "removed")
        body_at = at + HEAD_BYTES + head.keys_size
        try:
            body = self._window.read(file, body_at, head.body_size, segment.end)
            self._failures = 0
        except OSError as error:
            self._failed_to_read(error)
            body = b""
        self._window.salvage = False
        try:
            return decode(head, body)
        except BatchDamagedError as error:
            return self._lose(segment, at, head, str(error))

    def offset_at(self, received_ms: int) -> int:
        """The first offset received at or after that time, or of a damaged batch; ``next_offset`` if there is none.

        Raises ServerError if the disk gives an error.
        """
        try:
            return self._find_received(received_ms)
        except OSError as error:
            raise self._unreadable(error) from error

    def _find_received(self, received_ms: int) -> int:
        for segment in self._segments:
            if segment.received_max < received_ms:
                continue
            for item in segment.items_received(self._window, received_ms):
                if isinstance(item, Hole) or not item[1].event_count or item[1].received_max < received_ms:
                    continue
                at, head = item
                batch = self._batch(segment, at, head)
                events = batch.events() if isinstance(batch, Batch) else batch
                if isinstance(events, Gap):
                    return head.first_offset
                return next(event.offset for event in events if event.received_ms >= received_ms)
        return self.next_offset

    def _find(self, offset: int) -> Batch | Gap:
        for segment in self._segments[max(0, bisect_left(self._previous, offset) - 1) :]:
            for item in segment.items_from(self._window, offset):
                if isinstance(item, Hole):
                    gap = self._lose_hole(segment, item)
                    segment.follow(gap.last, item.end)
                    if gap.last >= offset:
                        return Gap(max(offset, gap.first), gap.last, "damaged")
                    continue
                at, head = item
                if head.event_count and head.last_offset >= offset:
                    segment.follow(head.last_offset, at + head.size)
                    return self._batch(segment, at, head)
        return Gap(offset, self.next_offset - 1, "damaged")  # what was cut from the tail after it had been stored

    def _find_before(self, offset: int) -> Stretch:
        segment = self._segments[max(0, bisect_left(self._previous, offset - 1) - 1)]
        items, previous = segment.items_before(self._window, offset)
        found: list[Batch | Gap] = []
        for item in items:
            if isinstance(item, Hole):
                if item.first < offset:
                    found.append(self._lose_hole(segment, item))
            elif item[1].event_count and item[1].first_offset < offset:
                found.append(self._batch(segment, *item))
        return Stretch(found, max(previous + 1, self.first_offset))

    def _try(self, find: Callable[[int], T], offset: int) -> T:
        try:
            found = find(offset)
            self._failures = 0
        except OSError as error:
            self._failed_to_read(error)
            found = find(offset)
        finally:
            self._window.salvage = False
        return found

    def _lose_hole(self, segment: Segment, hole: Hole) -> Gap:
        last = segment.last_offset if hole.last is None else hole.last
        what = "head" if hole.end > hole.position else "chain"
        self.report(Damage(segment.path, hole.position, hole.end - hole.position, hole.first, last, what))
        return Gap(hole.first, last, "damaged")

    def _batch(self, segment: Segment, at: int, head: Head) -> Batch | Gap:
        file = segment.file
        assert file is not None  # it is among the segments
        keys = self._window.read(file, at + HEAD_BYTES, head.keys_size, segment.end)
        try:
            return Batch(self, segment, at, head, decode_keys(head, keys))
        except BatchDamagedError as error:
            return self._lose(segment, at, head, str(error))

    def _lose(self, segment: Segment, at: int, head: Head, what: str) -> Gap:
        self.report(Damage(segment.path, at, head.size, head.first_offset, head.last_offset, what))
        return Gap(head.first_offset, head.last_offset, "damaged")

    def _failed_to_read(self, error: OSError) -> None:
        self._failures += 1
        self._window.forget()
        if self._failures < _READ_TRIES:
            raise self._unreadable(error) from error
        self._failures = 0
        self._window.salvage = True

    def _unreadable(self, error: OSError) -> ServerError:
        return ServerError("Storage", f"The log of {self.name} cannot be read: {error.strerror}.")

    # --- what the writer has done

    def apply(self, written: Written) -> None:
        """Let readers see what was written."""
        if written.segment is not None:
            if self._segments:
                self._seal(self._segments[-1])
            self._segments.append(written.segment)
            self._previous.append(written.segment.previous_offset)
        segment = self._segments[-1]
        for at, head in written.heads:
            segment.add(at, head)
            self.next_offset = head.last_offset + 1
        self.reserved_offset = written.reserved_offset

    def _seal(self, segment: Segment) -> None:
        """Have the index of a full segment written."""
        self.jobs.append(partial(write_index, self._store, segment, segment.encode_index()))

    def keep(self, retention: Retention) -> None:
        """What ``retain`` goes by from now on; the writer cuts the segments to it."""
        limits, (age_ms, size_bytes) = self._limits, retention
        self._age_ms = limits.log_ms_max if age_ms is None else age_ms
        self._size_max = limits.log_bytes_max if size_bytes is None else size_bytes
        self.tail.cut_for(self._age_ms, self._size_max)

    def retain(self, now_ms: int, pinned_offset: int | None = None) -> None:
        """Remove what is too old or too much, whole segments at a time, never the active one.

        ``pinned_offset``: this offset and those after it are kept; None if nobody needs any.
        """
        size = self.size_bytes
        keep = len(self._segments) - 1
        count = 0
        for segment in self._segments[: max(0, keep)]:
            if pinned_offset is not None and segment.last_offset >= pinned_offset:
                break
            if size <= self._size_max and segment.received_max > now_ms - self._age_ms:
                break
            size -= segment.end
            count += 1
        for segment in self._segments[:count]:
            file, segment.file = segment.file, None
            self.jobs.append(partial(remove, self._store, segment, file))
        self._window.forget()
        if count == keep and pinned_offset is None and self._segments[keep].received_max <= now_ms - self._age_ms:
            self.roll_wanted = not self._segments[keep].empty
        del self._segments[:count], self._previous[:count]

    def _keep(self, path: str) -> None:
        self.jobs.append(partial(quarantine, self._store, path, self._limits.quarantine_files_max))

    def verify(self) -> Iterator[list[Damage]]:
        """Read everything that is committed now, in slices of about a MiB; what each of them finds damaged.

        May be advanced on another thread than it is made on.  The damage is not reported yet.
        """
        return check(self.name, list(self._segments))

    def close(self) -> None:
        """Close the files; the writer must have stopped."""
        for segment in self._segments:
            if segment.file is not None:
                segment.file.close()
                segment.file = None
        self._segments.clear()
        self._previous.clear()
