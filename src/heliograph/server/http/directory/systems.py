"""Systems, and the message types that are switched on for each."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict, replace

from heliograph.directory.file import SystemEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, changed, made, not_there, removed
from heliograph.server.http.page import After, Limit
from heliograph.server.http.shapes import Made, Retention, SystemChange, SystemShape

HttpRequest = Request[Any, Any, Any]


@get("/systems", summary="List systems")
async def list_systems(request: HttpRequest, limit: Limit = None, after: After = None) -> Response[list[SystemShape]]:
    """In the order of their names."""
    return await listed(request, of_table("systems"), lambda each: each.name, _shape, limit, after)


@post("/systems", summary="Make a system")
async def make_system(request: HttpRequest, data: JSONBody[SystemShape]) -> Response[Made]:
    """The answer holds its first secret, which is not shown again."""
    secret = new_secret()
    entry = SystemEntry(
        name=data.name, secret=Secret(secret), message_types=data.message_types, retention=dict(data.retention)
    )
    await perform(request, Edit("systems", data.name, made(entry, f"a system {data.name!r}")))
    return created(f"/systems/{data.name}", Made(data.name, secret))


@get("/systems/{system:str}", operation_class=Tagged, summary="Show a system")
async def show_system(request: HttpRequest, system: FromPath[str]) -> Response[SystemShape]:
    """With the message types that are switched on."""
    entry = await found(request, of_table("systems"), system, f"system {system!r}")
    return shown(request, entry, _shape(entry))


@put("/systems/{system:str}", operation_class=Conditional, summary="Change a system")
async def change_system(request: HttpRequest, system: FromPath[str], data: JSONBody[SystemChange]) -> SystemShape:
    """What is sent replaces what is there; message types that are absent are switched off."""
    change = changed(f"system {system!r}", message_types=data.message_types, retention=data.retention)
    await perform(request, Edit("systems", system, change))
    return SystemShape(name=system, message_types=data.message_types, retention=data.retention)


@delete("/systems/{system:str}", operation_class=Conditional, summary="Remove a system")
async def remove_system(request: HttpRequest, system: FromPath[str]) -> None:
    """Its grants must be withdrawn before."""
    await perform(request, Edit("systems", system, removed(f"system {system!r}")))


@put(
    "/systems/{system:str}/message-types/{message_type:str}",
    operation_class=Conditional,
    summary="Switch a message type on",
)
async def switch_on(
    request: HttpRequest, system: FromPath[str], message_type: FromPath[str], data: JSONBody[Retention]
) -> Retention:
    """With a retention of its own, or an empty object."""

    def change(old: SystemEntry | None) -> SystemEntry:
        if old is None:
            raise not_there(f"system {system!r}")
        names = dict.fromkeys([*old.message_types, message_type])
        return replace(old, message_types=tuple(names), retention=old.retention | {message_type: data})

    def exists(old: SystemEntry) -> bool:
        return message_type in old.message_types

    await perform(request, Edit("systems", system, change, by_path=True, exists=exists))
    return data


@delete(
    "/systems/{system:str}/message-types/{message_type:str}",
    operation_class=Conditional,
    summary="Switch a message type off",
)
async def switch_off(request: HttpRequest, system: FromPath[str], message_type: FromPath[str]) -> None:
    """Grants of it must be withdrawn before."""

    def change(old: SystemEntry | None) -> SystemEntry:
        if old is None or message_type not in old.message_types:
            raise not_there(f"message type {message_type!r} switched on for system {system!r}")
        names = tuple(name for name in old.message_types if name != message_type)
        kept = {name: value for name, value in old.retention.items() if name != message_type}
        return replace(old, message_types=names, retention=kept)

    await perform(request, Edit("systems", system, change))


def _shape(entry: SystemEntry) -> SystemShape:
    retention = {name: Retention(**asdict(kept)) for name, kept in entry.retention.items()}
    return SystemShape(name=entry.name, message_types=entry.message_types, retention=retention)


HANDLERS = [list_systems, make_system, show_system, change_system, remove_system, switch_on, switch_off]
