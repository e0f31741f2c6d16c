"""What we write is read back: by our own parser, and by two that were written elsewhere; and the other way round."""

from __future__ import annotations

from typing import Any

import pytest
import stompman
from hypothesis import example, given
from hypothesis import strategies as st
from stomp.utils import parse_frame as parse_with_stomp_py
from stompman.serde import FrameParser, dump_frame

from heliograph.errors import HeliographError
from heliograph.limits import Limits
from heliograph.stomp import serializer
from heliograph.stomp.frame import SERVER_COMMANDS, Frame
from heliograph.stomp.header import escape, header_lines, unescape
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.parser import Parser
from heliograph.stomp.version import SUPPORTED, V10, V11, V12
from tests.unit.stomp.wire_cases import message

LIMITS = Limits()

#: What a header can hold: anything but NUL, and likely what needs escaping.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\\\n\r:cnrt"))
NAME = TEXT.filter(bool)
RESERVED = {"destination", "subscription", "content-length", "receipt"}
HEADERS = st.dictionaries(NAME.filter(lambda name: name not in RESERVED), TEXT, max_size=5)
VERSIONS = st.sampled_from(SUPPORTED)
AWKWARD = {"a:b\\c\n": "\\c:\\\\n\n", "x": "\\"}


def parsed(octets: bytes, version: str) -> Frame:
    parser = Parser(LIMITS, commands=SERVER_COMMANDS)
    parser.version = version
    (frame,) = parser.feed(octets)
    assert parser.error is None
    return frame


@given(TEXT, VERSIONS)
def test_unescape_undoes_escape(text: str, version: str) -> None:
    if version == V11:
        text = text.replace("\r", "")  # it has no escape there; see the module
    if version == V10:
        text = text.replace("\r", "").replace("\n", "")
    assert unescape(escape(text, version), version) == text


@given(TEXT, VERSIONS)
def test_what_is_escaped_stands_on_one_line(text: str, version: str) -> None:
    assert not set("\r\n") & set(escape(text, version))
    assert header_lines({text or "a": text}, version).count(b"\n") == 1


@pytest.mark.parametrize(
    ("version", "line"),
    [(V10, b"user-id\\c:a:\\r\\n\\\n"), (V11, b"user-id\\c:a\\c\\r\\n\\\\\n"), (V12, b"user-id\\c:a\\c\\r\\n\\\\\n")],
)
def test_no_version_lets_a_name_or_value_become_something_else(version: str, line: bytes) -> None:
    """A colon in a name has no form in 1.0; raw it would end the name early, so 'user-id:' would become 'user-id'."""
    assert header_lines({"user-id:": "a:\r\n\\"}, version) == line


@given(TEXT, TEXT, HEADERS, st.binary(), st.sampled_from([V12, V11]))
@example("0", "/exchange/e/1", AWKWARD, b"\0\n\0", V12)
def test_a_message_is_read_back(
    subscription: str, destination: str, headers: dict[str, str], body: bytes, version: str
) -> None:
    if version == V11:
        headers = {name.replace("\r", "") or "a": value.replace("\r", "") for name, value in headers.items()}
        subscription, destination = subscription.replace("\r", ""), destination.replace("\r", "")
    frame = parsed(message(subscription, destination, headers, body, version), version)
    assert frame.head.command == "MESSAGE"
    assert dict(frame.head.headers) == {
        "subscription": subscription,
        "destination": destination,
        **{name: value for name, value in headers.items() if name not in RESERVED},
        "content-length": str(len(body)),
    }
    assert frame.body == body


@given(TEXT, TEXT, TEXT)
def test_receipts_and_errors_are_read_back(receipt: str, title: str, detail: str) -> None:
    assert parsed(serializer.receipt(receipt, V12), V12).head.headers == {"receipt-id": receipt}
    frame = parsed(serializer.error(HeliographError(title, detail), V12, receipt), V12)
    assert frame.head.headers["message"] == title
    assert frame.head.headers["receipt-id"] == receipt
    assert frame.body.decode() == detail


def test_a_detail_that_utf_8_cannot_say_is_no_reason_to_fail() -> None:
    frame = parsed(serializer.error(HeliographError("Bad", "a\ud800b")), V12)
    assert frame.body == b"a?b"


# --- read by parsers that were written elsewhere

#: Neither reads every carriage return: stompman leaves \r out, stomp.py ends a line at a raw one.
CLEAN = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\\\n:cnt"))
CLEAN_HEADERS = st.dictionaries(
    CLEAN.filter(bool).filter(lambda name: name.lower() not in RESERVED and name != "message-id"), CLEAN, max_size=4
)


@given(CLEAN, CLEAN_HEADERS, st.binary())
@example("/x", {"foo": "\\\\n:"}, b"\0MESSAGE\n\n\0")
def test_stompman_reads_our_message_as_we_meant_it(destination: str, headers: dict[str, str], body: bytes) -> None:
    octets = message("0", destination, headers, body, V12)
    frame, *rest = FrameParser().parse_frames_from_chunk(octets)
    assert isinstance(frame, stompman.MessageFrame)
    assert all(isinstance(each, stompman.HeartbeatFrame) for each in rest)
    expected = {"subscription": "0", "destination": destination, **headers, "content-length": str(len(body))}
    assert dict(frame.headers) == expected
    assert frame.body == body


@given(CLEAN, CLEAN_HEADERS, st.binary())
def test_stomp_py_reads_our_message_as_we_meant_it(destination: str, headers: dict[str, str], body: bytes) -> None:
    frame = parse_with_stomp_py(message("0", destination, headers, body, V12)[:-2])
    assert frame.cmd == "MESSAGE"
    expected = {"subscription": "0", "destination": destination, **headers, "content-length": str(len(body))}
    assert {name: value.strip() for name, value in frame.headers.items()} == {
        name: value.strip() for name, value in expected.items()
    }
    assert frame.body == body


@pytest.mark.parametrize("version", SUPPORTED)
def test_stompman_and_stomp_py_read_connected_receipt_and_error(version: str) -> None:
    connected = serializer.connected(version, "session-1", HeartBeat(10_000, 0), "heliograph/1")
    receipt = serializer.receipt("r-1", version)
    error = serializer.error(HeliographError("Bad", "Mend it."), version, "r-1")
    frames = [
        frame
        for frame in FrameParser().parse_frames_from_chunk(connected + receipt + error)
        if not isinstance(frame, stompman.HeartbeatFrame)
    ]
    assert [type(frame).__name__ for frame in frames] == ["ConnectedFrame", "ReceiptFrame", "ErrorFrame"]
    for frame, octets in zip(frames, (connected, receipt, error), strict=True):
        assert isinstance(frame, stompman.ConnectedFrame | stompman.ReceiptFrame | stompman.ErrorFrame)
        theirs = parse_with_stomp_py(octets[:-2])
        assert theirs.headers == dict(frame.headers)
        assert dict(parsed(octets, version).head.headers) == dict(frame.headers)


# --- written elsewhere, read by us


def client_frames() -> st.SearchStrategy[Any]:
    headers = st.fixed_dictionaries({"destination": CLEAN}, optional={"transaction": CLEAN, "foo": CLEAN})
    return st.builds(stompman.SendFrame, headers=headers, body=st.binary()) | st.builds(
        stompman.SubscribeFrame, headers=st.fixed_dictionaries({"id": CLEAN, "destination": CLEAN, "ack": CLEAN})
    )


@given(client_frames())
def test_we_read_what_stompman_writes(frame: Any) -> None:
    headers = dict(frame.headers)
    body = getattr(frame, "body", b"")
    if body:
        headers["content-length"] = frame.headers["content-length"] = str(len(body))
    (ours,) = Parser(LIMITS).feed(dump_frame(frame))
    assert ours.head.command == type(frame).__name__.removesuffix("Frame").upper()
    assert dict(ours.head.headers) == headers
    assert ours.body == body
