"""The operator's own message types; the built-in ones are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict

from heliograph.directory.file import MessageTypeEntry
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, changed, made, removed, there
from heliograph.server.http.page import After, Limit, page
from heliograph.server.http.shapes import MessageTypeChange, MessageTypeShape

HttpRequest = Request[Any, Any, Any]


@get("/message-types", summary="List the operator's own message types")
async def list_message_types(
    request: HttpRequest, limit: Limit = None, after: After = None
) -> Response[list[MessageTypeShape]]:
    """In the order of their names."""
    file = await api_of(request).ask(lambda store: store.export())
    return page(request, map(_shape, file.message_types), lambda each: each.name, limit, after)


@post("/message-types", summary="Make a message type")
async def make_message_type(request: HttpRequest, data: JSONBody[MessageTypeShape]) -> Response[MessageTypeShape]:
    """It exists; then switch it on for a system."""
    edit = Edit("message_types", data.name, made(data.entry(data.name), f"a message type {data.name!r}"))
    await api_of(request).edit(edit, caller_of(request))
    return created(f"/message-types/{data.name}", data)


@get("/message-types/{message_type:str}", summary="Show a message type")
async def show_message_type(request: HttpRequest, message_type: FromPath[str]) -> MessageTypeShape:
    """With its schema."""
    file = await api_of(request).ask(lambda store: store.export())
    found = next((each for each in file.message_types if each.name == message_type), None)
    return _shape(there(found, f"message type {message_type!r} of your own"))


@put("/message-types/{message_type:str}", summary="Change a message type")
async def change_message_type(
    request: HttpRequest, message_type: FromPath[str], data: JSONBody[MessageTypeChange]
) -> MessageTypeShape:
    """What is sent replaces what is there; the next event is judged by it. What is stored stays as it was."""
    entry = data.entry(message_type)
    fields = {name: getattr(entry, name) for name in ("key", "body", "places", "actions", "source")}
    change = changed(f"message type {message_type!r}", **fields)
    await api_of(request).edit(Edit("message_types", message_type, change), caller_of(request))
    return _shape(entry)


@delete("/message-types/{message_type:str}", summary="Remove a message type")
async def remove_message_type(request: HttpRequest, message_type: FromPath[str]) -> None:
    """It must be switched off everywhere before."""
    edit = Edit("message_types", message_type, removed(f"message type {message_type!r}"))
    await api_of(request).edit(edit, caller_of(request))


def _shape(entry: MessageTypeEntry) -> MessageTypeShape:
    return MessageTypeShape(**asdict(entry))


HANDLERS = [list_message_types, make_message_type, show_message_type, change_message_type, remove_message_type]
