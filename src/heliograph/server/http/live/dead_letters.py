"""Dead letters of a durable subscription: its owner and operators read them, put them back, or forget them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from time import perf_counter
from typing import Annotated, Any

import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from heliograph.broker.authorization import binding
from heliograph.engine.interface import Binding, DeadLetter, DurableView, Event
from heliograph.server.http.answers import api_of, caller_of, stored
from heliograph.server.http.edits import not_there
from heliograph.server.http.filters import show_time
from heliograph.server.http.live.subscriptions import Live, find_subscription, principal_of
from heliograph.server.http.page import AfterNumber, Limit, linked, page_size
from heliograph.topic.destination import Destination
from heliograph.topic.matcher import matches

log = structlog.get_logger("heliograph.http")

HttpRequest = Request[Any, Any, Any]
#: Reading may keep the loop so long in one go, seconds.
_SLICE_S = 0.002


class DeadLetterShape(Struct, frozen=True, kw_only=True):
    """``offset``: in its exchange.  ``key`` and ``received_at``: null where the event is not kept any more."""

    offset: int
    deliveries: int
    reason: str
    key: str | None
    received_at: str | None


class DeadLetterBody(DeadLetterShape, frozen=True, kw_only=True):
    """With what was published.  ``body``: the text, or null where it is not UTF-8; ``body_base64`` then."""

    headers: dict[str, str]
    body: str | None
    body_base64: str | None


class Chosen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``offsets``: those alone; null or absent: all. What is not there is passed over."""

    offsets: Annotated[tuple[int, ...], Meta(max_length=10_000)] | None = None


class Settled(Struct, frozen=True):
    """How many there were."""

    count: int


@get("/subscriptions/{subscription:str}/dead-letters", summary="List dead letters")
async def list_dead_letters(
    request: HttpRequest, subscription: FromPath[str], limit: Limit = None, after: AfterNumber = None
) -> Response[list[DeadLetterShape]]:
    """In the order of their offsets, without their bodies."""
    view, rights = _find(request, subscription)
    size = page_size(api_of(request), limit)
    found: list[DeadLetterShape] = []
    slices = _Slices()
    for letter in _letters(view, after or 0):
        event = view.event_at(letter.offset)
        if _seen(event, rights):
            if len(found) == size:
                return linked(request, found, size, found[-1].offset)
            found.append(_shape(letter, event))
        await slices.pause()
    return linked(request, found, size, None)


@get("/subscriptions/{subscription:str}/dead-letters/{offset:int}", summary="Show a dead letter")
async def show_dead_letter(request: HttpRequest, subscription: FromPath[str], offset: FromPath[int]) -> DeadLetterBody:
    """With its body."""
    view, rights = _find(request, subscription)
    letter = view.dead.get(offset)
    event = None if letter is None else view.event_at(offset)
    if letter is None or event is None or not _seen(event, rights):
        raise not_there(f"dead letter {offset} of this subscription")
    return _with_body(letter, event)


@post("/subscriptions/{subscription:str}/dead-letters/replay", status_code=200, summary="Replay dead letters")
async def replay_dead_letters(request: HttpRequest, subscription: FromPath[str], data: JSONBody[Chosen]) -> Settled:
    """They go back to the subscription, and come before everything new, as if they had never been delivered."""
    view, rights = _find(request, subscription)
    chosen = await _choose(view, rights, data)
    log.info("dead letters replayed", by=caller_of(request), subscription=subscription, count=len(chosen))
    await stored(lambda confirm: view.revive(chosen, confirm))
    return Settled(len(chosen))


@post("/subscriptions/{subscription:str}/dead-letters/purge", status_code=200, summary="Purge dead letters")
async def purge_dead_letters(request: HttpRequest, subscription: FromPath[str], data: JSONBody[Chosen]) -> Settled:
    """They are forgotten."""
    view, rights = _find(request, subscription)
    chosen = await _choose(view, rights, data)
    log.info("dead letters purged", by=caller_of(request), subscription=subscription, count=len(chosen))
    await stored(lambda confirm: view.purge(chosen, confirm))
    return Settled(len(chosen))


def _find(request: HttpRequest, subscription: str) -> tuple[DurableView, tuple[tuple[str, ...], ...]]:
    """The subscription, and of which rights an event must meet one; AccessError where its owner may not see it now."""
    found = find_subscription(request, subscription)
    if isinstance(found, Live):
        raise not_there("durable subscription of this id; a live one has no dead letters")
    principal, held = principal_of(request), found.binding
    if principal is None:
        return found, ()
    where = Destination(held.exchange, ".".join(held.pattern))
    now: Binding = binding(api_of(request).broker.directory, principal, where, held.pattern)
    return found, now.rights


def _letters(view: DurableView, behind: int) -> Iterator[DeadLetter]:
    """As they are now, in the order of their offsets; those that are gone when their turn comes are passed over."""
    for offset in sorted(offset for offset in view.dead if offset > behind):
        letter = view.dead.get(offset)
        if letter is not None:
            yield letter


async def _choose(view: DurableView, rights: tuple[tuple[str, ...], ...], wanted: Chosen) -> list[int]:
    """The offsets that are meant; what was delivered under further rights stays where it is."""
    offsets = None if wanted.offsets is None else frozenset(wanted.offsets)
    found = []
    slices = _Slices()
    for letter in _letters(view, 0):
        if offsets is None or letter.offset in offsets:
            if not rights or _seen(view.event_at(letter.offset), rights):
                found.append(letter.offset)
            await slices.pause()
    return [offset for offset in found if offset in view.dead]


def _seen(event: Event | None, rights: tuple[tuple[str, ...], ...]) -> bool:
    if not rights:
        return True
    words = () if event is None else tuple(event.envelope.key.split("."))
    return bool(words) and any(matches(right, words) for right in rights)


def _shape(letter: DeadLetter, event: Event | None) -> DeadLetterShape:
    return DeadLetterShape(
        offset=letter.offset,
        deliveries=letter.count,
        reason=letter.reason,
        key=event.envelope.key if event else None,
        received_at=show_time(event.received_ms) if event else None,
    )


def _with_body(letter: DeadLetter, event: Event) -> DeadLetterBody:
    text: str | None
    try:
        text = event.body.decode()
    except UnicodeDecodeError:
        text = None
    return DeadLetterBody(
        offset=letter.offset,
        deliveries=letter.count,
        reason=letter.reason,
        key=event.envelope.key,
        received_at=show_time(event.received_ms),
        headers=dict(event.envelope.headers),
        body=text,
        body_base64=base64.b64encode(event.body).decode() if text is None else None,
    )


class _Slices:
    """Lets others run in between."""

    def __init__(self) -> None:
        self._until = perf_counter() + _SLICE_S

    async def pause(self) -> None:
        if perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = perf_counter() + _SLICE_S


HANDLERS = [list_dead_letters, show_dead_letter, replay_dead_letters, purge_dead_letters]
