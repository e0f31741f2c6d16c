"""Lists in pages: ``limit``, ``after``, and a ``Link`` to the next page (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.params import QueryParameter

from heliograph.server.http.api import Api

T = TypeVar("T")

Limit = Annotated[int | None, QueryParameter(ge=1, description="How many; at most page_items_max")]
After = Annotated[str | None, QueryParameter(description="As the Link of the page before has it")]
#: Where items have numbers.
AfterNumber = Annotated[
    int | None, QueryParameter(ge=0, le=2**63 - 1, description="As the Link of the page before has it")
]


def after_like(pattern: str) -> QueryParameter:
    """An ``After`` that looks like this."""
    return QueryParameter(pattern=pattern, description="As the Link of the page before has it")


def page_size(api: Api, limit: int | None) -> int:
    """``limit`` within what is allowed."""
    return min(limit or api.limits.page_items_default, api.limits.page_items_max)


def page(
    request: Request[Any, Any, Any],
    items: Iterable[T],
    key: Callable[[T], Any],
    limit: int | None,
    after: Any = None,
) -> Response[list[T]]:
    """The first items in the order of ``key`` that come after ``after``."""
    size = page_size(request.app.state.api, limit)
    found = sorted((item for item in items if after is None or key(item) > after), key=key)
    return linked(request, found[:size], size, key(found[size - 1]) if len(found) > size else None)


def page_of(
    request: Request[Any, Any, Any],
    items: Iterable[T],
    key: Callable[[T], Any],
    limit: int | None,
    after: Any = None,
) -> tuple[list[T], Any]:
    """The first of ``items``, which come in the order of ``key``, behind ``after``; and the key of the last of them
    where there are more."""
    size = page_size(request.app.state.api, limit)
    found = list(islice((item for item in items if after is None or key(item) > after), size + 1))
    return found[:size], key(found[size - 1]) if len(found) > size else None


def linked(request: Request[Any, Any, Any], items: list[T], size: int, after: Any, **filters: Any) -> Response[list[T]]:
    """One page; ``after``: of the next one, None where this is the last.  ``filters``: what else was asked for."""
    headers = {}
    if after is not None:
        query = urlencode({"limit": size, "after": after, **filters})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(items, headers=headers)
