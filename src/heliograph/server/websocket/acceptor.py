"""Where WebSocket connections are accepted: each becomes a transport of aiofastnet, which picows works best on.

A process that has no free file left cannot accept, but the listening socket stays ready.  So there is a pause then, and
who waits is taken when a file is free again.  aiofastnet's own server would try again at once, for ever.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiofastnet import connect_accepted_socket

_BACKLOG = 4_096
_AT_ONCE = 256  #: accepted in one turn of the loop, in which those who are there already wait
_PAUSE_S = 0.1
_TOLD_S = 60.0  #: that there was a pause is logged once in this time

log = structlog.get_logger("heliograph.server")


class Acceptor:
    """Listens on ``sockets``, which are bound and do not block; whoever comes is given a protocol.

    ``tls_handshake_s``: from accept to the end of a TLS handshake; a slower one is closed.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make_protocol: Callable[[], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None,
        tls_handshake_s: float,
    ) -> None:
        self.sockets = sockets
        self._make_protocol = make_protocol
        self._tls = tls
        self._tls_handshake_s = tls_handshake_s if tls else None
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[Any] | None] = set()
        self._told_at = float("-inf")
        for listening in sockets:
            listening.listen(_BACKLOG)
            self._loop.add_reader(listening.fileno(), self._accept, listening)

    def close(self) -> None:
        """Accept nothing more."""
        for listening in self.sockets:
            self._loop.remove_reader(listening.fileno())
            listening.close()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # the peer has gone already
                continue
            except OSError as error:
                self._pause(listening, error)
                return
            self._entering.add(self._loop.create_task(self._enter(accepted)))

    async def _enter(self, accepted: socket.socket) -> None:
        try:
            await connect_accepted_socket(
                self._loop,
                self._make_protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._tls_handshake_s,
            )
        except OSError:
            pass  # a TLS handshake that failed; the transport is closed
        finally:
            self._entering.discard(asyncio.current_task())

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Files, or memory, are used up for the moment."""
        self._loop.remove_reader(listening.fileno())
        self._loop.call_later(_PAUSE_S, self._resume, listening)
        if self._loop.time() >= self._told_at + _TOLD_S:
            self._told_at = self._loop.time()
            log.warning("cannot accept connections", detail=f"{error.strerror}; those who come have to wait")

    def _resume(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening.fileno(), self._accept, listening)
