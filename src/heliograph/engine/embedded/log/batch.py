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
    table     = msgpack array of [key, {header: value}]

The events' offsets are first-offset, first-offset + 1, …; the offsets between previous-offset (the last
committed before this batch) and first-offset never belonged to a committed event.  reserved-offset: no
offset from there on has been assigned while this was the last batch, so the next start begins behind it.

The three CRCs (CRC-32 of zlib) cover the head behind its CRC, the keys, and the body.  So a head, and the
keys, can be trusted without reading the body.  That of the head is seeded with a secret of the file, its salt:
whatever a publisher writes into bodies, and whatever an earlier file left in a sector, does not look like a batch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from zlib import crc32

from msgspec import DecodeError, Raw
from msgspec.msgpack import Decoder, Encoder

from heliograph.engine.interface import Envelope, Event

MAGIC = b"HGB1"
CLEAN = 1
CONTINUED = 2
DEDUP = 4

_HEAD = struct.Struct("<4sIIIIIIIQQQqq")
_CRC_FROM = 8
HEAD_BYTES = _HEAD.size
_encode = Encoder().encode
_decode_keys = Decoder(list[str]).decode
_decode_table = Decoder(list[tuple[str, dict[str, str]]]).decode


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


def decode_keys(head: Head, keys: bytes) -> tuple[str, ...]:
    """The distinct routing keys.  Raises BatchDamagedError."""
    if len(keys) != head.keys_size or crc32(keys) != head.keys_crc:
        raise BatchDamagedError("keys")
    try:
        return tuple(_decode_keys(keys)) if keys else ()
    except DecodeError as error:
        raise BatchDamagedError("keys") from error


def check_body(head: Head, body: bytes) -> None:
    """Raises BatchDamagedError if it is not the body that was written."""
    if len(body) != head.body_size or crc32(body) != head.body_crc:
        raise BatchDamagedError("body")


def decode_events(exchange: str, head: Head, body: bytes) -> list[Event]:
    """The events of a batch, after checking its body; equal envelopes are one object.  Raises BatchDamagedError."""
    check_body(head, body)
    return decode_body(exchange, head.first_offset, head.event_count, body)


def decode_event_keys(head: Head, body: bytes) -> list[str]:
    """The routing key of each event of a batch, after checking its body.  Raises BatchDamagedError."""
    check_body(head, body)
    count = head.event_count
    try:
        places = struct.unpack_from(f"<{count}I", body, 4 * count)
        (table_size,) = struct.unpack_from("<I", body, 16 * count)
        table_at = 16 * count + 4
        keys = [key for key, _ in _decode_table(body[table_at : table_at + table_size])]
        return [keys[place] for place in places]
    except (struct.error, DecodeError, IndexError) as error:
        raise BatchDamagedError("body") from error


def decode_body(exchange: str, first_offset: int, count: int, body: bytes, position: int = 0) -> list[Event]:
    """The events of a body; equal envelopes are one object.  Raises BatchDamagedError.

    ``position``: of the event before the first, or 0 where they have none.
    """
    try:
        numbers = struct.unpack_from(f"<{2 * count}I{count}qI", body)
        table_at = 16 * count + 4
        bodies_at = table_at + numbers[-1]
        sizes = numbers[:count]
        envelopes = [Envelope(exchange, key, headers) for key, headers in _decode_table(body[table_at:bodies_at])]
        bodies = [body[start:end] for start, end in pairwise(accumulate(sizes, initial=bodies_at))]
        if bodies_at + sum(sizes) != len(body):
            raise BatchDamagedError("body")
        placed = [envelopes[number] for number in numbers[count : 2 * count]]
        received = numbers[2 * count : 3 * count]
    except (struct.error, DecodeError, IndexError) as error:
        raise BatchDamagedError("body") from error
    return make_events(first_offset, placed, bodies, received, position)


def make_events(
    first_offset: int, envelopes: Sequence[Envelope], bodies: Sequence[bytes], received: Sequence[int], position: int
) -> list[Event]:
    """Events with contiguous offsets; ``position``: see ``decode_body``."""
    count = len(bodies)
    sizes = [3 * len(body) + envelope.event_bytes for envelope, body in zip(envelopes, bodies, strict=True)]
    positions = list(accumulate(sizes, initial=position))[1:] if position else [0] * count
    offsets = range(first_offset, first_offset + count)
    shared: list[dict[Any, bytes]] = [{} for _ in range(count)]  # several may read the same
    return list(map(Event, envelopes, offsets, bodies, sizes, positions, received, shared))


def encode_mark(last_offset: int, reserved_offset: int, salt: int, flags: int = 0) -> bytes:
    """A batch without events, behind the one that ends with ``last_offset``."""
    head: list[Any] = [MAGIC, 0, flags, 0, 0, 0, 0, 0, last_offset + 1, last_offset, reserved_offset, 0, 0]
    return _seal(head, salt)


def encode_body(
    envelopes: Sequence[Envelope], bodies: Sequence[bytes], received: Sequence[int]
) -> tuple[bytes, bytes, int]:
    """The keys, the body and the flags of a batch.  What is done for each event is done in bulk, by C code."""
    count = len(bodies)
    distinct = dict.fromkeys(envelopes)
    numbers, keys, table = _encode_envelopes(envelopes, distinct)
    columns = struct.pack(f"<{2 * count}I{count}qI", *map(len, bodies), *numbers, *received, len(table))
    flags = DEDUP if any(envelope.dedup for envelope in distinct) else 0
    return keys, b"".join((columns, table, *bodies)), flags


def encode_head(head: Head, salt: int) -> bytes:
    """Its octets, with its CRC."""
    return _seal(list(head), salt)


def _seal(head: list[Any], salt: int) -> bytes:
    head[1] = crc32(_HEAD.pack(*head)[_CRC_FROM:], salt)
    return _HEAD.pack(*head)


def _encode_envelopes(
    envelopes: Sequence[Envelope], distinct: Iterable[Envelope]
) -> tuple[Iterator[int], bytes, bytes]:
    """Each event's place in the table, the keys, the table."""
    blocks: dict[bytes, int] = {}  # so that equal envelopes become one
    places = {
        envelope: blocks.setdefault(envelope.stored or _encode_envelope(envelope), len(blocks)) for envelope in distinct
    }
    keys = dict.fromkeys([envelope.key for envelope in distinct])
    return map(places.__getitem__, envelopes), _encode(list(keys)), _encode([Raw(block) for block in blocks])


def _encode_envelope(envelope: Envelope) -> bytes:
    encoded = envelope.stored = _encode((envelope.key, dict(envelope.headers)))
    return encoded
