"""The operator's own event types; the sixteen of the catalogue are always there."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import EventTypeEntry
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, changed, made, removed, there
from heliograph.server.http.page import After, Limit, page
from heliograph.server.http.shapes import EventTypeChange, EventTypeShape

HttpRequest = Request[Any, Any, Any]


@get("/event-types", summary="List the operator's own event types")
async def list_event_types(
    request: HttpRequest, limit: Limit = None, after: After = None
) -> Response[list[EventTypeShape]]:
    """In the order of their names."""
    file = await api_of(request).ask(lambda store: store.export())
    return page(request, map(_shape, file.event_types), lambda each: each.name, limit, after)


@post("/event-types", summary="Make an event type")
async def make_event_type(request: HttpRequest, data: JSONBody[EventTypeShape]) -> Response[EventTypeShape]:
    """Below its supertype in the tree, so that who subscribes to that receives it too; without one, a root."""
    entry = EventTypeEntry(name=data.name, supertype=data.supertype)
    edit = Edit("event_types", data.name, made(entry, f"an event type {data.name!r}"))
    await api_of(request).edit(edit, caller_of(request))
    return created(f"/event-types/{data.name}", data)


@get("/event-types/{event_type:str}", summary="Show an event type")
async def show_event_type(request: HttpRequest, event_type: FromPath[str]) -> EventTypeShape:
    """With its supertype."""
    file = await api_of(request).ask(lambda store: store.export())
    found = next((each for each in file.event_types if each.name == event_type), None)
    return _shape(there(found, f"event type {event_type!r} of yours"))


@put("/event-types/{event_type:str}", summary="Move an event type")
async def change_event_type(
    request: HttpRequest, event_type: FromPath[str], data: JSONBody[EventTypeChange]
) -> EventTypeShape:
    """Below another supertype. What is stored keeps the path that it had."""
    change = changed(f"event type {event_type!r}", supertype=data.supertype)
    await api_of(request).edit(Edit("event_types", event_type, change), caller_of(request))
    return EventTypeShape(name=event_type, supertype=data.supertype)


@delete("/event-types/{event_type:str}", summary="Remove an event type")
async def remove_event_type(request: HttpRequest, event_type: FromPath[str]) -> None:
    """Those below it must be moved or removed before."""
    edit = Edit("event_types", event_type, removed(f"event type {event_type!r}"))
    await api_of(request).edit(edit, caller_of(request))


def _shape(entry: EventTypeEntry) -> EventTypeShape:
    return EventTypeShape(name=entry.name, supertype=entry.supertype)


HANDLERS = [list_event_types, make_event_type, show_event_type, change_event_type, remove_event_type]
