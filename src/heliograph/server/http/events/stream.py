"""GET /events/stream: events as they come, for those who cannot speak STOMP (HTML, section 9.2, server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from litestar.types import Receive, Scope
from litestar.types import Send as AsgiSend

from heliograph.broker.selection import Wanted
from heliograph.directory.principal import Identity
from heliograph.errors import LimitError
from heliograph.server.admission import Peer
from heliograph.server.http.answers import api_of
from heliograph.server.http.api import Api
from heliograph.server.http.bodies import strict_body
from heliograph.server.http.callers import consumers_only
from heliograph.server.http.events.event_stream import EventStream, after, since
from heliograph.server.http.filters import (
    Account,
    Camera,
    EventType,
    ExchangeName,
    From,
    MessageTypeName,
    bindings_of,
    check_names,
    read_positions,
    read_time,
)

_NAMES = frozenset({"account", "camera", "type", "exchange", "message_type", "from"})
_MEDIA_TYPE = "text/event-stream"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies that hold answers back until they are whole
]

LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", description="Go on behind the event with this id")
]


@get(
    "/events/stream",
    summary="Stream events",
    tags=["events"],
    security=[{"login": []}],
    guards=[consumers_only],
    before_request=strict_body,
    media_type=_MEDIA_TYPE,
    responses={200: ResponseSpec(str, description="Server-sent events", media_type=_MEDIA_TYPE)},
)
async def stream_events(
    request: Request[Any, Any, Any],
    account: Account = None,
    camera: Camera = None,
    event_type: EventType = None,
    exchange: ExchangeName = None,
    message_type: MessageTypeName = None,
    begin: From = None,
    last_event_id: LastEventId = None,
) -> Response[str]:
    """As server-sent events: from the next one on, from a time, or behind the one that was seen last."""
    check_names(request, _NAMES)
    api, caller = api_of(request), request.scope["user"]
    bindings = bindings_of(api, caller.principal, Wanted(account, camera, event_type, exchange, message_type))
    starts = {}
    if (from_ms := read_time("from", begin)) is not None:
        starts = since([each.exchange for each in bindings], from_ms)
    if last_event_id:
        starts |= after(read_positions("Last-Event-ID", last_event_id, bindings))
    link = _Link(request)

    def opened() -> EventStream:
        _check_room(api, caller.login)
        return EventStream(api.hub, Identity(caller.principal, caller.credential), link, bindings, starts)

    return _Streamed(opened, api.limits.http_request_ms_max / 1_000)


HANDLERS = [stream_events]


def _check_room(api: Api, login: str) -> None:
    limits, streams = api.limits, api.hub.streams
    mine = sum(each.identity is not None and each.identity.principal.login == login for each in streams)
    for name, count, most in (
        ("streams_per_login_max", mine, limits.streams_per_login_max),
        ("streams_max", len(streams), limits.streams_max),
    ):
        if count >= most:
            raise LimitError("Too many streams", f"{count} are open ({name}). Close one, or ask for more in one.")


class _Link(Peer):
    """The connection that a stream is sent on."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        client = request.client
        self._peer = f"{client.host}:{client.port}" if client else ""
        self._transport = request.scope["state"]["transport"]

    @property
    def peer(self) -> str:
        """See ``Peer``."""
        return self._peer

    def abort(self) -> None:
        """See ``Peer``."""
        self._transport.abort()


class _Streamed(Response[str]):
    """Sends what ``opened`` gives, each piece when the one before is on its way, which takes ``piece_s`` at most."""

    def __init__(self, opened: Callable[[], EventStream], piece_s: float) -> None:
        super().__init__("", media_type=_MEDIA_TYPE)
        self._opened = opened
        self._piece_s = piece_s

    def to_asgi_response(self, *_args: Any, **_named: Any) -> Any:
        """See ``Response``."""
        return self._send

    async def _send(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        stream = self._opened()
        scope["state"]["limit"].reschedule(None)
        gone = asyncio.create_task(_until_gone(receive, stream))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async with aclosing(stream.pieces()) as pieces:
                async for piece in pieces:
                    async with asyncio.timeout(self._piece_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:  # who does not read that long may come back by Last-Event-ID
            stream.link.abort()
        finally:
            stream.close()
            gone.cancel()


async def _until_gone(receive: Receive, stream: EventStream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.close()
