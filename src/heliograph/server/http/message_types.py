"""The operator's own message types; the built-in ones are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import MessageTypeEntry
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, made, removed
from heliograph.server.http.page import After, Limit, page

HttpRequest = Request[Any, Any, Any]


@get("/message-types", summary="List the operator's own message types")
async def list_message_types(
    request: HttpRequest, limit: Limit = None, after: After = None
) -> Response[list[MessageTypeEntry]]:
    """In the order of their names."""
    file = await api_of(request).ask(lambda store: store.export())
    return page(request, file.message_types, lambda each: each.name, limit, after)


@post("/message-types", summary="Make a message type")
async def make_message_type(request: HttpRequest, data: JSONBody[MessageTypeEntry]) -> Response[MessageTypeEntry]:
    """It exists; then switch it on for a system."""
    edit = Edit("message_types", data.name, made(data, f"a message type {data.name!r}"))
    await api_of(request).edit(edit, caller_of(request))
    return created(f"/message-types/{data.name}", data)


@delete("/message-types/{message_type:str}", summary="Remove a message type")
async def remove_message_type(request: HttpRequest, message_type: FromPath[str]) -> None:
    """It must be switched off everywhere before."""
    edit = Edit("message_types", message_type, removed(f"message type {message_type!r}"))
    await api_of(request).edit(edit, caller_of(request))


HANDLERS = [list_message_types, make_message_type, remove_message_type]
