"""Subscriptions, live and durable: an operator sees all, a partner or service its own.

A live one is counted only from the first look on, and only while somebody looks (``Rates``); of a durable one the
engine knows its counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, NamedTuple

import structlog
from litestar import Request, Response, delete, get
from litestar.params import FromPath
from msgspec import Struct
from msgspec.structs import replace

from heliograph.broker.authorization import binding, ended, owner_of
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Binding, DurableView, Lag, Start, StartAt
from heliograph.errors import AccessError
from heliograph.server.http.answers import api_of, caller_of, stored
from heliograph.server.http.api import Api
from heliograph.server.http.edits import not_there
from heliograph.server.http.filters import show_time
from heliograph.server.http.live.connections import in_order, order_of
from heliograph.server.http.live.subscription_ids import (
    AFTER,
    DurableId,
    LiveId,
    Order,
    read_after,
    read_id,
    write_after,
)
from heliograph.server.http.page import Limit, after_like, linked, page_of, page_size
from heliograph.server.rates import Rate
from heliograph.server.stomp.connection import StompConnection
from heliograph.server.stomp.outlet import Outlet
from heliograph.topic.destination import Destination

log = structlog.get_logger("heliograph.http")

HttpRequest = Request[Any, Any, Any]
SubscriptionsAfter = Annotated[str | None, after_like(AFTER)]


class SubscriptionRates(Struct, frozen=True):
    """Events a second, measured over ``over_ms``.  With ack:auto a delivery is acknowledged by itself."""

    delivered: float
    acked: float
    over_ms: int


class SubscriptionShape(Struct, frozen=True, kw_only=True):
    """``kind``: live or durable.  ``connections``: of its consumers, on this server.

    ``backlog``: at least so many events wait, and at most ``backlog_at_most``: what was not looked at in the log yet
    may match or not.  ``acked_at``: the last acknowledgement that is known of.  ``expires_at``: when it is deleted if
    nobody uses it, null while somebody does.
    """

    id: str
    kind: str
    owner: str
    name: str | None
    exchange: str
    pattern: str
    ack: str | None
    connections: list[str]
    backlog: int
    backlog_at_most: int
    unacked: int
    dead_letters: int
    rates: SubscriptionRates | None
    acked_at: str | None
    used_at: str | None
    expires_at: str | None


class Live(NamedTuple):
    """A subscription that lives as long as its connection."""

    connection: StompConnection
    outlet: Outlet

    @property
    def id(self) -> LiveId:
        """Its id."""
        session = self.connection.session.id
        return LiveId(session, self.outlet.ack_prefix.decode().removesuffix(f"@@{session}@@"))


Found = Live | DurableView


@get("/subscriptions", summary="List subscriptions")
async def list_subscriptions(
    request: HttpRequest, limit: Limit = None, after: SubscriptionsAfter = None
) -> Response[list[SubscriptionShape]]:
    """The durable ones first. What waits is told within bounds; one by one it is counted."""
    api, owner = api_of(request), _owner(request)
    behind = None if after is None else read_after(after)
    found, last = page_of(request, _all(api, owner, behind), _order, limit, behind)
    consumers = _consumers(api, found)
    shapes = [_shape(api, each, consumers) for each in found]
    return linked(request, shapes, page_size(api, limit), None if last is None else write_after(last))


@get("/subscriptions/{subscription:str}", summary="Show a subscription")
async def show_subscription(request: HttpRequest, subscription: FromPath[str]) -> SubscriptionShape:
    """What waits for it is counted, as far as the limits of counting allow."""
    api = api_of(request)
    found = find_subscription(request, subscription)
    shape, lag = _shape(api, found, _consumers(api, [found])), lag_of(found)
    bound = found.outlet.subscription.binding if isinstance(found, Live) else found.binding
    if not lag.unread or not _readable(request, bound):
        return shape
    count = await api.broker.count(bound, Start(StartAt.OFFSET, lag.position))
    known = lag.known + count.events
    return replace(shape, backlog=known, backlog_at_most=known if count.complete else shape.backlog_at_most)


@delete("/subscriptions/{subscription:str}", summary="Delete a subscription")
async def delete_subscription(request: HttpRequest, subscription: FromPath[str]) -> None:
    """A durable one is forgotten, with its backlog and its dead letters, and its consumers get an ERROR. A live one
    ends with an ERROR, and its connection with it, since STOMP has no other way."""
    api = api_of(request)
    found = find_subscription(request, subscription)
    by = "An operator" if _owner(request) is None else "Its owner"
    log.info("subscription deleted", by=caller_of(request), subscription=subscription)
    if isinstance(found, Live):
        where = found.outlet.subscription.binding
        found.connection.fail(ended(by, f"/exchange/{where.exchange}/{'.'.join(where.pattern)}"))
    else:
        durable = found.durable
        await stored(lambda confirm: api.broker.delete(durable, confirm, by))


def find_subscription(request: HttpRequest, text: str) -> Found:
    """The subscription of that id, or 404; another's is not there."""
    api, owner, name = api_of(request), _owner(request), read_id(text)
    found: Found | None = None
    if isinstance(name, DurableId):
        found = next((each for each in api.broker.durables(name.owner) if each.durable.name == name.name), None)
    elif isinstance(name, LiveId):
        same = (each for each in api.hub.connections if each.session.id == name.session)
        found = next((live for each in same for live in _of(each) if live.id == name), None)
    if found is None or owner not in (None, _owner_of(found)):
        raise not_there(f"subscription {text[:64]!r}")
    return found


def principal_of(request: HttpRequest) -> Principal | None:
    """Who asks; None is an operator."""
    principal: Principal | None = request.scope["user"].principal
    return principal


def lag_of(found: Found) -> Lag:
    """What waits for it."""
    return found.outlet.subscription.lag if isinstance(found, Live) else found.lag


def _owner(request: HttpRequest) -> str | None:
    principal = principal_of(request)
    return None if principal is None else owner_of(principal)


def _owner_of(found: Found) -> str:
    if not isinstance(found, Live):
        return found.durable.principal
    return _owner_of_connection(found.connection)


def _owner_of_connection(connection: StompConnection) -> str:
    identity = connection.identity
    return "" if identity is None else owner_of(identity.principal)


def _readable(request: HttpRequest, bound: Binding) -> bool:
    """Whether who asks may still see what the subscription asks for."""
    principal = principal_of(request)
    try:
        if principal is not None:
            where = Destination(bound.exchange, ".".join(bound.pattern))
            binding(api_of(request).broker.directory, principal, where, bound.pattern)
    except AccessError:
        return False
    return True


def _all(api: Api, owner: str | None, behind: Order | None) -> Iterator[Found]:
    """In order; what lies before ``behind`` may be left out."""
    opened = 0 if behind is None or behind[0] == 0 else behind[1]
    mine = (each for each in api.hub.connections if owner in (None, _owner_of_connection(each)))
    live = chain.from_iterable(map(_of, in_order(mine, opened)))
    if opened:
        return live
    return chain(sorted(api.broker.durables(owner), key=_order), live)


def _of(connection: StompConnection) -> list[Live]:
    """The live ones of a connection, in the order of their tags."""
    found = (Live(connection, outlet) for outlet in connection.outlets if outlet.durable is None)
    return sorted(found, key=lambda live: live.id)


def _order(found: Found) -> Order:
    if isinstance(found, Live):
        return (1, *order_of(found.connection), found.id.tag)
    return 0, found.durable.principal, found.durable.name


def _consumers(api: Api, shown: Collection[Found]) -> Mapping[DurableId, list[str]]:
    """The sessions that consume the durable subscriptions of those who have some among ``shown``."""
    owners = {_owner_of(each) for each in shown if not isinstance(each, Live)}
    found: dict[DurableId, list[str]] = defaultdict(list)
    for connection in api.hub.connections if owners else ():
        if _owner_of_connection(connection) in owners:
            for outlet in connection.outlets:
                if outlet.durable is not None:
                    found[DurableId(outlet.durable.principal, outlet.durable.name)].append(connection.session.id)
    return found


def _shape(api: Api, found: Found, consumers: Mapping[DurableId, list[str]]) -> SubscriptionShape:
    return _live_shape(api, found) if isinstance(found, Live) else _durable_shape(api, found, consumers)


def _durable_shape(api: Api, view: DurableView, consumers: Mapping[DurableId, list[str]]) -> SubscriptionShape:
    name = DurableId(view.durable.principal, view.durable.name)
    lag = view.lag
    return SubscriptionShape(
        id=str(name),
        kind="durable",
        owner=name.owner,
        name=name.name,
        exchange=view.binding.exchange,
        pattern=".".join(view.binding.pattern),
        ack=None,
        connections=consumers.get(name, []),
        backlog=lag.known,
        backlog_at_most=lag.known + lag.unread,
        unacked=view.unacked,
        dead_letters=len(view.dead),
        rates=_rates(api.rates.look(str(name), (view.delivered, view.settled), api.rates.begun_s)),
        acked_at=_shown(view.settled_ms),
        used_at=_shown(view.used_ms),
        expires_at=_shown(view.expires_ms),
    )


def _live_shape(api: Api, live: Live) -> SubscriptionShape:
    subscription, name = live.outlet.subscription, str(live.id)
    watched, lag = subscription.watch(), subscription.lag
    counts = (watched.delivered, watched.settled)
    return SubscriptionShape(
        id=name,
        kind="live",
        owner=_owner_of(live),
        name=None,
        exchange=subscription.binding.exchange,
        pattern=".".join(subscription.binding.pattern),
        ack=subscription.ack_mode.value,
        connections=[live.connection.session.id],
        backlog=lag.known,
        backlog_at_most=lag.known + lag.unread,
        unacked=len(subscription.unacked),
        dead_letters=0,
        rates=_rates(api.rates.look(name, counts, forget=subscription.unwatch)),
        acked_at=_shown(watched.settled_ms),
        used_at=None,
        expires_at=None,
    )


def _shown(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else show_time(milliseconds)


def _rates(rate: Rate | None) -> SubscriptionRates | None:
    if rate is None:
        return None
    delivered, acked = rate.per_s
    return SubscriptionRates(delivered, acked, rate.over_ms)


HANDLERS = [list_subscriptions, show_subscription, delete_subscription]
