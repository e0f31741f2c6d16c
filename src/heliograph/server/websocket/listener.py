"""The WebSocket listener: picows does the framing, once a handshake is read; see ``arrival``."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import cast

from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server

from heliograph.server.hub import Hub
from heliograph.server.link import bound_reading
from heliograph.server.websocket.acceptor import Acceptor
from heliograph.server.websocket.arrival import Reception
from heliograph.server.websocket.handshake import PATH, Handshake
from heliograph.server.websocket.link import WebSocketLink
from heliograph.stomp.version import SUBPROTOCOLS

#: Room in a WebSocket message for a STOMP frame that is just over its limit, so that it gets its ERROR.
_SLACK_BYTES = 65_536
_READ_BUFFER_BYTES = 2_048  #: per connection to begin with; it grows with what comes at once
#: What picows needs of a request that is checked already.
_REQUEST = (
    f"GET {PATH} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: %b\r\n\r\n"
).encode()


class _Switching(WSUpgradeResponse):
    """101; all is written beforehand but for the key's digest, which picows puts in each time."""

    def __init__(self, subprotocol: str | None) -> None:
        plain = WSUpgradeResponse.create_101_response()
        self.status, self.headers = plain.status, plain.headers
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        if subprotocol:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        self._begin = "\r\n".join(lines)

    def to_bytes(self) -> bytearray:
        """As it leaves."""
        accept = self.headers["Sec-WebSocket-Accept"]
        return bytearray(f"{self._begin}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())


_ANSWERS = {name: _Switching(name) for name in (None, *SUBPROTOCOLS)}


async def listen(
    hub: Hub, host: str, port: int, tls: ssl.SSLContext | None, allowed_origins: frozenset[str]
) -> Acceptor:
    """Accept WebSocket connections on ``host``:``port``, path ``/ws``."""
    limits = hub.limits
    upgrade = Upgrade(hub)
    # picows gives its protocol to a server only, so there is one, which binds and never listens.
    server = await ws_create_server(
        upgrade.accept,
        host,
        port,
        start_serving=False,
        use_aiofastnet=True,
        websocket_handshake_timeout=None,
        max_frame_size=limits.head_bytes_max + limits.body_bytes_max + _SLACK_BYTES,
        read_buffer_init_size=_READ_BUFFER_BYTES,
        enable_auto_pong=False,
        logger_name=_quiet,
    )
    upgrade.make_protocol = server._protocol_factory  # type: ignore[attr-defined]
    sockets = [bound.dup() for bound in server.sockets]
    server.close()
    bound_reading(sockets, limits.read_bytes_max)
    return Acceptor(sockets, Reception(hub, allowed_origins, upgrade).arrival, tls, limits.handshake_ms_max / 1000)


class Upgrade:
    """Makes a WebSocket of a transport whose handshake is taken; see ``arrival.Upgrade``."""

    make_protocol: Callable[[], asyncio.BufferedProtocol]  # picows's

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._taken: Handshake | None = None  # while picows does it

    def __call__(self, transport: asyncio.Transport, handshake: Handshake, octets: memoryview) -> None:
        """Let picows answer the handshake, in its plainest form; ``octets`` came behind it."""
        protocol = self.make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._taken = handshake
        _feed(transport, memoryview(_REQUEST % handshake.key.encode()))
        _feed(transport, octets)

    def accept(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        """What picows answers, and to whom it gives what comes then."""
        handshake, self._taken = self._taken, None
        assert handshake is not None
        return WSUpgradeResponseWithListener(_ANSWERS[handshake.subprotocol], WebSocketLink(self._hub, handshake))


def _feed(transport: asyncio.Transport, octets: memoryview) -> None:
    """As if they came from the socket now."""
    while octets and not transport.is_closing():
        protocol = cast("asyncio.BufferedProtocol", transport.get_protocol())  # another one may have come in
        room = protocol.get_buffer(-1)
        size = min(len(room), len(octets))  # type: ignore[arg-type]
        room[:size] = octets[:size]  # type: ignore[index]
        protocol.buffer_updated(size)
        octets = octets[size:]


#: picows logs every connection; ours are logged by name and login in ``server.stomp``.
_quiet = logging.LoggerAdapter(logging.getLogger("heliograph.picows"), {})
_quiet.logger.setLevel(logging.CRITICAL)
