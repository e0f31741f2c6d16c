"""The octets of one record of the journal.  Pure; little-endian.

    record   = head key state
    head     = magic head-crc flags key-size state-size state-crc sequence                ; 32 octets
    magic    = "HGR1"                        ; the 1 is the version of all that follows
    flags    = u32                           ; 1: the key has no state any more; 2: a mark, see tail.py
    sequence = u64                           ; one more than the record's before it

The CRCs (CRC-32 of zlib, seeded with the salt of the file) cover the rest of the head and the key, and the state.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import NamedTuple
from zlib import crc32

MAGIC = b"HGR1"
GONE = 1
MARK = 2

_HEAD = Layout("<4sIIIIIQ")
_CRC_FROM = 8
HEAD_BYTES = _HEAD.size


class Record(NamedTuple):
    """As it was read.  ``intact``: whether the state is what was written."""

    flags: int
    key: str
    state: bytes
    sequence: int
    intact: bool
    size: int


def encode_record(flags: int, key: str, state: bytes, sequence: int, salt: int) -> bytes:
    """See the grammar."""
    name = key.encode()
    head = _HEAD.pack(MAGIC, 0, flags, len(name), len(state), crc32(state, salt), sequence)[_CRC_FROM:]
    return b"".join((MAGIC, crc32(name, crc32(head, salt)).to_bytes(4, "little"), head, name, state))


def decode_record(data: bytes, at: int, salt: int) -> Record | None:
    """The record at ``at``, or None if there is none."""
    if data[at : at + 4] != MAGIC or len(data) < at + HEAD_BYTES:
        return None
    _, crc, flags, key_size, state_size, state_crc, sequence = _HEAD.unpack_from(data, at)
    state_at = at + HEAD_BYTES + key_size
    end = state_at + state_size
    if end > len(data) or crc32(data[at + _CRC_FROM : state_at], salt) != crc:
        return None
    state = data[state_at:end]
    key = data[at + HEAD_BYTES : state_at].decode()
    return Record(flags, key, state, sequence, crc32(state, salt) == state_crc, end - at)


def find_record(data: bytes, position: int, salt: int) -> int | None:
    """Where the next record begins, at or behind ``position``."""
    at = data.find(MAGIC, position)
    while at >= 0 and decode_record(data, at, salt) is None:
        at = data.find(MAGIC, at + 1)
    return at if at >= 0 else None
