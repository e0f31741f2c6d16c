"""Publisher retries: what was published with a dedup id within the window is not stored again.

The window is not stored: ids stand in the log with their events.  At start the newest ``dedup_scan_bytes_max`` of
the log are looked through; batches whose head says that nobody asked for this are passed over unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
import structlog

from heliograph.engine.embedded.log.batch import DEDUP
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.stored import Batch
from heliograph.errors import ServerError
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.engine")

#: A longer id is remembered by its digest.
_ID_CHARACTERS_MAX = 64


class _Body(msgspec.Struct, rename="camel"):
    event_id: int | None = None


class _ThinBody(msgspec.Struct):
    event_id: int | None = None


_decode_full = msgspec.json.Decoder(_Body).decode
_decode_thin = msgspec.json.Decoder(_ThinBody).decode


def read_dedup_id(headers: Mapping[str, str], body: bytes) -> str | None:
    """``x-dedup-id``, or the event's own id where ``x-dedup:event-id`` asks for that; None where there is none."""
    if "x-dedup-id" in headers:
        dedup_id = headers["x-dedup-id"]
        if len(dedup_id) > _ID_CHARACTERS_MAX:  # the window is bounded in octets too
            dedup_id = blake2b(dedup_id.encode(), digest_size=32).hexdigest()
        return "id " + dedup_id
    if headers.get("x-dedup") != "event-id":
        return None
    try:
        event_id = _decode_full(body).event_id or _decode_thin(body).event_id
    except msgspec.DecodeError:
        return None
    return None if event_id is None else f"event {event_id}"


class DedupWindow:
    """Dedup ids of one exchange, oldest first: at most ``dedup_ids_max``, none older than ``dedup_ms_max``."""

    __slots__ = ("_limits", "_seen")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: dict[str, tuple[int, int]] = {}  # offset and time of receipt, by id

    def offset_of(self, dedup_id: str, now_ms: int) -> int | None:
        """The offset of the event that was published with that id, or None."""
        seen = self._seen.get(dedup_id)
        if seen is None or seen[1] < now_ms - self._limits.dedup_ms_max:
            return None
        return seen[0]

    def add(self, dedup_id: str, offset: int, received_ms: int) -> None:
        """Remember an event."""
        seen = self._seen
        seen.pop(dedup_id, None)
        seen[dedup_id] = (offset, received_ms)
        oldest_ms = received_ms - self._limits.dedup_ms_max
        while len(seen) > self._limits.dedup_ids_max or next(iter(seen.values()))[1] < oldest_ms:
            del seen[next(iter(seen))]

    def fill(self, log: Log, now_ms: int) -> None:
        """Remember what stands in the newest part of the log."""
        limits = self._limits
        try:
            offset = max(log.offset_near_end(limits.dedup_scan_bytes_max), log.offset_at(now_ms - limits.dedup_ms_max))
            while (found := log.read_batch(offset)) is not None:
                if isinstance(found, Batch):
                    self._fill(found)
                    offset = found.last_offset + 1
                else:
                    offset = found.last + 1
        except ServerError as error:
            logger.error("dedup ids not read", exchange=log.name, detail=error.detail)

    def _fill(self, batch: Batch) -> None:
        events = batch.events() if batch.head.flags & DEDUP else ()
        for event in events if isinstance(events, list) else ():
            dedup_id = read_dedup_id(event.envelope.headers, event.body) if event.envelope.dedup else None
            if dedup_id is not None:
                self.add(dedup_id, event.offset, event.received_ms)

    def forget_from(self, offset: int) -> None:
        """The events from ``offset`` on were not stored after all."""
        for dedup_id in [each for each, (at, _) in self._seen.items() if at >= offset]:
            del self._seen[dedup_id]
