"""uvicorn on the server's own loop: the socket, the heads of requests, and an orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import h11
import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.h11_impl import H11Protocol

from heliograph.limits import Limits
from heliograph.server.http.problem import MEDIA_TYPE, problem
from heliograph.server.link import half_close

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
        bounds = limits

    return Protocol


class _Bounded(H11Protocol):
    """A connection whose heads must come in time, and of which there are only so many.

    What is refused before there is a request gets an answer as every other one.
    """

    bounds: Limits
    _timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or refuse it where there are too many."""
        full = len(self.connections) >= self.bounds.http_connections_max
        self.app_state = {**self.app_state, "transport": transport}  # a stream ends who does not read any more
        super().connection_made(transport)
        if full:
            self.connections.discard(self)
            self._refuse(503, f"There are {self.bounds.http_connections_max} connections (http_connections_max).")
        else:
            self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a head begins the time of the whole head, and so does the rest of a body that was answered."""
        if self._refused:
            return
        if len(data) > self.bounds.head_bytes_max and self._is_long_head(data):
            self._refuse(431, self._too_large())
            return
        super().data_received(data)
        theirs = self.conn.their_state
        if theirs is not h11.IDLE and not (theirs is h11.SEND_BODY and self.conn.our_state is h11.DONE):
            self._came()
        elif self._timer is None:
            self._await()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so as every other error."""
        if len(self.conn.trailing_data[0]) > self.bounds.head_bytes_max:
            self._refuse(431, self._too_large())
        else:
            self._refuse(400, f"{msg} Send HTTP/1.1 (RFC 9112).")

    def on_response_complete(self) -> None:
        """A part of the next head may be here already."""
        super().on_response_complete()
        if self._timer is None and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._await()

    def _is_long_head(self, data: bytes) -> bool:
        """Whether a head does not end in time; h11 takes one of any length that comes at once."""
        return self.conn.their_state is h11.IDLE and b"\r\n\r\n" not in data[: self.bounds.head_bytes_max]

    def _too_large(self) -> str:
        return f"The head has more than {self.bounds.head_bytes_max} octets (head_bytes_max)."

    def _await(self) -> None:
        self._timer = self.loop.call_later(self.bounds.http_head_ms_max / 1_000, self._late)

    def _came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, f"The head took longer than {self.bounds.http_head_ms_max} ms (http_head_ms_max).")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, and wait for the peer's end: were it closed with octets unread, the answer would be lost."""
        self._write(status, detail)
        self._refused = True
        self._came()
        if half_close(self.transport):
            self._timer = self.loop.call_later(self.bounds.linger_ms_max / 1_000, self.transport.abort)
        else:
            self.transport.close()

    def _write(self, status: int, detail: str) -> None:
        title = HTTPStatus(status).phrase
        headers = [("content-type", MEDIA_TYPE), ("connection", "close")]
        parts: list[Any] = [
            h11.Response(status_code=status, headers=headers, reason=title.encode()),
            h11.Data(data=msgspec.json.encode(problem(status, title, detail))),
            h11.EndOfMessage(),
        ]
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for part in parts:
                self.transport.write(self.conn.send(part) or b"")
