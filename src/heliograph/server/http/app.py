"""Every resource in one Litestar application."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from heliograph.errors import HeliographError
from heliograph.limits import Limits
from heliograph.server.http import description
from heliograph.server.http.api import Api
from heliograph.server.http.bodies import strict_body
from heliograph.server.http.callers import consumers_and_operators, json_only, operators_only
from heliograph.server.http.directory import (
    accounts,
    audit,
    credentials,
    event_types,
    message_types,
    operators,
    partners,
    services,
    systems,
)
from heliograph.server.http.events import exchanges, history, ingest, stream
from heliograph.server.http.live import connections, dead_letters, explain, subscriptions
from heliograph.server.http.problem import on_error, on_fault, on_http_error, on_nested, on_timeout

_ADMINISTRATION = (
    systems, partners, accounts, services, operators, event_types, message_types, credentials, audit, connections
)  # fmt: skip
#: What partners and services may do with what is their own, and operators with everything.
_THEIR_OWN = (subscriptions, dead_letters, explain)

_Security = list[dict[str, list[str]]]
_OPERATOR: _Security = [{"operator": []}]
_ANYBODY: _Security = [{"operator": []}, {"login": []}]


def described(json_bytes_max: int = Limits().http_json_bytes_max) -> list[Any]:
    """All handlers but those that describe them.  ``json_bytes_max``: of a body that is not one of events."""
    administration = [_router(room, operators_only, _OPERATOR, json_bytes_max) for room in _ADMINISTRATION]
    their_own = [_router(room, consumers_and_operators, _ANYBODY, json_bytes_max) for room in _THEIR_OWN]
    events = [*ingest.HANDLERS, *history.HANDLERS, *stream.HANDLERS, *exchanges.HANDLERS]
    return [*events, *administration, *their_own]


def _router(room: Any, guard: Any, security: _Security, json_bytes_max: int) -> Router:
    return Router(
        "",
        route_handlers=room.HANDLERS,
        guards=[guard, json_only],
        before_request=strict_body,
        request_max_body_size=json_bytes_max,
        tags=[room.__name__.rpartition(".")[2]],
        security=security,
    )


def make_app(api: Api) -> Litestar:
    """The application; ``api`` is what its handlers work on."""
    return Litestar(
        [*described(api.limits.http_json_bytes_max), *description.handlers(described)],
        state=State({"api": api}),
        middleware=[_within(api.limits.http_request_ms_max / 1000), _options],
        exception_handlers={
            HeliographError: on_error,
            HTTPException: on_http_error,
            RecursionError: on_nested,
            TimeoutError: on_timeout,
            Exception: on_fault,
        },
        request_max_body_size=api.limits.http_body_bytes_max,
        openapi_config=None,
        logging_config=None,
    )


def _options(app: ASGIApp) -> ASGIApp:
    """A middleware: which methods a path has.  Litestar's own answer knows those of its first handler alone."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "OPTIONS":
            await app(scope, receive, send)
            return
        routes = (route for route in scope["litestar_app"].routes if route.path_format == scope["path_template"])
        allowed = ", ".join(sorted({method for route in routes for method in route.methods}))
        await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed.encode())]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answered


def _within(seconds: float) -> Any:
    """A middleware: TimeoutError where a request takes longer; ``limit`` in its state is for what has no end."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            async with asyncio.timeout(seconds) as limit:
                scope["state"]["limit"] = limit
                await app(scope, receive, send)

        return limited

    return middleware
