"""What a partner's events have been: the newest first, in pages."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter
from msgspec import Struct

from heliograph.broker.selection import Wanted
from heliograph.server.http.answers import api_of
from heliograph.server.http.bodies import strict_body
from heliograph.server.http.callers import consumers_only
from heliograph.server.http.events.told import Lost, Told, tell
from heliograph.server.http.filters import (
    Account,
    Camera,
    EventType,
    ExchangeName,
    From,
    MessageTypeName,
    To,
    bindings_of,
    check_names,
    read_period,
    read_positions,
    show_positions,
)
from heliograph.server.http.page import After

_NAMES = frozenset({"account", "camera", "type", "exchange", "message_type", "from", "to", "limit", "after"})

Limit = Annotated[int | None, QueryParameter(ge=1, description="How many; page_items_max where absent, and at most")]


class HistoryPage(Struct, frozen=True):
    """``gaps``: what would stand among or behind the events, and is not there any more."""

    events: list[Told]
    gaps: list[Lost]


@get(
    "/events",
    summary="Show events of the past",
    tags=["events"],
    security=[{"login": []}],
    guards=[consumers_only],
    before_request=strict_body,
)
async def list_events(
    request: Request[Any, Any, Any],
    account: Account = None,
    camera: Camera = None,
    event_type: EventType = None,
    exchange: ExchangeName = None,
    message_type: MessageTypeName = None,
    begin: From = None,
    end: To = None,
    limit: Limit = None,
    after: After = None,
) -> Response[HistoryPage]:
    """The newest first, by time of receipt.  Go on as long as there is a Link: a page may be short, or empty."""
    check_names(request, _NAMES)
    api, principal = api_of(request), request.scope["user"].principal
    period = read_period(begin, end)
    bindings = bindings_of(api, principal, Wanted(account, camera, event_type, exchange, message_type))
    befores = None if after is None else read_positions("after", after, bindings)
    size = min(limit or api.limits.page_items_max, api.limits.page_items_max)
    page = await api.history.page(principal, bindings, period, befores, size)
    headers = {"Cache-Control": "no-store"}
    if page.befores:
        query = dict(request.query_params.multi_items()) | {"limit": size, "after": show_positions(page.befores)}
        headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
    gaps = [Lost(name, gap.first, gap.last, gap.reason) for name, gap in page.missing]
    events = b",".join(map(tell, page.events))
    octets: Any = b'{"events":[%b],"gaps":%b}' % (events, msgspec.json.encode(gaps))
    return Response(octets, headers=headers, media_type="application/json")


HANDLERS = [list_events]
