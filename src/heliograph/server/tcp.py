"""The plain TCP listener, for clients that know no WebSocket; the same session, without framing."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from heliograph.errors import LimitError
from heliograph.server.hub import Hub
from heliograph.server.link import Octets, bound_reading, linger, octets_of
from heliograph.server.stomp.connection import StompConnection
from heliograph.stomp import serializer


async def listen(hub: Hub, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
    """Accept STOMP connections on ``host``:``port``."""
    timeout_s = hub.limits.handshake_ms_max / 1000 if tls else None
    listener = await hub.loop.create_server(
        lambda: TcpLink(hub), host, port, ssl=tls, ssl_handshake_timeout=timeout_s, backlog=4_096
    )
    bound_reading(listener.sockets, hub.limits.read_bytes_max)
    return listener


class TcpLink(asyncio.Protocol):
    """One TCP connection; see ``server.link.Link``."""

    framing = "tcp"
    credentials: tuple[str, str] | None = None  # a plain stream has no handshake that could carry them

    def __init__(self, hub: Hub) -> None:
        self.peer = ""
        self._hub = hub
        self._connection: StompConnection | None = None
        self._linger: asyncio.TimerHandle | None = None

    # --- from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        if self._hub.full:
            self._refuse()
            return
        transport.set_write_buffer_limits(high=self._hub.limits.write_bytes_max)
        address = transport.get_extra_info("peername") or ("?", 0)
        self.peer = f"{address[0]}:{address[1]}"
        self._connection = StompConnection(self._hub, self)

    def data_received(self, data: bytes) -> None:
        """Octets of the stream, in pieces of any size."""
        if self._connection is not None:
            self._connection.receive((data,))
            self._connection.received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._linger is not None:
            self._linger.cancel()
        if self._connection is not None:
            self._connection.lost()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        if self._connection is not None:
            self._connection.block()

    def resume_writing(self) -> None:
        """It has read."""
        if self._connection is not None:
            self._connection.unblock()

    def _refuse(self) -> None:
        """What 503 is to a WebSocket."""
        limit = self._hub.limits.connections_max
        error = LimitError("Too many connections", f"There are {limit} (connections_max); try again later.")
        self.write(serializer.error(error))
        self.finish(error.close_code, error.message)

    # --- from the connection

    @staticmethod
    def before(size: int, body: bytes) -> bytes:
        """See ``Link``: a stream needs no framing."""
        return b""

    @property
    def closing(self) -> bool:
        """See ``Link``."""
        return self._transport.is_closing()

    @property
    def octets(self) -> Octets | None:
        """See ``Link``."""
        return octets_of(self._transport)

    def admit(self) -> None:
        """See ``Link``: nothing is held below the session."""

    def write(self, data: bytes) -> None:
        """See ``Link``."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def finish(self, close_code: int, reason: str) -> None:
        """See ``Link``."""
        self._linger = linger(self._transport, self._hub.loop, self._hub.limits.linger_ms_max)

    def abort(self) -> None:
        """See ``Link``."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """See ``Link``."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See ``Link``."""
        if not self._transport.is_closing():
            self._transport.resume_reading()
