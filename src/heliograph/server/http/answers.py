"""What handlers share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from litestar import Request, Response

from heliograph.engine.interface import Confirm
from heliograph.errors import HeliographError
from heliograph.server.http.api import Api

T = TypeVar("T")


def api_of(request: Request[Any, Any, Any]) -> Api:
    """What the application works on."""
    api: Api = request.app.state.api
    return api


def caller_of(request: Request[Any, Any, Any]) -> str:
    """The operator, for the audit."""
    login: str = request.scope["user"].login
    return login


def created(path: str, made: T) -> Response[T]:
    """201, with where it is; a secret in it is nobody's to keep."""
    return Response(made, status_code=201, headers={"Location": quote(path, safe="/@"), "Cache-Control": "no-store"})


async def stored(act: Callable[[Confirm], None]) -> None:
    """Do ``act``, and wait until it is confirmed; or raise what went wrong."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirm(error: HeliographError | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    act(confirm)
    await done
