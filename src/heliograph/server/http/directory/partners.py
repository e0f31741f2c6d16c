"""Partners and their grants."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict, replace

from heliograph.directory.file import GrantEntry, PartnerEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, changed, made, not_there, removed
from heliograph.server.http.page import AfterNumber, Limit
from heliograph.server.http.shapes import Grant, Made, PartnerChange, PartnerShape

HttpRequest = Request[Any, Any, Any]


@get("/partners", summary="List partners")
async def list_partners(
    request: HttpRequest, limit: Limit = None, after: AfterNumber = None
) -> Response[list[PartnerShape]]:
    """In the order of their ids."""
    return await listed(request, of_table("partners"), lambda each: each.id, _shape, limit, after)


@post("/partners", summary="Make a partner")
async def make_partner(request: HttpRequest, data: JSONBody[PartnerShape]) -> Response[Made]:
    """The answer holds its first password, which is not shown again."""
    secret = new_secret()
    entry = PartnerEntry(
        id=data.id,
        name=data.name,
        email=data.email,
        password=Secret(secret),
        disabled=data.disabled,
        quota=data.quota,
        grants=_grants(data.grants),
    )
    await perform(request, Edit("partners", data.id, made(entry, f"a partner {data.id}")))
    return created(f"/partners/{data.id}", Made(data.email, secret))


@get("/partners/{partner:int}", operation_class=Tagged, summary="Show a partner")
async def show_partner(request: HttpRequest, partner: FromPath[int]) -> Response[PartnerShape]:
    """With its grants."""
    entry = await found(request, of_table("partners"), partner, f"partner {partner}")
    return shown(request, entry, _shape(entry))


@put("/partners/{partner:int}", operation_class=Conditional, summary="Change a partner")
async def change_partner(request: HttpRequest, partner: FromPath[int], data: JSONBody[PartnerChange]) -> PartnerShape:
    """What is sent replaces what is there; ``disabled`` shuts it out. Its accounts and credentials stay."""
    fields = {"name": data.name, "email": data.email, "disabled": data.disabled, "quota": data.quota}
    fields["grants"] = _grants(data.grants)
    await perform(request, Edit("partners", partner, changed(f"partner {partner}", **fields)))
    return PartnerShape(id=partner, **asdict(data))


@delete("/partners/{partner:int}", operation_class=Conditional, summary="Remove a partner")
async def remove_partner(request: HttpRequest, partner: FromPath[int]) -> None:
    """With its accounts and credentials."""
    await perform(request, Edit("partners", partner, removed(f"partner {partner}")))


@put(
    "/partners/{partner:int}/grants/{system:str}/{message_type:str}",
    opt={"without_body": True},
    operation_class=Conditional,
    summary="Grant",
)
async def grant(
    request: HttpRequest, partner: FromPath[int], system: FromPath[str], message_type: FromPath[str]
) -> Grant:
    """One message type of one system; granted again, nothing changes."""
    granted = await _regrant(request, partner, system, message_type, lambda names: (*names, message_type))
    return Grant(system=system, message_types=granted)


@delete(
    "/partners/{partner:int}/grants/{system:str}/{message_type:str}",
    operation_class=Conditional,
    summary="Withdraw a grant",
)
async def withdraw(
    request: HttpRequest, partner: FromPath[int], system: FromPath[str], message_type: FromPath[str]
) -> None:
    """One message type of one system."""

    def without(names: tuple[str, ...]) -> tuple[str, ...]:
        if message_type not in names:
            raise not_there(f"grant of {system}/{message_type} to partner {partner}")
        return tuple(name for name in names if name != message_type)

    await _regrant(request, partner, system, message_type, without)


async def _regrant(request: HttpRequest, partner: int, system: str, message_type: str, change: Any) -> tuple[str, ...]:
    now: tuple[str, ...] = ()

    def of_partner(old: PartnerEntry | None) -> PartnerEntry:
        nonlocal now
        if old is None:
            raise not_there(f"partner {partner}")
        granted = {each.system: each.message_types for each in old.grants}
        now = tuple(dict.fromkeys(change(granted.get(system, ()))))
        granted[system] = now
        grants = tuple(GrantEntry(system=name, message_types=names) for name, names in granted.items() if names)
        return replace(old, grants=grants)

    def exists(old: PartnerEntry) -> bool:
        return any(each.system == system and message_type in each.message_types for each in old.grants)

    await perform(request, Edit("partners", partner, of_partner, by_path=True, exists=exists))
    return now


def _grants(grants: tuple[Grant, ...]) -> tuple[GrantEntry, ...]:
    return tuple(GrantEntry(system=each.system, message_types=each.message_types) for each in grants)


def _shape(entry: PartnerEntry) -> PartnerShape:
    grants = tuple(Grant(system=each.system, message_types=each.message_types) for each in entry.grants)
    return PartnerShape(
        id=entry.id, name=entry.name, email=entry.email, disabled=entry.disabled, quota=entry.quota, grants=grants
    )


HANDLERS = [list_partners, make_partner, show_partner, change_partner, remove_partner, grant, withdraw]
