"""What the system counts of a socket."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from heliograph.server.link import octets_of


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the octets of a connection")
async def test_the_octets_of_a_connection_are_those_that_were_sent_and_received() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    ours = await accepted.get()
    assert octets_of(ours.transport) == (0, 0)
    ours.write(bytes(1_000))
    await reader.readexactly(1_000)
    writer.write(bytes(300))
    async with asyncio.timeout(5):
        while octets_of(ours.transport) != (300, 1_000):
            await asyncio.sleep(0.01)
    ours.close()
    await ours.wait_closed()
    assert octets_of(ours.transport) is None, "it is closed"
    writer.close()
    server.close()


async def test_what_is_no_tcp_socket_is_not_counted() -> None:
    one, other = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=one)
    assert octets_of(writer.transport) is None
    writer.close()
    other.close()
