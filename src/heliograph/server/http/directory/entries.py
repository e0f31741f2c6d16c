"""What is stored, as lists in pages and one by one: no more is read than is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from litestar import Request, Response

from heliograph.directory.store.reading import Span
from heliograph.directory.store.store import DirectoryStore
from heliograph.server.http.answers import api_of
from heliograph.server.http.edits import not_there
from heliograph.server.http.page import linked, page_size

T = TypeVar("T")

HttpRequest = Request[Any, Any, Any]
Read = Callable[[DirectoryStore, Span], Sequence[Any]]


def of_table(table: str) -> Read:
    """Reads a table of the directory's file."""
    return lambda store, span: store.entries(table, span)


async def listed(
    request: HttpRequest,
    read: Read,
    key: Callable[[Any], Any],
    shape: Callable[[Any], T],
    limit: int | None,
    after: str | int | None,
) -> Response[list[T]]:
    """One page of what ``read`` gives, by ``key``, each as ``shape`` makes it."""
    size = page_size(api_of(request), limit)
    found = await api_of(request).ask(lambda store: read(store, Span(after=after, limit=size + 1)))
    last = key(found[size - 1]) if len(found) > size else None
    return linked(request, [shape(each) for each in found[:size]], size, last)


async def found(request: HttpRequest, read: Read, key: str | int, what: str) -> Any:
    """The entry that has ``key``, or 404."""
    entries = await api_of(request).ask(lambda store: read(store, Span(key=key)))
    if not entries:
        raise not_there(what)
    return entries[0]
