"""The head of an HTTP/1.1 request (RFC 9112), read to the letter.

What two readers could understand in two ways is refused, since a proxy in front may be the other one.  What is said of
a fault never repeats the head: it may hold credentials.
"""

from __future__ import annotations

import re

from heliograph.server.websocket.handshake import HandshakeRefused, Headers

METHOD = b"GET "
END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"GET ([\x21-\x7e]+) HTTP/1\.1")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++")  # a token, RFC 9110 section 5.6.2
_HEADER = re.compile(_NAME.pattern + rb":[\t\x20-\x7e\x80-\xff]*+")  # section 5.5
_HEAD = re.compile(_REQUEST_LINE.pattern + rb"(?:\r\n" + _HEADER.pattern + rb")*+")


def check_method(head: bytes | bytearray) -> None:
    """Refuse what cannot become a request for us however it goes on, so that nobody waits until the time is over."""
    if not head.startswith(METHOD[: len(head)]):
        raise _bad_request_line()


def read_request(head: bytes | bytearray, headers_max: int) -> tuple[str, Headers]:
    """Target and headers of a head, which comes without its empty line.  HandshakeRefused where it is malformed.

    Values are ASCII; other octets are surrogates.
    """
    found = _HEAD.fullmatch(head)
    if found is None:
        raise _fault(bytes(head))
    _, *lines = head.decode("ascii", "surrogateescape").split("\r\n")
    if len(lines) > headers_max:
        raise HandshakeRefused(431, f"There are more than {headers_max} headers (handshake_headers_max).")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    _check_no_body(headers)
    return found[1].decode(), headers


def _fault(head: bytes) -> HandshakeRefused:
    """What keeps it from being one of ours."""
    first, *lines = head.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(first):
        return _bad_request_line()
    number, line = next((number, line) for number, line in enumerate(lines, 1) if not _HEADER.fullmatch(line))
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        what = "begins with white space; write each header in one line"
    elif not colon:
        what = "has no colon"
    elif not _NAME.fullmatch(name):
        what = "has a name with characters that a name may not have, or none"
    else:
        what = "has a control character in its value"
    return HandshakeRefused(400, f"Header {number} {what}.")


def _bad_request_line() -> HandshakeRefused:
    return HandshakeRefused(400, "The first line must be: GET, a space, the path, a space, HTTP/1.1.")


def _check_no_body(headers: Headers) -> None:
    lengths = headers.get("content-length", [])
    if "transfer-encoding" in headers or lengths[1:] or any(not length or length.strip("0") for length in lengths):
        raise HandshakeRefused(400, "A handshake has no body: leave Transfer-Encoding and Content-Length out.")
