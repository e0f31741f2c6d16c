"""From a URL to a logged-in ``Client``: the WebSocket handshake, CONNECT and CONNECTED."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from heliograph import __version__
from heliograph.client.client import Client
from heliograph.client.errors import ConnectionFailed, ServerRefused
from heliograph.limits import Limits
from heliograph.stomp.client_session import ClientSession
from heliograph.stomp.heartbeat import HeartBeat

_CLOSE_S = 2.0  #: for the closing handshake of a server that may be gone
_QUOTED_CHARACTERS_MAX = 500  #: of the body of an HTTP answer


@asynccontextmanager
async def connect(
    url: str,
    login: str = "",
    password: str = "",
    *,
    heartbeat_ms: tuple[int, int] = (10_000, 10_000),
    timeout_s: float = 10.0,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> AsyncGenerator[Client, None]:
    """Connect and log in: ``async with connect("ws://127.0.0.1:8674/ws", login, password) as client``.

    ``login`` and ``password`` go into the handshake (SESS-1); without a login nothing is sent.  ``heartbeat_ms``:
    how often we can send, and want to hear, something.  ``timeout_s``: for connecting, and for every receipt.
    ``tls``: for ``wss://`` with a certificate authority of your own.  ``limits``: what is taken of the server.

    Raises ``ServerRefused``, ``ConnectionFailed``, or ``ValueError`` where an argument cannot be right.
    """
    client = await _open(url, login, password, HeartBeat(*heartbeat_ms), timeout_s, tls, limits or Limits())
    try:
        yield client
    finally:
        await client.close()


def check_url(url: str) -> str:
    """The host of a WebSocket URL; ValueError where it is none."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in ("ws", "wss") or not host or parts.username is not None or parts.fragment:
        raise ValueError(f"{url!r} is no WebSocket URL; one is ws://127.0.0.1:8674/ws or wss://broker.example/ws")
    return host


async def _open(
    url: str,
    login: str,
    password: str,
    heartbeat: HeartBeat,
    timeout_s: float,
    tls: ssl.SSLContext | None,
    limits: Limits,
) -> Client:
    session = ClientSession(limits)
    connect_frame = session.connect(check_url(url), heartbeat)
    authorization = {"Authorization": _basic(login, password)} if login else {}
    try:
        async with asyncio.timeout(timeout_s):
            client = Client(await _open_socket(url, authorization, tls, limits), session, timeout_s)
            try:
                await client.log_in(connect_frame)
            except BaseException:
                await client.close()
                raise
            return client
    except TimeoutError:
        raise ConnectionFailed("Cannot connect", f"{url} did not answer within {timeout_s:g} s.") from None


async def _open_socket(
    url: str, authorization: dict[str, str], tls: ssl.SSLContext | None, limits: Limits
) -> ClientConnection:
    options: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
        return await open_websocket(
            url,
            subprotocols=[Subprotocol("v12.stomp")],
            additional_headers=authorization,
            user_agent_header=f"heliograph/{__version__}",
            compression=None,
            max_size=limits.head_bytes_max + limits.body_bytes_max,
            ping_interval=None,  # STOMP's heart-beats do that, and no pong is read while a subscription is full
            open_timeout=None,  # there is one for all
            close_timeout=_CLOSE_S,
            **options,
        )
    except InvalidStatus as refused:
        body = (refused.response.body or b"").decode(errors="replace").strip()
        raise ServerRefused(
            f"HTTP {refused.response.status_code}", body[:_QUOTED_CHARACTERS_MAX] or f"{url} refused the handshake."
        ) from None
    except WebSocketException as error:
        raise ConnectionFailed("Cannot connect", f"{url} does not speak WebSocket: {error}.") from None
    except ConnectionRefusedError:
        raise ConnectionFailed("Cannot connect", f"Nothing listens at {url}. Is the server running?") from None
    except OSError as error:
        raise ConnectionFailed("Cannot connect", f"{url}: {error.strerror or error}.") from None


def _basic(login: str, password: str) -> str:
    if ":" in login:
        raise ValueError("a login cannot have a colon (RFC 7617)")
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()
