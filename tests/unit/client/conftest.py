"""A server's end of a client's WebSocket, in memory: the test says what comes, and sees what was said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK

from heliograph.client import Client
from heliograph.limits import Limits
from heliograph.stomp.client_session import ClientSession
from heliograph.stomp.frame import CLIENT_COMMANDS, Frame
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.parser import Parser

CONNECTED = b"CONNECTED\nversion:1.2\nsession:s-1\nserver:test/1\nheart-beat:%b\n\n\0\n"
_CLOSED = b"closed"


class FakeSocket:
    """What ``Client`` needs of a WebSocket."""

    def __init__(self) -> None:
        self.close_code: int | None = None
        self.confirms_everything = False
        self.beats = 0
        self.taken = 0
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Frame] = asyncio.Queue()
        self._parser = Parser(Limits(), commands=CLIENT_COMMANDS)

    # --- for the client

    async def send(self, data: bytes) -> None:
        if self.close_code is not None:
            raise ConnectionClosedOK(None, None)
        if data == b"\n":
            self.beats += 1
        for frame in self._parser.feed(data):
            if self.confirms_everything:
                self._confirm(frame)
            else:
                self._outgoing.put_nowait(frame)

    async def recv(self, decode: bool) -> bytes:
        data = await self._incoming.get()
        if data is _CLOSED:
            self._incoming.put_nowait(_CLOSED)
            raise ConnectionClosedOK(None, None)
        self.taken += 1
        return data

    async def close(self) -> None:
        self.close_code = 1000
        self._incoming.put_nowait(_CLOSED)

    # --- for the test

    def says(self, *frames: bytes) -> None:
        for frame in frames:
            self._incoming.put_nowait(frame)

    def hangs_up(self) -> None:
        self._incoming.put_nowait(_CLOSED)

    async def heard(self, command: str, *, confirm: bool = True) -> Frame:
        """The next frame of the client, which must be a ``command``; its receipt is given."""
        async with asyncio.timeout(5):
            frame = await self._outgoing.get()
        assert frame.head.command == command
        if confirm:
            self._confirm(frame)
        return frame

    def _confirm(self, frame: Frame) -> None:
        if frame.receipt is not None:
            self.says(b"RECEIPT\nreceipt-id:%b\n\n\0\n" % frame.receipt.encode())

    def heard_nothing(self) -> bool:
        return self._outgoing.empty()


def message(n: int, subscription: str = "0", ack: str = "", body: bytes = b"{}") -> bytes:
    ack_line = f"ack:{ack}\n" if ack else ""
    head = f"MESSAGE\nsubscription:{subscription}\nmessage-id:m-{n}\n{ack_line}destination:/exchange/acme_x/7.{n}\n"
    return head.encode() + b"content-length:%d\n\n%b\0\n" % (len(body), body)


@pytest.fixture
def socket() -> FakeSocket:
    return FakeSocket()


@asynccontextmanager
async def logged_in(
    socket: FakeSocket, *, timeout_s: float = 5.0, offer: HeartBeat | None = None, beats: bytes = b"0,0"
) -> AsyncIterator[Client]:
    session = ClientSession(Limits())
    frame = session.connect("here", offer or HeartBeat())
    wire: Any = socket
    client = Client(wire, session, timeout_s)
    login = asyncio.create_task(client.log_in(frame))
    await socket.heard("CONNECT")
    socket.says(CONNECTED % beats)
    await login
    try:
        yield client
    finally:
        socket.confirms_everything = True
        await client.close()
