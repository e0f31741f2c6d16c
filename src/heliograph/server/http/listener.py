"""uvicorn on the server's own loop: the socket, the heads of requests, and an orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.h11_impl import H11Protocol

from heliograph.limits import Limits
from heliograph.server.http.problem import MEDIA_TYPE, problem

_BACKLOG = 2_048


class HttpListener:
    """Serves ``app`` once it is started.  OSError where the port cannot be had."""

    def __init__(self, app: Litestar, host: str, port: int, tls: ssl.SSLContext | None, limits: Limits) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        config = uvicorn.Config(
            app,
            http=_protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what strangers send is not worth a line each
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=limits.head_bytes_max,
            timeout_graceful_shutdown=max(1, limits.drain_ms_max // 1000),
        )
        config.load()
        config.ssl = tls  # the one that SIGHUP renews
        self._server = _Server(config, limits.http_head_ms_max / 1000)
        self._task: asyncio.Task[None] | None = None
        found_host, found_port = self._socket.getsockname()[:2]
        shown = f"[{found_host}]" if ":" in found_host else found_host
        self.address = f"http{'s' if tls else ''}://{shown}:{found_port}"

    async def start(self) -> None:
        """Listen."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.01)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Accept nothing more, answer what has come within ``drain_ms_max``, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()


class _Server(uvicorn.Server):
    """``handshake_s``: from accept to the end of the TLS handshake, for which uvicorn would wait a minute."""

    def __init__(self, config: uvicorn.Config, handshake_s: float) -> None:
        super().__init__(config)
        self._handshake_s = handshake_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            return config.http_protocol_class(config=config, server_state=self.server_state, app_state={})  # type: ignore[call-arg]

        timeout_s = self._handshake_s if config.ssl else None
        self.servers = [
            await loop.create_server(
                protocol, sock=each, ssl=config.ssl, ssl_handshake_timeout=timeout_s, backlog=config.backlog
            )
            for each in sockets or ()
        ]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's."""
        yield


def _protocol(limits: Limits) -> type[H11Protocol]:
    class Protocol(_Bounded):
        head_s = limits.http_head_ms_max / 1000
        connections_max = limits.http_connections_max

    return Protocol


class _Bounded(H11Protocol):
    """A connection whose heads must come in time, and of which there are only so many."""

    head_s: float
    connections_max: int
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or close it where there are too many."""
        if len(self.connections) >= self.connections_max:
            transport.abort()
        self.app_state = {**self.app_state, "transport": transport}  # a stream ends who does not read any more
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a head begins the time of the whole head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head_timer is None:
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is told so as every other error."""
        found = problem(400, "Bad Request", f"{msg} Send HTTP/1.1 (RFC 9112).")
        headers: list[tuple[str, str]] = [("content-type", MEDIA_TYPE), ("connection", "close")]
        parts: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=msgspec.json.encode(found)),
            h11.EndOfMessage(),
        ]
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for part in parts:
                self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self.transport.close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
