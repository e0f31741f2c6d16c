"""The head of a request is read to the letter, and what is said of a fault does not repeat it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.server.websocket.handshake import HandshakeRefused, Headers
from heliograph.server.websocket.request import check_method, read_request

LINE = b"GET /ws HTTP/1.1"


def read(*lines: bytes, first: bytes = LINE, headers_max: int = 100) -> tuple[str, Headers]:
    return read_request(b"\r\n".join([first, *lines]), headers_max)


def refusal(*lines: bytes, first: bytes = LINE, headers_max: int = 100) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as refused:
        read(*lines, first=first, headers_max=headers_max)
    return refused.value


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        ([], {}),
        ([b"Host: here"], {"host": ["here"]}),
        ([b"HOST:here", b"hOst:\t there \t"], {"host": ["here", "there"]}),
        ([b"X:"], {"x": [""]}),
        ([b"X: a:b: c"], {"x": ["a:b: c"]}),
        ([b"X: \xff\x80"], {"x": ["\udcff\udc80"]}),
        ([b"!#$%&'*+.^_`|~09azAZ-: x"], {"!#$%&'*+.^_`|~09azaz-": ["x"]}),
        ([b"Content-Length: 00"], {"content-length": ["00"]}),
    ],
)
def test_headers_are_lists_by_name_in_lower_case(lines: list[bytes], headers: Headers) -> None:
    assert read(*lines) == ("/ws", headers)


@pytest.mark.parametrize("target", ["/ws", "/", "*", "/ws?a=b#c", "http://x/ws"])
def test_any_target_is_read(target: str) -> None:
    assert read(first=f"GET {target} HTTP/1.1".encode()) == (target, {})


@pytest.mark.parametrize(
    "first",
    [b"", b"GET", b"GET /ws", b"GET  /ws HTTP/1.1", b"GET /ws HTTP/1.1 ", b"GET /ws HTTP/1.0", b"GET /ws http/1.1",
     b"get /ws HTTP/1.1", b"POST /ws HTTP/1.1", b"GET /w s HTTP/1.1", b"GET /\0 HTTP/1.1", b"GET /\xff HTTP/1.1",
     b"GET /ws HTTP/1.1\n", b"GET /ws\tHTTP/1.1"],
)  # fmt: skip
def test_another_first_line_is_400(first: bytes) -> None:
    assert refusal(first=first).status == 400


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"no colon", "no colon"),
        (b"", "no colon"),
        (b": x", "a name"),
        (b"a b: x", "a name"),
        (b"a : x", "a name"),
        (b"a\x01: x", "a name"),
        (b"\xd6: x", "a name"),
        (b"a: \0", "a control character"),
        (b"a: \x7f", "a control character"),
        (b"a: b\rc: d", "a control character"),
        (b"a: b\nc: d", "a control character"),
        (b" folded", "white space"),
        (b"\tfolded: x", "white space"),
    ],
)
def test_a_malformed_header_is_told_by_its_place(line: bytes, what: str) -> None:
    refused = refusal(b"Host: here", line, b"X: y")
    assert refused.status == 400
    assert refused.detail.startswith("Header 2 ")
    assert what in refused.detail


@pytest.mark.parametrize(
    "lines",
    [
        [b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding:"],
        [b"Content-Length: 1"],
        [b"Content-Length: -0"],
        [b"Content-Length:"],
        [b"Content-Length: 0", b"content-length: 0"],
    ],
)
def test_a_body_is_400(lines: list[bytes]) -> None:
    assert "no body" in refusal(*lines).detail


def test_too_many_headers_are_431_and_told_the_limit() -> None:
    assert read(*[b"X: y"] * 3, headers_max=3)
    refused = refusal(*[b"X: y"] * 4, headers_max=3)
    assert (refused.status, "3 headers (handshake_headers_max)" in refused.detail) == (431, True)


@given(st.binary(), st.binary())
def test_whatever_comes_it_is_read_or_refused_and_not_repeated(first: bytes, rest: bytes) -> None:
    for head in (first, LINE + b"\r\n" + rest, LINE + b"\r\nX: " + rest, LINE + b"\r\n" + rest + b": x"):
        try:
            read_request(head, 100)
        except HandshakeRefused as refused:
            assert refused.status in (400, 431)
            assert refused.detail.isascii()


@given(st.binary())
def test_a_beginning_is_refused_when_no_request_can_come_of_it(octets: bytes) -> None:
    possible = octets[:4] == b"GET "[: len(octets)]
    try:
        check_method(octets)
    except HandshakeRefused:
        assert not possible
    else:
        assert possible


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET", b"GET ", b"GET /ws"])
def test_a_beginning_that_may_become_a_request_is_waited_for(beginning: bytes) -> None:
    check_method(beginning)
