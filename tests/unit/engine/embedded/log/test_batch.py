"""The octets of a batch: round trips, what is shared, what is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.engine.embedded.log.batch import (
    BATCH_BYTES_MAX,
    BATCH_EVENTS_MAX,
    HEAD_BYTES,
    BatchDamagedError,
    Head,
    decode_events,
    decode_head,
    decode_keys,
    encode_batch,
    encode_mark,
    split,
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


def decode(data: bytes, salt: int) -> tuple[Head, list[Event]]:
    head = decode_head(data, 0, salt)
    assert head is not None
    keys_end = HEAD_BYTES + head.keys_size
    keys = decode_keys(head, data[HEAD_BYTES:keys_end], salt)
    return head, decode_events("x", head, keys, data[keys_end : head.size], salt)


@given(batches(), SALTS, OFFSETS)
def test_what_was_encoded_is_decoded(events: list[Event], salt: int, reserved: int):
    head, prefix, body = encode_batch(events, events[0].offset - 1, reserved, salt)
    decoded_head, decoded = decode(prefix + body + b"more", salt)
    assert decoded_head == head
    assert head.size == len(prefix) + len(body)
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
    _, prefix, body = encode_batch(events, 0, 9, 1)
    _, decoded = decode(prefix + body, 1)
    assert decoded[0].envelope is decoded[1].envelope
    assert decoded[2].envelope is not decoded[0].envelope  # the order of headers is seen on the wire
    assert decoded[3].envelope.key == "other"


def test_the_keys_are_distinct_and_need_no_body():
    head, prefix, _ = encode_batch([event(1), event(2, key="j"), event(3, x="y")], 0, 9, 1)
    assert decode_keys(head, prefix[HEAD_BYTES:], 1) == ("k", "j")


@given(batches(), SALTS, st.integers(0), st.integers(1, 255))
def test_a_changed_octet_is_noticed(events: list[Event], salt: int, place: int, change: int):
    data = bytearray(b"".join(encode_batch(events, 0, 1, salt)[1:]))
    data[place % len(data)] ^= change
    if decode_head(bytes(data), 0, salt) is not None:
        with pytest.raises(BatchDamagedError):
            decode(bytes(data), salt)


def test_another_files_salt_fits_nothing():
    _, prefix, body = encode_batch([event(1)], 0, 1, 7)
    assert decode_head(prefix + body, 0, 8) is None


@pytest.mark.parametrize("data", [b"", b"HGB1", bytes(200), b"HGB1" * 50])
def test_what_is_no_head_is_none(data: bytes):
    assert decode_head(data, 0, 0) is None


def test_a_mark_holds_nothing_and_names_the_last_offset():
    head = decode_head(encode_mark(41, 100, 3, flags=1), 0, 3)
    assert head is not None
    assert (head.event_count, head.last_offset, head.previous_offset, head.reserved_offset) == (0, 41, 41, 100)
    assert head.size == HEAD_BYTES
    assert head.flags == 1


@pytest.mark.parametrize(
    "events",
    [
        [event(offset) for offset in range(1, 2 * BATCH_EVENTS_MAX)],
        [event(1), event(3), event(4), event(9)],
        [event(1, bytes(BATCH_BYTES_MAX)), event(2, bytes(BATCH_BYTES_MAX)), event(3), event(4)],
        [event(1, bytes(2 * BATCH_BYTES_MAX))],
    ],
    ids=["many", "holes", "large", "one too large"],
)
def test_a_commit_is_split_into_batches_that_fit(events: list[Event]):
    parts = list(split(events))
    assert [each for part in parts for each in part] == events
    for part in parts:
        assert part[-1].offset - part[0].offset == len(part) - 1
        assert len(part) <= BATCH_EVENTS_MAX
        assert len(part) == 1 or sum(len(each.body) for each in part) <= BATCH_BYTES_MAX
