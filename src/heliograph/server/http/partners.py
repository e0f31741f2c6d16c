"""Partners and their grants."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec.structs import asdict, replace

from heliograph.directory.file import GrantEntry, PartnerEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, changed, made, not_there, removed
from heliograph.server.http.page import AfterNumber, Limit, page
from heliograph.server.http.shapes import Grant, Made, PartnerChange, PartnerShape

HttpRequest = Request[Any, Any, Any]


@get("/partners", summary="List partners")
async def list_partners(
    request: HttpRequest, limit: Limit = None, after: AfterNumber = None
) -> Response[list[PartnerShape]]:
    """In the order of their ids."""
    file = await api_of(request).ask(lambda store: store.export())
    return page(request, map(_shape, file.partners), lambda each: each.id, limit, after)


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
    await api_of(request).edit(Edit("partners", data.id, made(entry, f"a partner {data.id}")), caller_of(request))
    return created(f"/partners/{data.id}", Made(data.email, secret))


@get("/partners/{partner:int}", summary="Show a partner")
async def show_partner(request: HttpRequest, partner: FromPath[int]) -> PartnerShape:
    """With its grants."""
    return _shape(await find_partner(request, partner))


@put("/partners/{partner:int}", summary="Change a partner")
async def change_partner(request: HttpRequest, partner: FromPath[int], data: JSONBody[PartnerChange]) -> PartnerShape:
    """What is sent replaces what is there; ``disabled`` shuts it out. Its accounts and credentials stay."""
    fields = {"name": data.name, "email": data.email, "disabled": data.disabled, "quota": data.quota}
    fields["grants"] = _grants(data.grants)
    await api_of(request).edit(Edit("partners", partner, changed(f"partner {partner}", **fields)), caller_of(request))
    return PartnerShape(id=partner, **asdict(data))


@delete("/partners/{partner:int}", summary="Remove a partner")
async def remove_partner(request: HttpRequest, partner: FromPath[int]) -> None:
    """With its accounts and credentials."""
    await api_of(request).edit(Edit("partners", partner, removed(f"partner {partner}")), caller_of(request))


@put("/partners/{partner:int}/grants/{system:str}/{message_type:str}", opt={"without_body": True}, summary="Grant")
async def grant(
    request: HttpRequest, partner: FromPath[int], system: FromPath[str], message_type: FromPath[str]
) -> Grant:
    """One message type of one system; granted again, nothing changes."""
    granted = await _regrant(request, partner, system, lambda names: (*names, message_type))
    return Grant(system=system, message_types=granted)


@delete("/partners/{partner:int}/grants/{system:str}/{message_type:str}", summary="Withdraw a grant")
async def withdraw(
    request: HttpRequest, partner: FromPath[int], system: FromPath[str], message_type: FromPath[str]
) -> None:
    """One message type of one system."""

    def without(names: tuple[str, ...]) -> tuple[str, ...]:
        if message_type not in names:
            raise not_there(f"grant of {system}/{message_type} to partner {partner}")
        return tuple(name for name in names if name != message_type)

    await _regrant(request, partner, system, without)


async def _regrant(request: HttpRequest, partner: int, system: str, change: Any) -> tuple[str, ...]:
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

    await api_of(request).edit(Edit("partners", partner, of_partner, by_path=True), caller_of(request))
    return now


async def find_partner(request: HttpRequest, partner: int) -> PartnerEntry:
    """The partner's entry, or 404."""
    file = await api_of(request).ask(lambda store: store.export())
    found = next((each for each in file.partners if each.id == partner), None)
    if found is None:
        raise not_there(f"partner {partner}")
    return found


def _grants(grants: tuple[Grant, ...]) -> tuple[GrantEntry, ...]:
    return tuple(GrantEntry(system=each.system, message_types=each.message_types) for each in grants)


def _shape(entry: PartnerEntry) -> PartnerShape:
    grants = tuple(Grant(system=each.system, message_types=each.message_types) for each in entry.grants)
    return PartnerShape(
        id=entry.id, name=entry.name, email=entry.email, disabled=entry.disabled, quota=entry.quota, grants=grants
    )


HANDLERS = [list_partners, make_partner, show_partner, change_partner, remove_partner, grant, withdraw]
