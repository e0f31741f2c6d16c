"""The octets of a batch: round trips, what is shared, what is noticed."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.engine.embedded.log.batch import (
    HEAD_BYTES,
    MAGIC,
    BatchDamagedError,
    Head,
    decode_event_keys,
    decode_events,
    decode_head,
    decode_keys,
    encode_body,
    encode_head,
    encode_mark,
)
from heliograph.engine.interface import Envelope, Event

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ENVELOPES = st.builds(Envelope, st.just("x"), TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
OFFSETS = st.integers(1, (1 << 62))
TIMES = st.integers(-(1 << 62), 1 << 62)
SALTS = st.integers(0, (1 << 32) - 1)


@st.composite
def batches(draw: st.DrawFn) -> list[Event]:
    envelopes = draw(st.lists(ENVELOPES, min_size=1, max_size=4))
    first = draw(OFFSETS)
    bodies = draw(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
    return [
        Event(draw(st.sampled_from(envelopes)), first + place, body, 0, 0, draw(TIMES), {})
        for place, body in enumerate(bodies)
    ]


def event(offset: int, body: bytes = b"body", key: str = "k", received_ms: int = 5, **headers: str) -> Event:
    return Event(Envelope("x", key, headers), offset, body, 0, 0, received_ms, {})


def encode(events: list[Event], previous_offset: int, reserved_offset: int, salt: int) -> bytes:
    received = [each.received_ms for each in events]
    keys, body, flags = encode_body([each.envelope for each in events], [each.body for each in events], received)
    head = Head(
        MAGIC, 0, flags, len(events), len(keys), crc32(keys), len(body), crc32(body), events[0].offset,
        previous_offset, reserved_offset, min(received), max(received),
    )  # fmt: skip
    return encode_head(head, salt) + keys + body


def decode(data: bytes, salt: int) -> tuple[Head, list[Event]]:
    head = decode_head(data, 0, salt)
    assert head is not None
    keys_end = HEAD_BYTES + head.keys_size
    events = decode_events("x", head, data[keys_end : head.size])
    assert set(decode_keys(head, data[HEAD_BYTES:keys_end])) == {each.envelope.key for each in events}
    return head, events


@given(batches(), SALTS, OFFSETS)
def test_what_was_encoded_is_decoded(events: list[Event], salt: int, reserved: int):
    data = encode(events, events[0].offset - 1, reserved, salt)
    head, decoded = decode(data + b"more", salt)
    assert head.size == len(data)
    assert (head.first_offset, head.last_offset) == (events[0].offset, events[-1].offset)
    assert (head.previous_offset, head.reserved_offset) == (events[0].offset - 1, reserved)
    assert head.received_min == min(event.received_ms for event in events)
    assert head.received_max == max(event.received_ms for event in events)
    assert [
        (each.offset, each.body, each.received_ms, each.envelope.key, list(each.envelope.headers.items()))
        for each in decoded
    ] == [
        (each.offset, each.body, each.received_ms, each.envelope.key, list(each.envelope.headers.items()))
        for each in events
    ]  # fmt: skip


def test_equal_envelopes_become_one():
    events = [event(1, a="1", b="2"), event(2, a="1", b="2"), event(3, b="2", a="1"), event(4, key="other")]
    _, decoded = decode(encode(events, 0, 9, 1), 1)
    assert decoded[0].envelope is decoded[1].envelope
    assert decoded[2].envelope is not decoded[0].envelope  # the order of headers is seen on the wire
    assert decoded[3].envelope.key == "other"


def test_the_keys_are_distinct_and_need_no_body():
    data = encode([event(1), event(2, key="j"), event(3, x="y")], 0, 9, 1)
    head = decode_head(data, 0, 1)
    assert head is not None
    assert decode_keys(head, data[HEAD_BYTES : HEAD_BYTES + head.keys_size]) == ("k", "j")


@given(batches(), SALTS, st.integers(0), st.integers(1, 255))
def test_a_changed_octet_is_noticed(events: list[Event], salt: int, place: int, change: int):
    data = bytearray(encode(events, 0, 1, salt))
    data[place % len(data)] ^= change
    if decode_head(bytes(data), 0, salt) is not None:
        with pytest.raises(BatchDamagedError):
            decode(bytes(data), salt)


def test_another_files_salt_fits_nothing():
    assert decode_head(encode([event(1)], 0, 1, 7), 0, 8) is None


@pytest.mark.parametrize("data", [b"", b"HGB1", bytes(200), b"HGB1" * 50])
def test_what_is_no_head_is_none(data: bytes):
    assert decode_head(data, 0, 0) is None


def test_a_mark_holds_nothing_and_names_the_last_offset():
    head = decode_head(encode_mark(41, 100, 3, flags=1), 0, 3)
    assert head is not None
    assert (head.event_count, head.last_offset, head.previous_offset, head.reserved_offset) == (0, 41, 41, 100)
    assert head.size == HEAD_BYTES
    assert head.flags == 1


@given(batches(), SALTS)
def test_the_keys_of_the_events_are_read_without_the_events(events: list[Event], salt: int) -> None:
    data = encode(events, 0, 1 << 62, salt)
    head, found = decode(data, salt)
    body = data[HEAD_BYTES + head.keys_size :]
    assert decode_event_keys(head, body) == [each.envelope.key for each in found]


def test_the_keys_of_a_damaged_body_are_not_read() -> None:
    data = encode([event(1), event(2, key="l")], 0, 9, 5)
    head, _ = decode(data, 5)
    body = bytearray(data[HEAD_BYTES + head.keys_size :])
    body[20] ^= 1
    with pytest.raises(BatchDamagedError):
        decode_event_keys(head, bytes(body))
