"""The octets of a batch: what one group commit holds of one exchange.  Pure; little-endian throughout.

    segment   = *batch *zero                        ; zeros: room written ahead, see tail.py
    batch     = head keys body
    head      = magic head-crc flags count keys-size keys-crc body-size body-crc
                first-offset previous-offset reserved-offset received-min received-max     ; 72 octets
    magic     = "HGB1"                              ; the 1 is the version of all that follows
    flags     = u32                                 ; 1: CLEAN, nothing was assigned from reserved-offset on
                                                    ; 2: CONTINUED, written by the same call as the batch before
                                                    ; 4: DEDUP, one of its events asks to be stored once
    count     = u32                                 ; 0: a mark, which only confirms what stands before it
    keys      = msgpack array of str                ; the distinct routing keys
    body      = *size *envelope *received table-size table *octet
    size      = u32                                 ; of each event's body
    envelope  = u32                                 ; each event's place in the table
    received  = i64                                 ; each event's time of receipt, ms since 1970
    table     = msgpack array of [place in keys, {header: value}]

The events' offsets are first-offset, first-offset + 1, …; the offsets between previous-offset (the last
committed before this batch) and first-offset never belonged to a committed event.  reserved-offset: no
offset from there on has been assigned while this was the last batch, so the next start begins behind it.

The three CRCs (CRC-32 of zlib) cover the head behind its CRC, the keys, and the body.  So a head, and the
keys, can be trusted without reading the body.  All are seeded with a secret of the file, its salt: whatever
a publisher writes into bodies, and whatever an earlier file left in a sector, does not look like a batch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise, repeat
from typing import Any, NamedTuple
from zlib import crc32

from msgspec import DecodeError, Raw
from msgspec.msgpack import Decoder, Encoder

from heliograph.engine.interface import Envelope, Event

MAGIC = b"HGB1"
_STORED = "stored"  #: key in ``Envelope.wire``: the headers as a batch has them
_PAIR = b"\x92"  #: msgpack: an array of two
CLEAN = 1
CONTINUED = 2
DEDUP = 4
#: Events and octets of one batch, unless one event alone is larger: what a reader decodes in one go, in about 1 ms.
BATCH_EVENTS_MAX = 1_024
BATCH_BYTES_MAX = 1 << 20

_HEAD = struct.Struct("<4sIIIIIIIQQQqq")
_CRC_FROM = 8
HEAD_BYTES = _HEAD.size
_encode = Encoder().encode
_decode_keys = Decoder(list[str]).decode
_decode_table = Decoder(list[tuple[int, dict[str, str]]]).decode


class Head(NamedTuple):
    """The head of a batch, as checked by its own CRC; see the grammar."""

    magic: bytes
    head_crc: int
    flags: int
    event_count: int
    keys_size: int
    keys_crc: int
    body_size: int
    body_crc: int
    first_offset: int
    previous_offset: int
    reserved_offset: int
    received_min: int
    received_max: int

    @property
    def last_offset(self) -> int:
        """Of a mark, the last committed before it."""
        return self.first_offset + self.event_count - 1

    @property
    def size(self) -> int:
        """Octets of the whole batch."""
        return HEAD_BYTES + self.keys_size + self.body_size


class BatchDamagedError(ValueError):
    """The octets are not what was written; the text says which."""


def decode_head(data: bytes, at: int, salt: int) -> Head | None:
    """The head at ``at``, or None if there is none."""
    if data[at : at + 4] != MAGIC or len(data) < at + HEAD_BYTES:
        return None
    head = Head._make(_HEAD.unpack_from(data, at))
    if crc32(data[at + _CRC_FROM : at + HEAD_BYTES], salt) != head.head_crc:
        return None
    return head


def decode_keys(head: Head, keys: bytes, salt: int) -> tuple[str, ...]:
    """The distinct routing keys.  Raises BatchDamagedError."""
    if len(keys) != head.keys_size or crc32(keys, salt) != head.keys_crc:
        raise BatchDamagedError("keys")
    try:
        return tuple(_decode_keys(keys)) if keys else ()
    except DecodeError as error:
        raise BatchDamagedError("keys") from error


def check_body(head: Head, body: bytes, salt: int) -> None:
    """Raises BatchDamagedError if it is not the body that was written."""
    if len(body) != head.body_size or crc32(body, salt) != head.body_crc:
        raise BatchDamagedError("body")


def decode_events(exchange: str, head: Head, keys: Sequence[str], body: bytes, salt: int) -> list[Event]:
    """The events, after checking the body; equal envelopes are one object.  Raises BatchDamagedError."""
    check_body(head, body, salt)
    count = head.event_count
    try:
        numbers = struct.unpack_from(f"<{2 * count}I{count}qI", body)
        table_at = 16 * count + 4
        bodies_at = table_at + numbers[-1]
        sizes = numbers[:count]
        envelopes = [
            Envelope(exchange, keys[key], headers) for key, headers in _decode_table(body[table_at:bodies_at])
        ]  # fmt: skip
        bodies = [body[start:end] for start, end in pairwise(accumulate(sizes, initial=bodies_at))]
        if bodies_at + sum(sizes) != len(body):
            raise BatchDamagedError("body")
        placed = [envelopes[number] for number in numbers[count : 2 * count]]
        return list(
            map(
                Event,
                placed,
                range(head.first_offset, head.first_offset + count),
                bodies,
                [2 * size + envelope.event_bytes for size, envelope in zip(sizes, placed, strict=True)],
                repeat(0),
                numbers[2 * count : 3 * count],
                [{} for _ in range(count)],
            )
        )
    except (struct.error, DecodeError, IndexError) as error:
        raise BatchDamagedError("body") from error


def encode_mark(last_offset: int, reserved_offset: int, salt: int, flags: int = 0) -> bytes:
    """A batch without events, behind the one that ends with ``last_offset``."""
    head: list[Any] = [MAGIC, 0, flags, 0, 0, salt, 0, salt, last_offset + 1, last_offset, reserved_offset, 0, 0]
    return _seal(head, salt)


def encode_batch(
    events: list[Event], previous_offset: int, reserved_offset: int, salt: int, flags: int = 0
) -> tuple[Head, bytes, bytes]:
    """One batch of events with contiguous offsets: its head, the octets of head and keys, the octets of the body.

    Everything that is done for each event is done in bulk by C code, since it holds the interpreter's lock
    while the event loop waits; the CRC of a large body gives it up.
    """
    count = len(events)
    bodies = [event.body for event in events]
    received = [event.received_ms for event in events]
    envelopes = [event.envelope for event in events]
    distinct = dict.fromkeys(envelopes)
    numbers, keys, table = _encode_envelopes(envelopes, distinct)
    if any(envelope.dedup for envelope in distinct):
        flags |= DEDUP
    body = b"".join(
        (struct.pack(f"<{2 * count}I{count}qI", *map(len, bodies), *numbers, *received, len(table)), table, *bodies)
    )
    first_offset = events[0].offset
    head: list[Any] = [
        MAGIC, 0, flags, count, len(keys), crc32(keys, salt), len(body), crc32(body, salt),
        first_offset, previous_offset, reserved_offset, min(received), max(received),
    ]  # fmt: skip
    sealed = _seal(head, salt)
    return Head._make(_HEAD.unpack(sealed)), sealed + keys, body


def _seal(head: list[Any], salt: int) -> bytes:
    head[1] = crc32(_HEAD.pack(*head)[_CRC_FROM:], salt)
    return _HEAD.pack(*head)


def _encode_envelopes(envelopes: list[Envelope], distinct: Iterable[Envelope]) -> tuple[Iterator[int], bytes, bytes]:
    """Each event's place in the table, the keys, the table."""
    places: dict[Envelope, int] = {}
    keys: dict[str, int] = {}
    blocks: dict[bytes, int] = {}  # so that equal envelopes become one
    for envelope in distinct:
        key = keys.setdefault(envelope.key, len(keys))
        encoded = envelope.wire.get(_STORED)
        if encoded is None:
            encoded = envelope.wire[_STORED] = _encode(dict(envelope.headers))
        block = _PAIR + _encode(key) + encoded
        places[envelope] = blocks.setdefault(block, len(blocks))
    return map(places.__getitem__, envelopes), _encode(list(keys)), _encode([Raw(block) for block in blocks])


def split(events: list[Event]) -> Iterator[list[Event]]:
    """Parts that fit into one batch each: contiguous offsets, at most so many events and octets."""
    count = len(events)
    if count > 1 and (
        count > BATCH_EVENTS_MAX
        or events[-1].offset - events[0].offset != count - 1
        or sum([len(event.body) for event in events]) > BATCH_BYTES_MAX
    ):
        yield from split(events[: count // 2])
        yield from split(events[count // 2 :])
    else:
        yield events
