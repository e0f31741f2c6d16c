"""The WebSocket handshake: what is refused with an HTTP status, and what a STOMP session takes from it.

Wrong credentials are not refused here: verifying takes longer than a handshake may (argon2), and existing
clients know an ERROR frame for it.  So 101, then ERROR.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from heliograph.stomp.version import SUBPROTOCOLS

PATH = "/ws"
#: Values in their order, by name in lower case.
Headers = Mapping[str, list[str]]

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")  # 16 octets in base64, RFC 6455 section 4.2.1
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class HandshakeRefused(Exception):
    """``status`` (RFC 9110), ``detail`` in plain text, further response ``headers``."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


class Handshake(Struct, frozen=True):
    """``key``: Sec-WebSocket-Key; ``credentials``: login and password, or None; ``subprotocol``: to answer, or None."""

    key: str
    credentials: tuple[str, str] | None
    subprotocol: str | None

    def __repr__(self) -> str:
        return f"Handshake(subprotocol={self.subprotocol!r})"


def check_handshake(path: str, headers: Headers, allowed_origins: frozenset[str]) -> Handshake:
    """Read an upgrade request; HandshakeRefused where it is not one for us.

    ``allowed_origins``: as browsers write them (``https://console.example``); ``*`` allows every one.
    """
    if path.partition("?")[0] != PATH:
        raise HandshakeRefused(404, f"The WebSocket endpoint is {PATH}.")
    if "host" not in headers:
        raise HandshakeRefused(400, "Host is missing.")
    if _one(headers, "Upgrade").lower() != "websocket" or "upgrade" not in map(
        str.lower, _listed(headers, "Connection")
    ):
        raise HandshakeRefused(
            426, "This is a WebSocket endpoint; connect with a STOMP client.", {"Upgrade": "websocket"}
        )
    if _one(headers, "Sec-WebSocket-Version") != "13":
        raise HandshakeRefused(426, "WebSocket version 13 (RFC 6455) is spoken here.", {"Sec-WebSocket-Version": "13"})
    key = _one(headers, "Sec-WebSocket-Key")
    if not _KEY.fullmatch(key):
        raise HandshakeRefused(400, "Sec-WebSocket-Key must be the base64 of 16 octets.")
    check_origin(_one(headers, "Origin"), _one(headers, "Host"), allowed_origins)
    offered = _listed(headers, "Sec-WebSocket-Protocol")
    return Handshake(
        key,
        read_basic(_one(headers, "Authorization")),
        next((name for name in SUBPROTOCOLS if name in offered), None),
    )


def check_origin(origin: str, host: str, allowed: frozenset[str]) -> None:
    """A browser sends stored credentials along, so only pages of our own host, or listed ones, may connect."""
    if not origin or "*" in allowed or origin in allowed:
        return
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{page.scheme}://{host}")
        port = _DEFAULT_PORTS.get(page.scheme)
        same = page.hostname is not None and (page.hostname, page.port or port) == (here.hostname, here.port or port)
    except ValueError:
        same = False
    if not same:
        raise HandshakeRefused(
            403, f"Pages of {origin[:128]} may not connect here; the operator lists them in allowed_origins."
        )


def read_basic(authorization: str) -> tuple[str, str] | None:
    """Login and password of ``Basic base64(login:password)`` (RFC 7617, UTF-8), or None without the header."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    try:
        pair = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    login, colon, password = pair.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise HandshakeRefused(
            401,
            "Authorization must be 'Basic ' and the base64 of 'login:password' in UTF-8.",
            {"WWW-Authenticate": 'Basic realm="heliograph", charset="UTF-8"'},
        )
    return login, password


def _one(headers: Headers, name: str) -> str:
    """The value of a header that comes once, or "".

    A proxy in front may have looked at the other one (RFC 9112 section 3.2, RFC 6455 section 11.3).
    """
    values = headers.get(name.lower(), ())
    if len(values) > 1:
        raise HandshakeRefused(400, f"{name} comes {len(values)} times; it is allowed once.")
    return values[0] if values else ""


def _listed(headers: Headers, name: str) -> list[str]:
    """The tokens of a header that is a list, in one line or in several (RFC 9110 section 5.3)."""
    return [token.strip() for value in headers.get(name.lower(), ()) for token in value.split(",")]
