"""Every resource in one Litestar application."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from heliograph.errors import HeliographError
from heliograph.server.http import ingest
from heliograph.server.http.api import Api
from heliograph.server.http.problem import on_error, on_fault, on_http_error, on_timeout

HANDLERS: list[Any] = [*ingest.HANDLERS]


def make_app(api: Api) -> Litestar:
    """The application; ``api`` is what its handlers work on."""
    return Litestar(
        HANDLERS,
        state=State({"api": api}),
        middleware=[_within(api.limits.http_request_ms_max / 1000)],
        exception_handlers={
            HeliographError: on_error,
            HTTPException: on_http_error,
            TimeoutError: on_timeout,
            Exception: on_fault,
        },
        request_max_body_size=api.limits.ingest_bytes_max,
        openapi_config=None,
        logging_config=None,
    )


def _within(seconds: float) -> Any:
    """A middleware: TimeoutError where a request takes longer."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            async with asyncio.timeout(seconds):
                await app(scope, receive, send)

        return limited

    return middleware
