"""The short way: the same as the long one, or none at all."""

from __future__ import annotations

import pytest

from heliograph.limits import Limits
from heliograph.stomp.events import Event, Send, Violation
from heliograph.stomp.parser import head_cache
from heliograph.stomp.server_session import ServerSession
from heliograph.stomp.version import V10, V11, V12
from tests.unit.stomp.sessions import LIMITS, REPEATED, frame, new, opened

# --- a SEND that begins like an earlier one

Sent = tuple[str, dict[str, str], bytes, str | None]


def known(session: ServerSession, octets: bytes) -> list[Sent] | None:
    """What the short way gives for one piece, as far as it can be compared."""
    found = session.short_way.sends(octets, iter(()))
    if found is None:
        return None
    heads, bodies, receipts, behind = found
    assert behind is None
    return [
        (head.destination, dict(head.headers), body, receipts.get(place))
        for place, (head, body) in enumerate(zip(heads, bodies, strict=True))
    ]


def sent(events: list[Event]) -> list[Sent] | None:
    if not all(isinstance(event, Send) for event in events):
        return None
    return [(e.head.destination, dict(e.head.headers), e.body, e.receipt) for e in events if isinstance(e, Send)]


def test_a_send_that_begins_like_an_earlier_one_takes_the_short_way() -> None:
    cache = head_cache(LIMITS)
    opened(cache=cache).receive(REPEATED)
    session = opened(cache=cache)
    for octets in (REPEATED, REPEATED + b"\n", REPEATED.replace(b"abc", b"\0\n\0")):
        assert known(session, octets) == sent(opened().receive(octets))


def test_without_a_length_the_body_ends_at_the_first_nul() -> None:
    limits = Limits(body_bytes_max=5)
    session = opened(limits=limits)
    session.receive(frame("SEND", b"abc", destination="/x"))
    for body in (b"", b"a", b"a\n\nb", b"12345"):
        for octets in (frame("SEND", body, destination="/x"), frame("SEND", body, destination="/x") + b"\n"):
            assert known(session, octets) == sent(opened(limits=limits).receive(octets)) == [("/x", {}, body, None)]
    for body in (b"123456", b"a\0b", b"a\0\n"):
        assert known(session, frame("SEND", body, destination="/x")) is None
    assert known(session, frame("SEND", b"abc", destination="/x")[:-1]) is None


@pytest.mark.parametrize(
    "octets",
    [
        REPEATED[:-1],
        REPEATED[:-2],
        REPEATED + b"\n\n",
        REPEATED + REPEATED,
        b"\n" + REPEATED,
        REPEATED.replace(b"abc", b"abcd"),
        REPEATED.replace(b"abc\0", b"abc\1"),
        REPEATED.partition(b"\n\n")[0] + b"\n",
        REPEATED.replace(b"\n", b"\r\n"),
        frame("SEND", destination="/other"),
        b"",
        b"\n",
    ],
)
def test_anything_else_takes_the_long_way(octets: bytes) -> None:
    session = opened()
    session.receive(REPEATED)
    assert known(session, octets) is None


def receipted(at: int, line: bytes) -> bytes:
    """``REPEATED`` with a line more, as the ``at``th header."""
    lines = REPEATED.split(b"\n")
    return b"\n".join([*lines[:at], line, *lines[at:]])


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("value", [b"1", b"message-12345", b"", b" a b ", b"x" * 64])
def test_a_plain_receipt_takes_the_short_way_too(at: int, value: bytes) -> None:
    session = opened()
    session.receive(REPEATED)
    octets = receipted(at, b"receipt:" + value)
    found = known(session, octets)
    assert found == sent(opened().receive(octets))
    assert found is not None
    assert found[0][3] == value.decode()


@pytest.mark.parametrize(
    "octets",
    [
        receipted(1, b"receipt:a\\cb"),
        receipted(1, b"receipt:a:b"),
        receipted(1, b"receipt:a\r"),
        receipted(1, b"receipt:a\0"),
        receipted(1, b"receipt:" + "é".encode()),
        receipted(1, b"receipt:\xff"),
        receipted(1, b"receipt:" + b"x" * 65),
        receipted(1, b"receipt:1\nreceipt:2"),
        receipted(1, b"receipt :1"),
        receipted(0, b"receipt:1"),
        receipted(1, b"receipt:1").replace(b"foo:1", b"foo:2"),
        receipted(1, b"receipt:1") + b"\n\n",
        receipted(4, b"receipt:1").partition(b"\n\n")[0],
    ],
)
def test_any_other_receipt_takes_the_long_way(octets: bytes) -> None:
    session = opened()
    session.receive(REPEATED)
    assert known(session, octets) is None


def test_a_head_without_end_is_not_taken_for_a_whole_frame() -> None:
    """The head alone, with a NUL where its empty line belongs; its content-length is chosen to fit."""
    start = b"SEND\ndestination:/x\ncontent-length:"
    head = start + b"%d" % (len(start) + 1)
    session = opened()
    session.receive(head + b"\n\n" + b"x" * (len(head) - 1) + b"\0")
    assert len(head) - 1 == int(head[len(start) :])
    assert known(session, head + b"\0") is None


def test_the_short_way_is_closed_before_the_login_during_a_frame_in_a_transaction_and_after_the_end() -> None:
    cache = head_cache(LIMITS)
    opened(cache=cache).receive(REPEATED)
    session = new(cache=cache)
    assert known(session, REPEATED) is None
    session.receive(frame("CONNECT", accept_version="1.2"))
    assert known(session, REPEATED) is None
    session = opened(cache=cache)
    session.receive(b"SEND\ndestination:/y\n\n")
    assert known(session, REPEATED) is None
    in_transaction = frame("SEND", destination="/x", transaction="t", content_length=0)
    session = opened(cache=cache)
    session.receive(frame("BEGIN", transaction="t") + in_transaction)
    assert known(session, in_transaction) is None
    session.receive(frame("DISCONNECT"))
    assert known(session, REPEATED) is None


def test_the_short_way_keeps_the_versions_apart() -> None:
    cache = head_cache(LIMITS)
    octets = frame("SEND", destination="/x", foo="\\r", content_length=0)
    opened(V10, cache=cache).receive(octets)
    assert known(opened(V10, cache=cache), octets) == [("/x", {"foo": "\\r"}, b"", None)]
    assert known(opened(V12, cache=cache), octets) is None
    assert known(opened(V11, cache=cache), octets) is None


def test_a_send_that_was_refused_is_not_known() -> None:
    cache = head_cache(LIMITS)
    for refused in (
        frame("SEND", destination="/x", message_id="1", content_length=0),
        frame("SEND", foo="x", content_length=0),
        frame("SEND", b"abc", destination="/x", content_length=2),
    ):
        assert isinstance(opened(cache=cache).receive(refused)[-1], Violation)
        assert known(opened(cache=cache), refused) is None


# --- several of them

OTHER = frame("SEND", b"longer", destination="/y", content_length=6)
BEGIN, ABORT = frame("BEGIN", transaction="t"), frame("ABORT", transaction="t")


def test_what_comes_at_once_is_read_up_to_the_first_that_is_no_such_send() -> None:
    session = opened()
    session.receive(REPEATED + OTHER)
    others = iter([OTHER, receipted(1, b"receipt:r"), REPEATED, BEGIN, REPEATED])
    found = session.short_way.sends(REPEATED, others)
    assert found is not None
    heads, bodies, receipts, behind = found
    assert [head.destination for head in heads] == ["/x", "/y", "/x", "/x"]
    assert bodies == [b"abc", b"longer", b"abc", b"abc"]
    assert receipts == {2: "r"}
    assert behind == BEGIN
    assert list(others) == [REPEATED]


def test_where_the_first_is_no_such_send_the_others_are_left_alone() -> None:
    session = opened()
    session.receive(REPEATED)
    others = iter([REPEATED])
    assert session.short_way.sends(BEGIN, others) is None
    assert list(others) == [REPEATED]


def test_a_receipt_of_a_send_that_turns_out_to_be_none_is_not_among_them() -> None:
    session = opened()
    session.receive(REPEATED)
    whole = receipted(1, b"receipt:r")
    found = session.short_way.sends(REPEATED, iter([whole[:-1]]))
    assert found is not None
    assert found[2:] == ({}, whole[:-1])


# --- an ACK


def test_an_ack_that_is_plain_takes_the_short_way() -> None:
    for octets in (b"ACK\nid:t@@s@@1\n\n\0", b"ACK\nid:t@@s@@1\n\n\0\n"):
        assert opened().short_way.ack(octets) == (b"t@@s@@", 1)
    assert opened().short_way.ack(b"ACK\nid:a\\cb@@12\n\n\0") == (b"a\\cb@@", 12)  # as it is written


@pytest.mark.parametrize(
    "octets",
    [
        b"ACK\nid:t@@s@@1\r\n\n\0",
        b"ACK\nid:t@@s@@1\nsubscription:t\n\n\0",
        b"ACK\nid:t@@s@@1\nreceipt:r\n\n\0",
        b"ACK\nid:t@@s@@1\ntransaction:t\n\n\0",
        b"ACK\nid:t@@s@@1\n\n\0ACK\nid:t@@s@@2\n\n\0",
        b"ACK\nid:t@@s@@1\n\n\0\n\n",
        b"ACK\nid:a@@\n\n\0",
        b"ACK\nid:a@@1x\n\n\0",
        b"ACK\nid:a@@-1\n\n\0",
        b"ACK\nid:a@@1\\c\n\n\0",
        b"ACK\nid:a@@1111111111111111111\n\n\0",
        b"ACK\nid:1\n\n\0",
        b"ACK\nid:\xff\n\n\0",
        b"ACK\nid:a\0b\n\n\0",
        b"ACK\nid:t@@s@@1\n\n",
        b"ACK\nid:",
        b"NACK\nid:t@@s@@1\n\n\0",
        b"",
    ],
)
def test_any_other_ack_takes_the_long_way(octets: bytes) -> None:
    assert opened().short_way.ack(octets) is None


@pytest.mark.parametrize("version", [V10, V11])
def test_before_1_2_no_ack_takes_the_short_way(version: str) -> None:
    assert opened(version).short_way.ack(b"ACK\nid:t@@s@@1\n\n\0") is None


def test_an_ack_within_an_unfinished_frame_is_its_body() -> None:
    session = opened()
    assert session.receive(b"SEND\ndestination:/x\ncontent-length:10\n\n") == []
    assert session.short_way.ack(b"ACK\nid:1\n\n\0") is None
    (event,) = session.receive(b"ACK\nid:1\n\n\0")
    assert isinstance(event, Send)
    assert event.body == b"ACK\nid:1\n\n"
