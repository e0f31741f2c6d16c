"""The operator's own event types; the sixteen of the catalogue are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import EventTypeEntry
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, changed, made, removed
from heliograph.server.http.page import After, Limit
from heliograph.server.http.shapes import EventTypeChange, EventTypeShape

HttpRequest = Request[Any, Any, Any]


@get("/event-types", summary="List the operator's own event types")
async def list_event_types(
    request: HttpRequest, limit: Limit = None, after: After = None
) -> Response[list[EventTypeShape]]:
    """In the order of their names."""
    return await listed(request, of_table("event_types"), lambda each: each.name, _shape, limit, after)


@post("/event-types", summary="Make an event type")
async def make_event_type(request: HttpRequest, data: JSONBody[EventTypeShape]) -> Response[EventTypeShape]:
    """Below its supertype in the tree, so that who subscribes to that receives it too; without one, a root."""
    entry = EventTypeEntry(name=data.name, supertype=data.supertype)
    edit = Edit("event_types", data.name, made(entry, f"an event type {data.name!r}"))
    await perform(request, edit)
    return created(f"/event-types/{data.name}", data)


@get("/event-types/{event_type:str}", operation_class=Tagged, summary="Show an event type")
async def show_event_type(request: HttpRequest, event_type: FromPath[str]) -> Response[EventTypeShape]:
    """With its supertype."""
    entry = await found(request, of_table("event_types"), event_type, f"event type {event_type!r} of yours")
    return shown(request, entry, _shape(entry))


@put("/event-types/{event_type:str}", operation_class=Conditional, summary="Move an event type")
async def change_event_type(
    request: HttpRequest, event_type: FromPath[str], data: JSONBody[EventTypeChange]
) -> EventTypeShape:
    """Below another supertype. What is stored keeps the path that it had."""
    change = changed(f"event type {event_type!r}", supertype=data.supertype)
    await perform(request, Edit("event_types", event_type, change))
    return EventTypeShape(name=event_type, supertype=data.supertype)


@delete("/event-types/{event_type:str}", operation_class=Conditional, summary="Remove an event type")
async def remove_event_type(request: HttpRequest, event_type: FromPath[str]) -> None:
    """Those below it must be moved or removed before."""
    edit = Edit("event_types", event_type, removed(f"event type {event_type!r}"))
    await perform(request, edit)


def _shape(entry: EventTypeEntry) -> EventTypeShape:
    return EventTypeShape(name=entry.name, supertype=entry.supertype)


HANDLERS = [list_event_types, make_event_type, show_event_type, change_event_type, remove_event_type]
