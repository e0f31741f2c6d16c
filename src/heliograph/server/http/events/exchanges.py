"""What each exchange holds, and how long."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from msgspec import UNSET, Struct, UnsetType

from heliograph.broker.selection import readable
from heliograph.directory.directory import Exchange
from heliograph.directory.file import RetentionEntry
from heliograph.server.http.answers import api_of
from heliograph.server.http.api import Api
from heliograph.server.http.bodies import strict_body
from heliograph.server.http.callers import anybody_known
from heliograph.server.http.filters import show_time
from heliograph.server.http.page import After, Limit, page


class ExchangeShape(Struct, frozen=True):
    """``first_offset``: none lower is kept.  ``last_offset``, ``oldest_at`` (time of receipt): null without events.

    ``retention``: what holds for it.  ``size_bytes``, ``events``: told to operators, and to its system.
    """

    name: str
    system: str
    message_type: str
    first_offset: int
    last_offset: int | None
    oldest_at: str | None
    retention: RetentionEntry
    size_bytes: int | UnsetType = UNSET
    events: int | UnsetType = UNSET


@get("/exchanges", summary="List exchanges", tags=["exchanges"], guards=[anybody_known], before_request=strict_body)
async def list_exchanges(
    request: Request[Any, Any, Any], limit: Limit = None, after: After = None
) -> Response[list[ExchangeShape]]:
    """In the order of their names: operators see all, others what they may read, or what is their own."""
    api, caller = api_of(request), request.scope["user"]
    directory = api.broker.directory
    if caller.principal is None:
        found = list(directory.exchanges.values())
    else:
        found = readable(directory, caller.principal)
    return page(
        request,
        [_shape(api, each, caller.is_operator or caller.login == each.system) for each in found],
        lambda each: each.name,
        limit,
        after,
    )


def _shape(api: Api, exchange: Exchange, whole: bool) -> ExchangeShape:
    """``whole``: with what tells how much others have published."""
    extent, limits = api.broker.history(exchange.name).extent, api.limits
    return ExchangeShape(
        exchange.name,
        exchange.system,
        exchange.message_type.name,
        extent.first_offset,
        extent.last_offset,
        None if extent.oldest_ms is None else show_time(extent.oldest_ms),
        RetentionEntry(
            log_ms_max=exchange.log_ms_max or limits.log_ms_max,
            log_bytes_max=exchange.log_bytes_max or limits.log_bytes_max,
        ),
        extent.size_bytes if whole else UNSET,
        extent.events if whole else UNSET,
    )


HANDLERS = [list_exchanges]
