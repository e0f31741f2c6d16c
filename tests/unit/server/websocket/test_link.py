"""Framing, and what picows leaves to us, over a real loopback socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from heliograph.server.websocket.link import before_frame
from heliograph.server.websocket.listener import listen
from tests.in_memory import SERVICE, Site, frame, read_frames

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_message_is_one_unmasked_frame_with_the_shortest_length(size: int) -> None:
    octets = before_frame(size, b"") + b"x" * size
    assert octets[0] == 0x81
    if size < 126:
        assert (octets[1], octets[2:]) == (size, b"x" * size)
    elif size < 65_536:
        assert (octets[1], struct.unpack(">H", octets[2:4])[0], octets[4:]) == (126, size, b"x" * size)
    else:
        assert (octets[1], struct.unpack(">Q", octets[2:10])[0], octets[10:]) == (127, size, b"x" * size)


@pytest.mark.parametrize(
    ("body", "first"), [(b"plain\0", 0x81), ("köln".encode(), 0x81), (b"\xff", 0x82), (b"ok\xc3", 0x82)]
)
def test_a_message_is_text_when_its_octets_are_utf_8_else_binary(body: bytes, first: int) -> None:
    assert before_frame(len(body), body)[0] == first


def masked(opcode: int, payload: bytes = b"", fin: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, masked with zeros."""
    first = (0x80 if fin else 0) | reserved | opcode
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload)]) + b"\0" * 4 + payload
    return bytes([first, 0x80 | 126]) + struct.pack(">H", len(payload)) + b"\0" * 4 + payload


class Socket:
    """A raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        async with asyncio.timeout(5):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            return first & 0x0F, await self.reader.readexactly(size)

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def closed(self) -> tuple[int, str]:
        """Code and reason of CLOSE, passing over what comes before; then the end of the stream."""
        while True:
            opcode, payload = await self.read()
            if opcode == CLOSE:
                assert await self.reader.read() == b""
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def log_in(self) -> None:
        self.send(masked(TEXT, frame("CONNECT", accept_version="1.2", login=SERVICE[0], passcode=SERVICE[1])))
        _, payload = await self.read()
        assert payload.startswith(b"CONNECTED\n")


REQUEST = (
    "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n\r\n"
)


@pytest.fixture
async def socket(site: Site) -> AsyncIterator[Socket]:
    listener = await listen(site.hub, "127.0.0.1", 0, None, frozenset())
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.sockets[0].getsockname()[1])
    writer.write(REQUEST.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"Sec-WebSocket-Protocol: v12.stomp" in answer
    yield Socket(reader, writer)
    writer.close()
    listener.close()
    async with asyncio.timeout(5):
        while site.hub.connections:
            await asyncio.sleep(0.005)


async def test_frames_come_in_pieces_in_fragments_and_several_in_a_message(socket: Socket) -> None:
    await socket.log_in()
    many = b"".join(frame("BEGIN", transaction=number, receipt=number) for number in range(4))
    socket.send(
        masked(TEXT, many[:10]),
        masked(BINARY, many[10:60], fin=False),
        masked(PING, b"in between"),
        masked(CONTINUATION, many[60:61], fin=False),
        masked(CONTINUATION, b"", fin=False),
        masked(CONTINUATION, many[61:]),
        masked(TEXT, b""),
    )
    heard = [await socket.read() for _ in range(5)]
    assert (PONG, b"in between") in heard
    receipts = [read_frames(payload)[0].headers["receipt-id"] for opcode, payload in heard if opcode == TEXT]
    assert receipts == list("0123")


async def test_text_that_is_utf_8_only_as_a_whole_is_fine(socket: Socket) -> None:
    await socket.log_in()
    octets = frame("BEGIN", transaction="köln", receipt="ü")
    cut = octets.index(b"\xc3") + 1
    socket.send(masked(TEXT, octets[:cut], fin=False), masked(CONTINUATION, octets[cut:]))
    _, payload = await socket.read()
    assert read_frames(payload)[0].headers["receipt-id"] == "ü"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([masked(TEXT, b"\n", reserved=0x40)], 1002),
        ([masked(CONTINUATION, b"\n")], 1002),
        ([masked(TEXT, b"\n", fin=False), masked(TEXT, b"\n")], 1002),
        ([masked(TEXT, b"\xff\n")], 1007),
        ([masked(TEXT, b"\n", fin=False), masked(CONTINUATION, b"\xff")], 1007),
        ([masked(TEXT, b"\xc3", fin=False), masked(CONTINUATION, b"")], 1007),
        ([masked(3, b"")], 1002),
    ],
)
async def test_a_violation_of_websocket_is_its_close_code(socket: Socket, frames: list[bytes], code: int) -> None:
    socket.send(*frames)
    assert (await socket.closed())[0] == code


@pytest.mark.parametrize(
    "end",
    [
        masked(CLOSE),
        masked(TEXT, b"\n", reserved=0x40),
        masked(CONTINUATION, b"\n"),
        masked(TEXT, b"\xff\n"),
        masked(TEXT, frame("FOO")),
        masked(TEXT, b"\n") + masked(3),  # picows looks one frame ahead for what it refuses by itself
    ],
)
async def test_what_came_before_the_end_in_the_same_read_is_done(site: Site, socket: Socket, end: bytes) -> None:
    listener = await site.connect(SERVICE)
    listener.send("SUBSCRIBE", id="0", destination="/exchange/acme_raw/#")
    await socket.log_in()
    sends = [frame("SEND", b"%d" % n, destination="/exchange/acme_raw/a", content_length=1) for n in range(4)]
    socket.send(masked(TEXT, sends[0]))
    while not (first := listener.heard()):
        await site.turn()
    assert first[0].body == b"0"
    socket.send(*[masked(TEXT, octets) for octets in sends[1:]], end)
    await socket.closed()
    await site.turn()
    assert [message.body for message in listener.heard()] == [b"1", b"2", b"3"]
    listener.connection.lost()


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", 1000), (struct.pack(">H", 1000), 1000), (struct.pack(">H", 4000) + b"bye", 4000), (b"\x03", 1002)],
)
async def test_a_close_is_answered_with_a_code_that_may_be_sent(socket: Socket, payload: bytes, code: int) -> None:
    socket.send(masked(CLOSE, payload))
    assert (await socket.closed())[0] == code


async def test_an_error_comes_before_the_close_and_both_before_the_end(socket: Socket) -> None:
    await socket.log_in()
    socket.send(masked(TEXT, b"FOO\n\n\0"))
    opcode, payload = await socket.read()
    assert opcode == TEXT
    assert read_frames(payload)[0].headers["message"] == "Bad command"
    assert await socket.closed() == (1002, "Bad command")


async def test_who_sends_pings_and_does_not_read_does_not_fill_the_memory(site: Site, socket: Socket) -> None:
    socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (connection,) = site.hub.connections
    server_side = connection.link._socket  # type: ignore[attr-defined]
    flood = masked(PING, b"x" * 125) * 500
    for _ in range(100):
        socket.send(flood)
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while socket.writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.005)
    assert server_side.get_write_buffer_size() < 2 * site.hub.limits.write_bytes_max
    socket.writer.transport.abort()


async def test_request_and_first_frame_may_come_in_any_two_pieces(site: Site) -> None:
    octets = REQUEST.encode() + masked(
        TEXT, frame("CONNECT", accept_version="1.2", login=SERVICE[0], passcode=SERVICE[1])
    )
    listener = await listen(site.hub, "127.0.0.1", 0, None, frozenset())
    address = listener.sockets[0].getsockname()
    for cut in range(1, len(octets) + 1):
        reader, writer = await asyncio.open_connection(*address)
        async with asyncio.timeout(5):
            writer.write(octets[:cut])
            await writer.drain()
            if cut < len(octets):
                await asyncio.sleep(0)
                writer.write(octets[cut:])
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101 "), cut
            assert (await Socket(reader, writer).read())[1].startswith(b"CONNECTED\n"), cut
        writer.close()
    listener.close()
    async with asyncio.timeout(5):
        while site.hub.connections:
            await asyncio.sleep(0.005)


async def test_a_closed_listener_takes_nobody(site: Site) -> None:
    listener = await listen(site.hub, "127.0.0.1", 0, None, frozenset())
    address = listener.sockets[0].getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
