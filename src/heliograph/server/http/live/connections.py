"""Live STOMP connections of this server, and ending them.

Nothing of this is counted for it: octets are the system's own count, the rest stands in the connection anyway.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Annotated, Any

import structlog
from litestar import Request, Response, delete, get
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from heliograph.broker.authorization import closed
from heliograph.directory.principal import Partner
from heliograph.server.http.answers import api_of, caller_of
from heliograph.server.http.api import Api
from heliograph.server.http.edits import not_there
from heliograph.server.http.filters import show_time
from heliograph.server.http.page import Limit, after_like, linked, page_of, page_size
from heliograph.server.stomp.connection import StompConnection

log = structlog.get_logger("heliograph.http")

HttpRequest = Request[Any, Any, Any]
ConnectionsAfter = Annotated[str | None, after_like(r"^[0-9]{1,18}\.session-[A-Za-z0-9_-]{22}$(?!\n)")]
LoginFilter = Annotated[str | None, QueryParameter(description="Those of this login alone")]
Reason = Annotated[
    str | None,
    QueryParameter(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$", description="Told to the peer in the ERROR"),
]


class ConnectionBeat(Struct, frozen=True):
    """Milliseconds; 0 for none."""

    send_ms: int
    receive_ms: int


class ConnectionRates(Struct, frozen=True):
    """Octets a second, measured over ``over_ms``."""

    octets_in: float
    octets_out: float
    over_ms: int


class ConnectionShape(Struct, frozen=True, kw_only=True):
    """``login`` is null before the login.  ``octets_in`` and ``octets_out``: on the socket, with what TLS and frames
    add; null where the system does not count them.  ``deliveries``: those that want an acknowledgement.
    ``held``: not read from, since the disk is behind."""

    id: str
    login: str | None
    partner: int | None
    address: str
    transport: str
    version: str
    state: str
    opened_at: str
    heard_at: str
    heart_beat: ConnectionBeat
    subscriptions: int
    deliveries: int
    unacked: int
    held: bool
    octets_in: int | None
    octets_out: int | None
    rates: ConnectionRates | None


@get("/connections", summary="List live connections")
async def list_connections(
    request: HttpRequest, limit: Limit = None, after: ConnectionsAfter = None, login: LoginFilter = None
) -> Response[list[ConnectionShape]]:
    """Of this server, the oldest first."""
    api, behind = api_of(request), None if after is None else read_order(after)
    connections = in_order(api.hub.connections, 0 if behind is None else behind[0])
    wanted = (each for each in connections if login in (None, each.login))
    found, last = page_of(request, wanted, order_of, limit, behind)
    cursor = None if last is None else "{}.{}".format(*last)
    more = {} if login is None else {"login": login}
    return linked(request, [_shape(api, each) for each in found], page_size(api, limit), cursor, **more)


@get("/connections/{connection:str}", summary="Show a live connection")
async def show_connection(request: HttpRequest, connection: FromPath[str]) -> ConnectionShape:
    """Its id is the ``session`` of its CONNECTED."""
    api = api_of(request)
    return _shape(api, find_connection(api, connection))


@delete("/connections/{connection:str}", summary="Close a live connection")
async def close_connection(request: HttpRequest, connection: FromPath[str], reason: Reason = None) -> None:
    """With an ERROR that says why; nothing is delivered after it. It may connect again: to keep it out, disable the
    partner or revoke the credential."""
    api = api_of(request)
    found = find_connection(api, connection)
    log.info("connection closed", by=caller_of(request), connection=connection, login=found.login, reason=reason)
    found.fail(closed(reason))


def order_of(connection: StompConnection) -> tuple[int, str]:
    """The oldest first; unique."""
    return _opened_us(connection), connection.session.id


def in_order(connections: Iterable[StompConnection], since_us: int = 0) -> Iterator[StompConnection]:
    """Those that were opened then or later.  They come oldest first; only those of one moment must be sorted."""
    connections = (each for each in connections if _opened_us(each) >= since_us)
    return chain.from_iterable(sorted(found, key=order_of) for _, found in groupby(connections, _opened_us))


def _opened_us(connection: StompConnection) -> int:
    """On the loop's clock."""
    return int(connection.opened_s * 1_000_000)


def read_order(after: str) -> tuple[int, str]:
    """What a cursor stands for."""
    number, _, session_id = after.partition(".")
    return int(number), session_id


def find_connection(api: Api, session_id: str) -> StompConnection:
    """The open connection of that id, or 404."""
    found = next((each for each in api.hub.connections if each.session.id == session_id), None)
    if found is None:
        raise not_there(f"open connection {session_id[:64]!r} on this server")
    return found


def _shape(api: Api, connection: StompConnection) -> ConnectionShape:
    session, link, outlets = connection.session, connection.link, connection.outlets
    identity, octets = connection.identity, connection.link.octets
    now_s, now_ms = api.hub.loop.time(), time.time_ns() // 1_000_000

    def at(loop_s: float) -> str:
        return show_time(now_ms - round((now_s - loop_s) * 1000))

    rates = None
    if octets is not None and (rate := api.rates.look(session.id, octets, connection.opened_s)):
        octets_in, octets_out = rate.per_s
        rates = ConnectionRates(octets_in, octets_out, rate.over_ms)
    return ConnectionShape(
        id=session.id,
        login=connection.login or None,
        partner=identity.principal.id if identity is not None and isinstance(identity.principal, Partner) else None,
        address=link.peer,
        transport=link.framing,
        version=session.version,
        state=session.state.value,
        opened_at=at(connection.opened_s),
        heard_at=at(now_s if connection.heard else connection.silent_since_s),
        heart_beat=ConnectionBeat(session.heartbeat.send_ms, session.heartbeat.receive_ms),
        subscriptions=len(outlets),
        deliveries=connection.delivery_tag,
        unacked=sum(len(each.subscription.unacked) for each in outlets),
        held=connection.held,
        octets_in=octets.received if octets else None,
        octets_out=octets.sent if octets else None,
        rates=rates,
    )


HANDLERS = [list_connections, show_connection, close_connection]
