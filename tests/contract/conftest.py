"""A broker for the contract's session and feed: in memory, and behind a real WebSocket."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from heliograph.server.websocket.listener import listen
from tests.in_memory import Peer, Site, face, open_site

#: The partner of the contract's example.
EXAMPLE = """
[[systems]]
name = "acme"
secret = "producer-secret"
message_types = ["event_full_v24", "event_v24", "face_v24", "user_v24"]
[[systems]]
name = "idle"
secret = "idle-secret"
message_types = []
[[partners]]
id = 123
name = "Northwind Alarm"
email = "ops@northwind.example"
password = "correct horse: battery"
grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24", "user_v24"] }]
accounts = [{ id = 456 }]
[[partners]]
id = 9
name = "Southwind"
email = "ops@southwind.example"
password = "nine"
grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]
accounts = [{ id = 999 }]
"""

PARTNER = ("ops@northwind.example", "correct horse: battery")
OTHER = ("ops@southwind.example", "nine")
SYSTEM = ("acme", "producer-secret")
FACE = "/exchange/acme_face_v24/"
FULL = "/exchange/acme_event_full_v24/"

KEY = "123.456.32.create.objectDetected.faceDetected"
BODY = json.dumps(
    {
        "eventId": 15720517375,
        "type": "faceDetected",
        "source": {"type": "camera", "sourceId": 32, "accountId": 456},
        "timestamp": "2021-05-04T07:10:03.371+0000",
        "namespace": "",
        "boundingBox": [0.21, 0.1, 0.35, 0.4],
        "confidence": 1.0,
    }
).encode()


async def publish(site: Site, *keys: str) -> None:
    """A face event for each key."""
    peer = await site.connect(SYSTEM)
    for number, key in enumerate(keys):
        _, account, action = key.split(".")
        peer.send("SEND", face(int(account), action, number), destination=FACE + key)
    assert peer.heard() == []
    await site.turn()


async def subscriber(site: Site, who: tuple[str, str] = PARTNER, **headers: object) -> Peer:
    peer = await site.connect(who)
    peer.send("SUBSCRIBE", **({"destination": FACE + "#"} | headers))
    return peer


Dial = Callable[..., AbstractAsyncContextManager[ClientConnection]]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site(EXAMPLE) as site:
        yield site


@pytest.fixture
def dial(site: Site) -> Dial:
    """``async with dial(headers={…}) as socket``: a WebSocket to ``site``; ``tls`` for wss."""

    @asynccontextmanager
    async def open_socket(
        headers: dict[str, str] | None = None,
        subprotocols: list[Subprotocol] | None = None,
        tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    ) -> AsyncIterator[ClientConnection]:
        ours, theirs = tls or (None, None)
        listener = await listen(site.hub, "127.0.0.1", 0, ours, frozenset())
        port = listener.sockets[0].getsockname()[1]
        url = f"ws{'s' if tls else ''}://127.0.0.1:{port}/ws"
        try:
            async with connect(
                url, additional_headers=headers, subprotocols=subprotocols, ssl=theirs, compression=None
            ) as socket:
                yield socket
        finally:
            listener.close()

    return open_socket
