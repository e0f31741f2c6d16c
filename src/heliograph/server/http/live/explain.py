"""Why a pattern matches a routing key or not, who would see it, and what it would have matched in the last hour."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, post
from litestar.params import JSONBody
from msgspec import Meta, Struct
from msgspec.structs import replace

from heliograph.broker.sight import Sight, look
from heliograph.catalog.message_type import MessageType
from heliograph.directory.file import PartnerEntry
from heliograph.directory.principal import Partner, Principal
from heliograph.engine.interface import Binding, Count, Start, StartAt
from heliograph.errors import BodyError, ClientError, DestinationError
from heliograph.server.http.answers import api_of
from heliograph.server.http.api import Api
from heliograph.server.http.directory.entries import found, of_table
from heliograph.server.http.filters import show_time
from heliograph.server.http.live.subscriptions import principal_of
from heliograph.server.http.problem import Refused, joined
from heliograph.server.http.shapes import Id
from heliograph.topic import matcher
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import HASH, parse_key, parse_pattern

T = TypeVar("T")
HttpRequest = Request[Any, Any, Any]
Name = Annotated[str, Meta(max_length=127)]
_HOUR_MS = 3_600_000


class Question(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``pattern``: alone, or as a whole destination, which names the exchange too; else ``system`` and ``message_type``
    do.  ``key`` or ``event``, the body of one, is what it is compared with.  ``partner``: an operator asks for it."""

    pattern: str
    system: Name | None = None
    message_type: Name | None = None
    key: str | None = None
    event: dict[str, Any] | None = None
    partner: Id | None = None


class Step(Struct, frozen=True):
    """What a word of the pattern took of the key.  ``fault``: why nothing; empty where it did."""

    number: int
    word: str
    took: list[str]
    fault: str


class Matched(Struct, frozen=True):
    """How many events; at least so many unless ``complete``, and then only those received until ``until`` were counted
    where it is not null."""

    events: int
    complete: bool
    until: str | None


class LastHour(Struct, frozen=True):
    """Since ``since``: what the pattern would have ``matched``, and all that was ``visible`` in the exchange to this
    subscriber, with some of those ``keys``, where it matched nothing."""

    since: str
    matched: Matched
    visible: Matched | None
    keys: list[str]


class Explained(Struct, frozen=True, kw_only=True):
    """``matches`` is null where there is nothing to compare with, ``visible`` where there is no key or no exchange.

    ``visible``: whether this subscriber would get the event.  ``pattern_faults``: why the pattern can match no event of
    the message type, ``access_faults``: why the subscriber would not see it, ``key_faults``: why there is no event
    with this key.  ``rest``: words of the key that were left over.  ``last_hour``: null without an exchange that the
    subscriber may see.
    """

    pattern: str
    exchange: str | None
    key: str | None
    matches: bool | None
    summary: str | None
    steps: list[Step]
    rest: list[str]
    visible: bool | None
    pattern_faults: list[str]
    access_faults: list[str]
    key_faults: list[str]
    last_hour: LastHour | None


@post("/explain", status_code=200, summary="Explain a pattern")
async def explain(request: HttpRequest, data: JSONBody[Question]) -> Explained:
    """Whether it matches, which word fails, whether the subscriber would see it, and what it would have matched in the
    last hour. Partners and services ask for themselves, operators for everybody or for a partner."""
    api = api_of(request)
    asker, disabled = await _asker(request, data)
    exchange, text = _exchange(data)
    pattern = _words(lambda: parse_pattern(text, api.limits), "/pattern")
    sight = None if exchange is None else look(api.broker.directory, asker, exchange, pattern, None)
    key = _key(api, asker, exchange, data, sight)
    words = None if key is None else _words(lambda: parse_key(key, api.limits), "/key")
    if exchange is not None and words is not None:
        sight = look(api.broker.directory, asker, exchange, pattern, words)
    comparison = None if words is None else matcher.explain(pattern, words)
    access = [*([disabled] if disabled else []), *(sight.access_faults if sight else [])]
    return Explained(
        pattern=".".join(pattern),
        exchange=exchange,
        key=key,
        matches=comparison.matches if comparison else None,
        summary=comparison.summary if comparison else None,
        steps=[Step(step.number, step.word, list(step.took), step.fault) for step in comparison.steps]
        if comparison
        else [],
        rest=list(comparison.rest) if comparison else [],
        visible=comparison.matches and not access and not sight.key_faults if comparison and sight else None,
        pattern_faults=sight.pattern_faults if sight else [],
        access_faults=access,
        key_faults=sight.key_faults if sight else [],
        last_hour=await _last_hour(api, sight.binding) if sight and sight.binding else None,
    )


async def _asker(request: HttpRequest, data: Question) -> tuple[Principal | None, str | None]:
    """For whom the question is (None: an operator), and why it cannot even log in."""
    principal = principal_of(request)
    if data.partner is None:
        return principal, None
    if principal is not None:
        if isinstance(principal, Partner) and principal.id == data.partner:
            return principal, None
        raise _refused("/partner", "Only an operator asks for others; leave it out.")
    try:
        entry = await found(request, of_table("partners"), data.partner, f"partner {data.partner}")
    except Refused:
        raise _refused("/partner", f"There is no partner {data.partner}.") from None
    known = api_of(request).broker.directory.principals.get(entry.email)
    if isinstance(known, Partner):
        return known, None
    return _as_partner(entry), f"Partner {entry.id} is disabled, so it cannot log in." if entry.disabled else None


def _as_partner(entry: PartnerEntry) -> Partner:
    granted = (f"{grant.system}_{name}" for grant in entry.grants for name in grant.message_types)
    return Partner(entry.id, entry.name, entry.email, frozenset(granted))


def _exchange(data: Question) -> tuple[str | None, str]:
    """The exchange that is meant, and the pattern alone."""
    if data.pattern.startswith("/"):
        if data.system is not None or data.message_type is not None:
            raise _refused(
                "/pattern", "It is a destination, which names the exchange: leave system and message_type out."
            )
        destination = _words(lambda: parse_destination(data.pattern), "/pattern")
        return destination.exchange, destination.key
    if (data.system is None) is not (data.message_type is None):
        missing = "system" if data.system is None else "message_type"
        raise _refused(f"/{missing}", "Both system and message_type name the exchange; give both or neither.")
    return None if data.system is None else f"{data.system}_{data.message_type}", data.pattern


def _key(api: Api, asker: Principal | None, exchange: str | None, data: Question, sight: Sight | None) -> str | None:
    """The key to compare with: as given, or as the event implies it."""
    if data.event is None:
        return data.key.rpartition("/")[2] if data.key is not None and data.key.startswith("/exchange/") else data.key
    if data.key is not None:
        raise _refused("/event", "Give key or event, not both.")
    if exchange is None:
        raise _refused("/message_type", "An event implies its key by its message type: name system and message_type.")
    if sight is None or sight.binding is None:
        return None
    message_type = api.broker.directory.exchanges[exchange].message_type
    try:
        return _implied_key(api, asker, message_type, message_type.read(msgspec.json.encode(data.event)))
    except BodyError as fault:
        faults = joined((f"/event{pointer}", detail) for pointer, detail in fault.faults)
        raise Refused(422, fault.message, fault.detail, faults) from None
    except DestinationError as fault:
        raise _refused("/event", fault.detail) from None


def _implied_key(api: Api, asker: Principal | None, message_type: MessageType, body: Any) -> str:
    """With the partner that asks, else the one that has the account; none where keys have no partner."""
    if isinstance(asker, Partner):
        return message_type.routing_key(body, asker.id)
    account_id = message_type.words(body).get("account")
    if account_id is None or not message_type.has_partner:
        return message_type.routing_key(body, None)
    account = api.broker.directory.account(int(account_id))
    if account is None:
        detail = f"No partner has an account {account_id}, so the event has no key."
        raise BodyError("Invalid body", detail, message_type.pointer("account"))
    return message_type.routing_key(body, account.partner_id)


async def _last_hour(api: Api, bound: Binding) -> LastHour:
    since_ms = time.time_ns() // 1_000_000 - _HOUR_MS
    start = Start(StartAt.TIMESTAMP, since_ms)
    matched, visible = await api.broker.count(bound, start), None
    if not matched.events:
        visible = await api.broker.count(replace(bound, pattern=(HASH,)), start)
    keys = (visible or matched).keys
    return LastHour(show_time(since_ms), _matched(matched), _matched(visible) if visible else None, list(keys))


def _matched(count: Count) -> Matched:
    until = None if count.until_ms is None else show_time(count.until_ms)
    return Matched(count.events, count.complete, until)


def _words(read: Callable[[], T], pointer: str) -> T:
    """What ``read`` gives; 422 with the field where it is not well formed."""
    try:
        return read()
    except ClientError as fault:
        raise _refused(pointer, fault.detail) from None


def _refused(pointer: str, detail: str) -> Refused:
    return Refused(422, "Invalid request", f"{pointer[1:]}: {detail}", {pointer: detail})


HANDLERS = [explain]
