"""The operator's own message types; the built-in ones are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import MessageTypeEntry
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, changed, made, removed, there
from heliograph.server.http.page import After, Limit, page
from heliograph.server.http.shapes import MessageTypeChange

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


@get("/message-types/{message_type:str}", summary="Show a message type")
async def show_message_type(request: HttpRequest, message_type: FromPath[str]) -> MessageTypeEntry:
    """With its schema."""
    file = await api_of(request).ask(lambda store: store.export())
    found: MessageTypeEntry = there(
        next((each for each in file.message_types if each.name == message_type), None),
        f"message type {message_type!r} of your own",
    )
    return found


@put("/message-types/{message_type:str}", summary="Change a message type")
async def change_message_type(
    request: HttpRequest, message_type: FromPath[str], data: JSONBody[MessageTypeChange]
) -> MessageTypeEntry:
    """What is sent replaces what is there; the next event is judged by it. What is stored stays as it was."""
    entry = data.entry(message_type)
    fields = {name: getattr(entry, name) for name in ("key", "body", "places", "actions", "source")}
    change = changed(f"message type {message_type!r}", **fields)
    await api_of(request).edit(Edit("message_types", message_type, change), caller_of(request))
    return entry


@delete("/message-types/{message_type:str}", summary="Remove a message type")
async def remove_message_type(request: HttpRequest, message_type: FromPath[str]) -> None:
    """It must be switched off everywhere before."""
    edit = Edit("message_types", message_type, removed(f"message type {message_type!r}"))
    await api_of(request).edit(edit, caller_of(request))


HANDLERS = [list_message_types, make_message_type, show_message_type, change_message_type, remove_message_type]
