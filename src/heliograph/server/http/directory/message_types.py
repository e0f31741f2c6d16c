"""The operator's own message types; the built-in ones are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict

from heliograph.directory.file import MessageTypeEntry
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, changed, made, removed
from heliograph.server.http.page import After, Limit
from heliograph.server.http.shapes import MessageTypeChange, MessageTypeShape

HttpRequest = Request[Any, Any, Any]


@get("/message-types", summary="List the operator's own message types")
async def list_message_types(
    request: HttpRequest, limit: Limit = None, after: After = None
) -> Response[list[MessageTypeShape]]:
    """In the order of their names."""
    return await listed(request, of_table("message_types"), lambda each: each.name, _shape, limit, after)


@post("/message-types", summary="Make a message type")
async def make_message_type(request: HttpRequest, data: JSONBody[MessageTypeShape]) -> Response[MessageTypeShape]:
    """It exists; then switch it on for a system."""
    edit = Edit("message_types", data.name, made(data.entry(data.name), f"a message type {data.name!r}"))
    await perform(request, edit)
    return created(f"/message-types/{data.name}", data)


@get("/message-types/{message_type:str}", operation_class=Tagged, summary="Show a message type")
async def show_message_type(request: HttpRequest, message_type: FromPath[str]) -> Response[MessageTypeShape]:
    """With its schema."""
    entry = await found(request, of_table("message_types"), message_type, f"message type {message_type!r} of your own")
    return shown(request, entry, _shape(entry))


@put("/message-types/{message_type:str}", operation_class=Conditional, summary="Change a message type")
async def change_message_type(
    request: HttpRequest, message_type: FromPath[str], data: JSONBody[MessageTypeChange]
) -> MessageTypeShape:
    """What is sent replaces what is there; the next event is judged by it. What is stored stays as it was."""
    entry = data.entry(message_type)
    fields = {name: getattr(entry, name) for name in ("key", "body", "places", "actions", "source")}
    change = changed(f"message type {message_type!r}", **fields)
    await perform(request, Edit("message_types", message_type, change))
    return _shape(entry)


@delete("/message-types/{message_type:str}", operation_class=Conditional, summary="Remove a message type")
async def remove_message_type(request: HttpRequest, message_type: FromPath[str]) -> None:
    """It must be switched off everywhere before."""
    edit = Edit("message_types", message_type, removed(f"message type {message_type!r}"))
    await perform(request, edit)


def _shape(entry: MessageTypeEntry) -> MessageTypeShape:
    return MessageTypeShape(**asdict(entry))


HANDLERS = [list_message_types, make_message_type, show_message_type, change_message_type, remove_message_type]
