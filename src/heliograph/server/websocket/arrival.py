"""A WebSocket connection from accept to the end of its handshake.

picows would close without a word what is too long or too slow, and repeat what is malformed.  So the request is read
here, and refused here with its status; picows comes in when all is well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from picows import WSUpgradeResponse

from heliograph.server.hub import Hub
from heliograph.server.link import linger
from heliograph.server.websocket.handshake import Handshake, HandshakeRefused, check_handshake
from heliograph.server.websocket.request import END, check_method, read_request

#: Makes a WebSocket of a transport; the octets came behind the request.
Upgrade = Callable[[asyncio.Transport, Handshake, memoryview], None]


class Reception:
    """What all arrivals share.  ``scratch``: octets of a read, which are taken out of it before the next."""

    def __init__(self, hub: Hub, allowed_origins: frozenset[str], upgrade: Upgrade) -> None:
        self.hub = hub
        self.allowed_origins = allowed_origins
        self.upgrade = upgrade
        self.scratch = memoryview(bytearray(hub.limits.handshake_bytes_max))

    def arrival(self) -> Arrival:
        """For the next connection."""
        return Arrival(self)


class Arrival(asyncio.BufferedProtocol):
    """Reads the request, answers it where it is refused, and hands the transport on where it is not."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._hub = reception.hub
        self._head = bytearray()
        self._refused = False

    # --- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted; with TLS, its handshake is done."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._hub.loop.call_later(self._hub.limits.handshake_ms_max / 1000, self._time_out)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next octets go."""
        return self._reception.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        if self._refused:
            return  # read all the same, since closing on unread octets is a reset, which may destroy the answer
        octets = self._reception.scratch[:nbytes]
        known = len(self._head)
        try:
            taken = self._read(octets)
        except HandshakeRefused as refused:
            self._refuse(refused)
        except Exception:
            logging.getLogger("heliograph.websocket").exception("handshake failed")
            self._refuse(HandshakeRefused(500, "The server has a fault; it is in its log."))
        else:
            if taken is not None:
                handshake, end = taken
                self._timer.cancel()
                self._reception.upgrade(self._transport, handshake, octets[end - known :])

    def eof_received(self) -> bool:
        """The peer sends nothing more; what was written still leaves."""
        if self._head and not self._refused:
            self._refuse(HandshakeRefused(400, "The request ends before the empty line behind its headers."))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._timer.cancel()

    # --- parts

    def _read(self, octets: memoryview) -> tuple[Handshake, int] | None:
        """What is asked for, and where the request ends; None where it goes on."""
        head, limits = self._head, self._hub.limits
        sought = max(0, len(head) - len(END) + 1)
        head += octets
        check_method(head)
        end = head.find(END, sought)
        if (len(head) if end < 0 else end) > (bytes_max := limits.handshake_bytes_max):
            raise HandshakeRefused(431, f"The request is longer than {bytes_max} octets (handshake_bytes_max).")
        if end < 0:
            return None
        path, headers = read_request(head[:end], limits.handshake_headers_max)
        if self._hub.full:
            raise HandshakeRefused(503, "Too many connections (connections_max); try later.", {"Retry-After": "5"})
        return check_handshake(path, headers, self._reception.allowed_origins), end + len(END)

    def _time_out(self) -> None:
        self._refuse(
            HandshakeRefused(
                408,
                f"The request was not complete after {self._hub.limits.handshake_ms_max} ms (handshake_ms_max). "
                "Lines end with CR LF, and the last one is empty.",
            )
        )

    def _refuse(self, refused: HandshakeRefused) -> None:
        self._refused = True
        self._head.clear()
        self._timer.cancel()
        self._transport.write(_answer(refused))
        self._timer = linger(self._transport, self._hub.loop, self._hub.limits.linger_ms_max)


def _answer(refused: HandshakeRefused) -> Any:
    body = refused.detail.encode(errors="replace") + b"\n"  # what a peer sent may not be UTF-8
    headers = {**refused.headers, "Connection": "close"}
    return WSUpgradeResponse.create_error_response(refused.status, body, headers).to_bytes()
