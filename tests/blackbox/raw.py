"""STOMP by hand over a real WebSocket or TCP socket: what goes out is exactly what the test says."""

import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.blackbox.logins import Login

WAIT_S = 10.0


class Frame(NamedTuple):
    """A frame of the server's; of a repeated header the first."""

    command: str
    headers: Mapping[str, str]
    body: bytes


class Closed(Exception):
    """The server has closed; over WebSocket with ``code`` and ``reason``."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def parse_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """All whole frames of ``data`` and what is left; beats are passed over."""
    frames: list[Frame] = []
    while True:
        data = data.lstrip(b"\r\n")
        head, empty_line, rest = data.partition(b"\n\n")
        if not empty_line:
            return frames, data
        command, *lines = head.decode().split("\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(_unescaped(name), _unescaped(value))
        end = int(headers["content-length"]) if "content-length" in headers else rest.find(b"\0")
        if not 0 <= end < len(rest):
            return frames, data
        assert rest[end] == 0
        frames.append(Frame(command, headers, rest[:end]))
        data = rest[end + 1 :]


def _unescaped(text: str) -> str:
    known = {"\\n": "\n", "\\r": "\r", "\\c": ":", "\\\\": "\\"}
    return re.sub(r"\\.", lambda match: known[match.group()], text)


def frame(command: str, body: bytes = b"", /, **headers: object) -> bytes:
    """A frame as octets; ``_`` in a header's name stands for ``-``."""
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"{command}\n{lines}\n".encode() + body + b"\0"


def connect_frame(login: Login, /, **headers: object) -> bytes:
    return frame("CONNECT", **{"accept-version": "1.2", "login": login.login, "passcode": login.passcode, **headers})


class RawWebSocket:
    """``messages`` (text is str, binary is bytes) or the frames in them."""

    socket: ClientConnection

    def __init__(self, url: str, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self._opening = connect(url, ssl=tls, compression=None, open_timeout=WAIT_S, proxy=None, **options)
        self._frames: list[Frame] = []
        self._rest = b""

    def __enter__(self) -> "RawWebSocket":
        self.socket = self._opening.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)  # do not wait for the server's half
        self._opening.__exit__(None, None, None)

    def send(self, message: str | bytes | Iterable[str] | Iterable[bytes]) -> None:
        """One message: str is text, bytes is binary; an iterable is sent as its fragments."""
        with suppress(ConnectionClosed):  # what was to be read is still to be read
            self.socket.send(message)

    def message(self, wait_s: float = WAIT_S) -> str | bytes:
        """The next message; Closed once there is none, TimeoutError after ``wait_s``."""
        try:
            return self.socket.recv(timeout=wait_s)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
            raise Closed(code, reason) from None

    def frame(self, wait_s: float = WAIT_S) -> Frame:
        """The next frame, however it was cut into messages."""
        deadline = time.monotonic() + wait_s
        while not self._frames:
            message = self.message(max(0.0, deadline - time.monotonic()))
            data = message.encode() if isinstance(message, str) else message
            self._frames, self._rest = parse_frames(self._rest + data)
        return self._frames.pop(0)

    def frames(self, count: int) -> list[Frame]:
        return [self.frame() for _ in range(count)]

    def closed(self) -> Closed:
        """How the server ends it; nothing but beats may come before."""
        try:
            surprise = self.frame()
        except Closed as closed:
            return closed
        raise AssertionError(surprise)

    def log_in(self, login: Login, /, **headers: object) -> Frame:
        self.send(connect_frame(login, **headers).decode())
        connected = self.frame()
        assert connected.command == "CONNECTED", connected
        return connected


class RawTcp:
    """The same over the plain listener."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        opened = socket.create_connection(address, WAIT_S)
        self.socket = tls.wrap_socket(opened, server_hostname=address[0]) if tls else opened
        self._frames: list[Frame] = []
        self._rest = b""

    def __enter__(self) -> "RawTcp":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frame(self, wait_s: float = WAIT_S) -> Frame:
        deadline = time.monotonic() + wait_s
        while not self._frames:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(65_536)
            if not data:
                raise Closed
            self._frames, self._rest = parse_frames(self._rest + data)
        return self._frames.pop(0)

    def closed(self) -> None:
        """Wait until the server has ended it."""
        try:
            surprise = self.frame()
        except Closed:
            return
        raise AssertionError(surprise)

    def log_in(self, login: Login, /, **headers: object) -> Frame:
        self.send(connect_frame(login, **headers))
        connected = self.frame()
        assert connected.command == "CONNECTED", connected
        return connected
