"""One table of frames and their octets, used both to write and to read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from heliograph.errors import BodyError, ProtocolError
from heliograph.stomp import serializer
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.version import V10, V11, V12


class WireCase(NamedTuple):
    """``octets`` are read as the frame; where ``write`` is given, it gives exactly them (our own frames only)."""

    name: str
    octets: bytes
    command: str
    headers: dict[str, str]
    body: bytes = b""
    receipt: str | None = None
    version: str = V12
    write: Callable[[], bytes] | None = None


def message(subscription: str | None, destination: str, headers: dict[str, str], body: bytes, version: str) -> bytes:
    begin = serializer.message_begin(subscription, version)
    return begin + b"%b%d\n\n%b\0\n" % (serializer.message_middle(destination, headers, version), len(body), body)


def cut_at(octets: bytes, places: list[int]) -> list[bytes]:
    """``octets`` in pieces; any number is a place."""
    ends = sorted({0, len(octets), *(place % (len(octets) + 1) for place in places)})
    return [octets[start:stop] for start, stop in pairwise(ends)]


# fmt: off
WIRE_CASES = [
    # --- the client's
    WireCase("the least", b"DISCONNECT\n\n\0", "DISCONNECT", {}),
    WireCase("with CRLF", b"SEND\r\ndestination:/x\r\nreceipt:7\r\n\r\nbody\r\n\0", "SEND", {"destination": "/x"},
             b"body\r\n", "7"),
    WireCase("with CRLF here and LF there", b"SEND\r\ndestination:/x\nfoo:a\r\n\nbody\0", "SEND",
             {"destination": "/x", "foo": "a"}, b"body"),
    WireCase("ACK with CRLF here and LF there", b"ACK\nid:1\r\n\n\0", "ACK", {"id": "1"}),
    WireCase("after blank lines", b"\n\n\r\n\nACK\nid:1\n\n\0", "ACK", {"id": "1"}),
    WireCase("a value with colons", b"SEND\ndestination:/a:b:c\n\n\0", "SEND", {"destination": "/a:b:c"}),
    WireCase("white space is part of name and value", b"SEND\ndestination: /x \n foo :\t\n\n\0", "SEND",
             {"destination": " /x ", " foo ": "\t"}),
    WireCase("an empty value", b"SEND\ndestination:\n\n\0", "SEND", {"destination": ""}),
    WireCase("UTF-8", "SEND\ndestination:/x\nört:köln\n\nüber\0".encode(), "SEND",
             {"destination": "/x", "ört": "köln"}, "über".encode()),
    WireCase("a body without content-length ends at the first NUL", b"SEND\ndestination:/x\n\n\n\nab\xff\0", "SEND",
             {"destination": "/x"}, b"\n\nab\xff"),
    WireCase("NUL within content-length", b"SEND\ndestination:/x\ncontent-length:5\n\na\0b\0c\0", "SEND",
             {"destination": "/x", "content-length": "5"}, b"a\0b\0c"),
    WireCase("a frame within content-length", b"SEND\ndestination:/x\ncontent-length:13\n\n\0ACK\nid:1\n\n\0\n\0",
             "SEND",
             {"destination": "/x", "content-length": "13"}, b"\0ACK\nid:1\n\n\0\n"),
    WireCase("content-length 0", b"SEND\ndestination:/x\ncontent-length:0\n\n\0", "SEND",
             {"destination": "/x", "content-length": "0"}),
    WireCase("content-length with white space", b"SEND\ndestination:/x\ncontent-length: 1\n\nx\0", "SEND",
             {"destination": "/x", "content-length": " 1"}, b"x"),
    WireCase("the first of a repeated header wins", b"SEND\ndestination:/x\ndestination:/y\nfoo:1\nfoo:2\n\n\0", "SEND",
             {"destination": "/x", "foo": "1"}),
    WireCase("the first of a repeated content-length wins",
             b"SEND\ndestination:/x\ncontent-length:1\ncontent-length:3\n\n\0\0", "SEND",
             {"destination": "/x", "content-length": "1"}, b"\0"),
    WireCase("the first receipt wins", b"SEND\nreceipt:1\ndestination:/x\nreceipt:2\n\n\0", "SEND",
             {"destination": "/x"}, receipt="1"),
    WireCase("a receipt that comes last", b"SEND\r\ndestination:/x\r\nreceipt:1\r\n\r\n\0", "SEND",
             {"destination": "/x"}, receipt="1"),
    WireCase("an empty receipt", b"SEND\ndestination:/x\nreceipt:\n\n\0", "SEND", {"destination": "/x"}, receipt=""),
    WireCase("a header that only begins like receipt", b"SEND\ndestination:/x\nreceipt-id:1\nxreceipt:2\n\n\0", "SEND",
             {"destination": "/x", "receipt-id": "1", "xreceipt": "2"}),
    WireCase("names are as they stand", b"SEND\ndestination:/x\nReceipt:1\nDESTINATION:/y\n\n\0", "SEND",
             {"destination": "/x", "Receipt": "1", "DESTINATION": "/y"}),
    WireCase("all escapes of 1.2", b"SEND\ndestination:/x\n\\c\\n:\\\\n\\r\\n\\c\\\\\nreceipt:\\c\\r\n\n\0", "SEND",
             {"destination": "/x", ":\n": "\\n\r\n:\\"}, receipt=":\r"),
    WireCase("all escapes of 1.1", b"SEND\ndestination:/x\n\\c\\n:\\\\n\\n\\c\\\\\nreceipt:\\c\n\n\0", "SEND",
             {"destination": "/x", ":\n": "\\n\n:\\"}, receipt=":", version=V11),
    WireCase("1.0 has no escapes", b"SEND\ndestination:/x\nfoo:\\n\\c\\\\\\r\\t\\\nreceipt:\\c\n\n\0", "SEND",
             {"destination": "/x", "foo": "\\n\\c\\\\\\r\\t\\"}, receipt="\\c", version=V10),
    WireCase("CONNECT has no escapes", b"CONNECT\naccept-version:1.2\npasscode:a\\cb\\t\n\n\0", "CONNECT",
             {"accept-version": "1.2", "passcode": "a\\cb\\t"}),
    WireCase("STOMP has none either", b"STOMP\naccept-version:1.2\nlogin:\\\\\n\n\0", "STOMP",
             {"accept-version": "1.2", "login": "\\\\"}),
    # --- the server's
    WireCase("CONNECTED", b"CONNECTED\nversion:1.2\nsession:session-1\nheart-beat:0,1000\nserver:heliograph/0\n\n\0\n",
             "CONNECTED",
             {"version": "1.2", "session": "session-1", "heart-beat": "0,1000", "server": "heliograph/0"},
             write=lambda: serializer.connected(V12, "session-1", HeartBeat(0, 1000), "heliograph/0")),
    WireCase("RECEIPT", b"RECEIPT\nreceipt-id:a\\cb\\n\\r\\\\\n\n\0\n", "RECEIPT", {"receipt-id": "a:b\n\r\\"},
             write=lambda: serializer.receipt("a:b\n\r\\", V12)),
    WireCase("RECEIPT in 1.1", b"RECEIPT\nreceipt-id:a\\cb\\n\\\\\n\n\0\n", "RECEIPT", {"receipt-id": "a:b\n\\"},
             version=V11, write=lambda: serializer.receipt("a:b\n\\", V11)),
    WireCase("RECEIPT in 1.0", b"RECEIPT\nreceipt-id:a:b\\\n\n\0\n", "RECEIPT", {"receipt-id": "a:b\\"},
             version=V10, write=lambda: serializer.receipt("a:b\\", V10)),
    WireCase("ERROR",
             b"ERROR\nmessage:Bad\\c it\ncontent-type:text/plain\nversion:1.0,1.1,1.2\n"
             b"content-length:5\n\nM\xc3\xbcst\0\n",
             "ERROR",
             {"message": "Bad: it", "content-type": "text/plain", "version": "1.0,1.1,1.2", "content-length": "5"},
             "Müst".encode(), write=lambda: serializer.error(ProtocolError("Bad: it", "Müst"))),
    WireCase("ERROR for a receipt",
             b"ERROR\nmessage:Bad\nreceipt-id:r\\c1\ncontent-type:text/plain\nversion:1.0,1.1,1.2\ncontent-length:0\n\n\0\n",
             "ERROR",
             {"message": "Bad", "receipt-id": "r:1", "content-type": "text/plain", "version": "1.0,1.1,1.2",
              "content-length": "0"},
             write=lambda: serializer.error(BodyError("Bad"), V12, "r:1")),
    WireCase("MESSAGE",
             b"MESSAGE\nsubscription:a\\cb\ndestination:/exchange/e/1\nfoo\\c:\\\\\ncontent-length:3\n\n\0\n{\0\n",
             "MESSAGE",
             {"subscription": "a:b", "destination": "/exchange/e/1", "foo:": "\\", "content-length": "3"}, b"\0\n{",
             write=lambda: message("a:b", "/exchange/e/1", {"foo:": "\\"}, b"\0\n{", V12)),
    WireCase("MESSAGE without subscription", b"MESSAGE\ndestination:/exchange/e/1\ncontent-length:0\n\n\0\n", "MESSAGE",
             {"destination": "/exchange/e/1", "content-length": "0"},
             write=lambda: message(None, "/exchange/e/1", {}, b"", V12)),
    WireCase("MESSAGE in 1.0",
             b"MESSAGE\nsubscription:a:b\ndestination:/exchange/e/1\nfoo:b:\\\ncontent-length:0\n\n\0\n",
             "MESSAGE",
             {"subscription": "a:b", "destination": "/exchange/e/1", "foo": "b:\\", "content-length": "0"}, version=V10,
             write=lambda: message("a:b", "/exchange/e/1", {"foo": "b:\\"}, b"", V10)),
]
# fmt: on
