"""A peer that sends whatever octets it likes, and reads what comes back with a deadline.  Plain sockets, no library.

It has a STOMP and a WebSocket reader of its own, so that the server's code is not asked about itself.
"""

from __future__ import annotations

import base64
import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_TEXT, POLICY, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1007, 1008, 1009, 1011

#: How long an answer may take.  Deadlines of seconds: a busy machine is no fault of the code.
ANSWER_S = 5.0


class StompFrame(NamedTuple):
    """A frame of the server.  ``headers``: unescaped as 1.2 has it; ``lines``: as they came."""

    command: str
    headers: dict[str, str]
    body: bytes
    lines: list[str]


class Closing(NamedTuple):
    """How a connection ended: ERROR if there was one, the close code, and how long it took."""

    error: StompFrame | None
    code: int | None
    reason: str
    seconds: float

    @property
    def message(self) -> str:
        """What the ERROR says in short."""
        return self.error.headers["message"] if self.error else ""

    @property
    def detail(self) -> str:
        """What it says at length."""
        return self.error.body.decode() if self.error else ""


class Response(NamedTuple):
    """To a handshake.  ``status`` 0: closed without any."""

    status: int
    headers: dict[str, str]
    body: str


def ws_frame(
    payload: bytes = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bool = True,
    length: int | None = None,
) -> bytes:
    """A WebSocket frame, legal or not.  ``reserved``: three bits; ``length``: claimed instead of the true one."""
    first = fin << 7 | reserved << 4 | opcode
    size = len(payload) if length is None else length
    masked = 0x80 if mask else 0
    if size < 126:
        head = struct.pack(">BB", first, masked | size)
    elif size < 65_536:
        head = struct.pack(">BBH", first, masked | 126, size)
    else:
        head = struct.pack(">BBQ", first, masked | 127, size)
    if not mask:
        return head + payload
    return head + b"\0\0\0\0" + payload  # a key of zeros is legal, and changes nothing


def stomp_frame(command: str, body: bytes | str = b"", headers: Mapping[str, object] | None = None) -> bytes:
    """A STOMP frame.  Nothing is escaped, so that anything can be sent."""
    lines = [command, *(f"{name}:{value}" for name, value in (headers or {}).items())]
    return "\n".join(lines).encode() + b"\n\n" + (body.encode() if isinstance(body, str) else body) + b"\0"


def request(
    path: str = "/ws", headers: Mapping[str, str | None] | None = None, extra: list[str] | None = None
) -> bytes:
    """An upgrade request; a header of ``None`` is left out, and ``extra`` lines are put in as they stand."""
    lines = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "v12.stomp",
        **(headers or {}),
    }
    text = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items() if v is not None), *(extra or [])]
    return "\r\n".join(text).encode("latin-1") + b"\r\n\r\n"


def basic(login: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


class Attacker:
    """One TCP connection.  A context manager, so that every test gives its sockets back."""

    def __init__(self, address: tuple[str, int], *, receive_buffer_bytes: int = 0, source: str = "") -> None:
        self.socket = socket.socket()
        self.socket.settimeout(ANSWER_S)
        if receive_buffer_bytes:  # before connecting, or it has no effect
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.version = "1.2"
        self.session = ""
        self.at_end = False
        self.pongs: list[bytes] = []
        self.beats: list[float] = []  # when they came, monotonic
        self._inbox = bytearray()
        self._is_websocket = False

    def __enter__(self) -> Attacker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()

    # --- sending

    def send(self, data: bytes) -> bool:
        """Octets as they are; False when the server has gone away or takes no more."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def stomp(self, *frames: bytes) -> bool:
        """STOMP frames, each in a message of its own, all in one write."""
        if self._is_websocket:
            return self.send(b"".join(map(ws_frame, frames)))
        return self.send(b"".join(frames))

    def frame(self, command: str, body: bytes | str = b"", /, **headers: object) -> bool:
        """One STOMP frame; ``content_length`` is written content-length."""
        return self.stomp(stomp_frame(command, body, {name.replace("_", "-"): v for name, v in headers.items()}))

    def drip(self, data: bytes, piece_bytes: int, pause_s: float = 0) -> bool:
        """Octets in small pieces."""
        for start in range(0, len(data), piece_bytes):
            if not self.send(data[start : start + piece_bytes]):
                return False
            if pause_s:
                time.sleep(pause_s)
        return True

    def finish_sending(self) -> None:
        """Close our half of the socket."""
        self.socket.shutdown(socket.SHUT_WR)

    # --- the beginning of a session

    def handshake(
        self, path: str = "/ws", headers: Mapping[str, str | None] | None = None, extra: list[str] | None = None
    ) -> Response:
        """Ask for an upgrade, and read the answer."""
        self.send(request(path, headers, extra))
        return self.read_response()

    def read_response(self) -> Response:
        """The HTTP answer; with 101 the WebSocket is open."""
        deadline = time.monotonic() + ANSWER_S
        while b"\r\n\r\n" not in self._inbox and self._receive(deadline):
            pass
        head, found, rest = bytes(self._inbox).partition(b"\r\n\r\n")
        if not found:
            return Response(0, {}, "")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._inbox = bytearray(rest)
        if status == 101:
            self._is_websocket = True
            return Response(status, headers, "")
        while self._receive(deadline):
            pass
        return Response(status, headers, self._inbox.decode("utf-8", "replace"))

    def connect(self, login: str, passcode: str, version: str = "1.2", **headers: object) -> StompFrame:
        """CONNECT, and the CONNECTED that answers it."""
        self.version = version
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        self.stomp(
            stomp_frame("CONNECT", headers={"accept-version": version, "login": login, "passcode": passcode, **more})
        )
        connected = self.expect("CONNECTED")
        self.session = connected.headers["session"]
        return connected

    def subscribe(self, destination: str, /, id: str = "0", ack: str = "auto", **headers: Any) -> None:
        """SUBSCRIBE, and wait until it is done."""
        self.frame("SUBSCRIBE", destination=destination, id=id, ack=ack, receipt=f"sub-{id}", **headers)
        self.expect_receipt(f"sub-{id}")

    # --- receiving

    def read(self, seconds: float = ANSWER_S) -> StompFrame | Closing | None:
        """The next frame; Closing at the end; None when nothing came in time."""
        began = time.monotonic()
        while True:
            found = self._next_websocket() if self._is_websocket else self._next_stomp()
            if found is not None:
                return found
            if self.at_end:
                return Closing(None, None, "", time.monotonic() - began)
            if not self._receive(began + seconds) and not self.at_end:
                return None

    def expect(self, command: str, seconds: float = ANSWER_S) -> StompFrame:
        """The next frame, which must be ``command``."""
        return self.expect_any(command, seconds=seconds)

    def expect_any(self, *commands: str, seconds: float = ANSWER_S) -> StompFrame:
        """The next frame, which must be one of ``commands``."""
        found = self.read(seconds)
        assert isinstance(found, StompFrame), f"expected one of {commands}, got {found}"
        assert found.command in commands, f"expected one of {commands}, got {found}"
        return found

    def expect_receipt(self, receipt: str, seconds: float = ANSWER_S) -> None:
        """The next frame, which must be that RECEIPT."""
        found = self.expect("RECEIPT", seconds)
        assert found.headers["receipt-id"] == receipt

    def messages(self, seconds: float = ANSWER_S, count: int = 1 << 60) -> list[StompFrame]:
        """The MESSAGEs that come until nothing has come for ``seconds``, or ``count`` of them are there."""
        found: list[StompFrame] = []
        while len(found) < count and (frame := self.read(seconds)) is not None:
            assert isinstance(frame, StompFrame), frame
            assert frame.command == "MESSAGE", frame
            found.append(frame)
        return found

    def expect_nothing(self, seconds: float = 0.3) -> None:
        """Nothing may come for so long."""
        found = self.read(seconds)
        assert found is None, f"expected nothing, got {found}"

    def wait_closed(self, seconds: float = ANSWER_S) -> Closing:
        """Read to the end, past MESSAGEs and RECEIPTs; the ERROR and close code on the way.  Fails in time."""
        began = time.monotonic()
        error, code, reason = None, None, ""
        while True:
            left = began + seconds - time.monotonic()
            found = self.read(max(left, 0.01))
            if isinstance(found, Closing):
                if found.code is None or self.at_end:
                    code, reason = (code, reason) if found.code is None else (found.code, found.reason)
                    return Closing(error, code, reason, time.monotonic() - began)
                code, reason = found.code, found.reason
            elif found is not None and found.command == "ERROR":
                assert error is None, f"a second ERROR: {found}"
                error = found
            elif found is None or left < 0:
                raise AssertionError(f"still open after {seconds} s; ERROR {error}, close code {code}")
            else:
                assert error is None, f"{found.command} after the ERROR"

    # --- parts

    def _receive(self, deadline: float) -> bool:
        """More octets into the inbox; False at the deadline or the end."""
        if self.at_end or not select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        data = b""
        with suppress(OSError):
            data = self.socket.recv(262_144)
        self._inbox += data
        self.at_end = not data
        return bool(data)

    def _next_websocket(self) -> StompFrame | Closing | None:
        while True:
            taken = self._take_websocket()
            if taken is None:
                return None
            opcode, payload = taken
            if opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) > 1 else None
                return Closing(None, code, payload[2:].decode(), 0)
            if opcode == PONG:
                self.pongs.append(payload)
            elif not payload.strip(b"\n"):
                self.beats.append(time.monotonic())
            else:
                return _parsed(payload)

    def _take_websocket(self) -> tuple[int, bytes] | None:
        inbox = self._inbox
        if len(inbox) < 2:
            return None
        assert not inbox[0] & 0x70, f"the server has set a reserved bit: {bytes(inbox[:2]).hex()}"
        assert inbox[0] & 0x80, "the server has sent a fragment"
        assert not inbox[1] & 0x80, "the server has masked a frame"
        size, begin = inbox[1], 2
        if size >= 126:
            begin = 4 if size == 126 else 10
            if len(inbox) < begin:
                return None
            size = int.from_bytes(inbox[2:begin], "big")
        if len(inbox) < begin + size:
            return None
        opcode, payload = inbox[0] & 15, bytes(inbox[begin : begin + size])
        del inbox[: begin + size]
        return opcode, payload

    def _next_stomp(self) -> StompFrame | None:
        inbox = self._inbox
        while inbox[:1] == b"\n":
            self.beats.append(time.monotonic())
            del inbox[:1]
        head = inbox.find(b"\n\n")
        if head < 0:
            return None
        size = next(
            (int(line[15:]) for line in bytes(inbox[:head]).split(b"\n") if line.startswith(b"content-length:")), None
        )
        end = inbox.find(b"\0", head) if size is None else head + 2 + size
        if end < 0 or len(inbox) < end + 2:  # every frame ends with NUL and LF
            return None
        frame = _parsed(bytes(inbox[: end + 2]))
        del inbox[: end + 2]
        return frame


_UNESCAPED = {"\\r": "\r", "\\n": "\n", "\\c": ":", "\\\\": "\\"}


def _parsed(octets: bytes) -> StompFrame:
    head, found, rest = octets.partition(b"\n\n")
    assert found, octets
    assert rest.endswith(b"\0\n"), octets
    command, *lines = head.decode().split("\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name, value if command == "CONNECTED" else _unescape(value))
    body = rest[:-2]
    assert len(body) == int(headers.get("content-length", len(body))), octets
    return StompFrame(command, headers, body, lines)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    out, at = [], 0
    while at < len(text):
        width = 2 if text[at] == "\\" else 1
        out.append(_UNESCAPED.get(text[at : at + width], text[at : at + width]))
        at += width
    return "".join(out)
