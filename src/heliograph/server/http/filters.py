"""Which events a request asks for: its parameters, and the positions that lead to the next page or back into a stream.

positions = position *("," position)          ; each exchange once
position  = exchange ":" 1*18DIGIT            ; no exchange has a ":" or a "," in its name
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from heliograph.broker.history import Period
from heliograph.broker.selection import Wanted, select
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Binding
from heliograph.errors import DestinationError, LimitError
from heliograph.server.http.api import Api
from heliograph.server.http.problem import Refused

Account = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1, description="Of this account alone")]
Camera = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1, description="Of this camera alone")]
EventType = Annotated[
    str | None, QueryParameter(name="type", description="Of this event type, and of those that descend from it")
]
ExchangeName = Annotated[
    str | None, QueryParameter(name="exchange", description="Of this exchange alone, {system}_{message type}")
]
MessageTypeName = Annotated[
    str | None,
    QueryParameter(
        name="message_type",
        description="Of this message type, of every system. Absent, with exchange absent too: events, "
        "each once, in the fullest form that is granted",
    ),
]
From = Annotated[
    str | None,
    QueryParameter(
        name="from", format="date-time", description="Received then or later; RFC 3339, 2026-11-23T09:00:00Z"
    ),
]
To = Annotated[str | None, QueryParameter(name="to", format="date-time", description="Received before then; RFC 3339")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: RFC 3339 section 5.6, and the zone as the contract writes it (BODY-2).
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.IGNORECASE)
_POSITION = re.compile(r"([^:,]{1,255}):([0-9]{1,18})")


def check_names(request: Request[Any, Any, Any], known: frozenset[str]) -> None:
    """Refuse a parameter that there is not, or that comes twice: it would be a filter that does not filter."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise Refused(
                422, "Invalid request", f"There is no parameter {name!r}. There are {', '.join(sorted(known))}."
            )
        if names.count(name) > 1:
            raise Refused(422, "Invalid request", f"{name} comes {names.count(name)} times. Give it once.")


def bindings_of(api: Api, principal: Principal, wanted: Wanted) -> list[Binding]:
    """What is asked for, as far as ``principal`` may see it; see ``select``."""
    try:
        return select(api.broker.directory, principal, wanted, api.limits)
    except (DestinationError, LimitError) as error:
        raise Refused(422, error.message, error.detail) from None


def read_time(name: str, text: str | None) -> int | None:
    """RFC 3339 as milliseconds since 1970."""
    if text is None:
        return None
    spelled = re.sub(r"(?<=[\d]) (?=\d\d:?\d\d$)", "+", text)  # a '+' that was not encoded
    try:
        if _TIME.fullmatch(spelled) is None:
            raise ValueError
        moment = datetime.fromisoformat(spelled.upper())
    except ValueError:
        detail = (
            f"{name} is {text[:64]!r}; it is a time as RFC 3339 has it, such as 2026-11-23T09:00:00Z "
            "or 2026-11-23T10:00:00.000%2B01:00."
        )
        raise Refused(422, "Invalid request", detail) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def read_period(begin: str | None, end: str | None) -> Period:
    """``from`` and ``to``."""
    period = Period(read_time("from", begin), read_time("to", end))
    if period.from_ms is not None and period.to_ms is not None and period.from_ms > period.to_ms:
        raise Refused(422, "Invalid request", "from is later than to. Exchange them.")
    return period


def show_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as RFC 3339."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_positions(name: str, text: str, bindings: list[Binding]) -> dict[str, int]:
    """An offset for some of the exchanges of ``bindings``; ``name``: of what ``text`` stands in."""
    asked = {each.exchange for each in bindings}
    found: dict[str, int] = {}
    for part in text.split(",", len(asked)):
        position = _POSITION.fullmatch(part)
        if position is None or position[1] in found:
            detail = f"{name} is {text[:128]!r}, which was not given here. Repeat it as it came, or leave it out."
            raise Refused(422, "Invalid request", detail)
        if position[1] not in asked:
            detail = (
                f"{name} names the exchange {position[1]!r}, which is not asked for, or not granted any more. "
                "Repeat the filters of the request that it came from, or begin anew without it."
            )
            raise Refused(422, "Invalid request", detail)
        found[position[1]] = int(position[2])
    return found


def show_positions(positions: Mapping[str, int]) -> str:
    """See the module."""
    return ",".join(f"{exchange}:{offset}" for exchange, offset in positions.items())
