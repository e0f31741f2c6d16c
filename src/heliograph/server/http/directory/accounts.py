"""A partner's accounts and their cameras."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import AccountEntry
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import Read, found, listed
from heliograph.server.http.edits import not_there, with_accounts
from heliograph.server.http.page import AfterNumber, Limit
from heliograph.server.http.problem import Refused
from heliograph.server.http.shapes import AccountChange, AccountShape

HttpRequest = Request[Any, Any, Any]
Accounts = dict[int, AccountEntry]


@get("/partners/{partner:int}/accounts", summary="List a partner's accounts")
async def list_accounts(
    request: HttpRequest, partner: FromPath[int], limit: Limit = None, after: AfterNumber = None
) -> Response[list[AccountShape]]:
    """In the order of their ids."""
    return await listed(request, _of_partner(partner), lambda each: each.id, _shape, limit, after)


@post("/partners/{partner:int}/accounts", summary="Make an account")
async def make_account(
    request: HttpRequest, partner: FromPath[int], data: JSONBody[AccountShape]
) -> Response[AccountShape]:
    """An account belongs to one partner."""

    def change(accounts: Accounts) -> None:
        if data.id in accounts:
            raise Refused(409, "Already there", f"There is already an account {data.id}. Change it with PUT.")
        accounts[data.id] = AccountEntry(id=data.id, cameras=data.cameras)

    await perform(request, with_accounts(partner, change))
    return created(f"/partners/{partner}/accounts/{data.id}", data)


@get("/partners/{partner:int}/accounts/{account:int}", operation_class=Tagged, summary="Show an account")
async def show_account(request: HttpRequest, partner: FromPath[int], account: FromPath[int]) -> Response[AccountShape]:
    """With its cameras."""
    entry = await found(request, _of_partner(partner), account, f"account {account} of this partner")
    return shown(request, entry, _shape(entry))


@put("/partners/{partner:int}/accounts/{account:int}", operation_class=Conditional, summary="Change an account")
async def change_account(
    request: HttpRequest, partner: FromPath[int], account: FromPath[int], data: JSONBody[AccountChange]
) -> AccountShape:
    """The cameras that are sent replace those that are there."""

    def change(accounts: Accounts) -> None:
        _of(accounts, account)
        accounts[account] = AccountEntry(id=account, cameras=data.cameras)

    await perform(request, with_accounts(partner, change, account))
    return AccountShape(id=account, cameras=data.cameras)


@delete("/partners/{partner:int}/accounts/{account:int}", operation_class=Conditional, summary="Remove an account")
async def remove_account(request: HttpRequest, partner: FromPath[int], account: FromPath[int]) -> None:
    """Its events are not taken any more."""

    def change(accounts: Accounts) -> None:
        _of(accounts, account)
        del accounts[account]

    await perform(request, with_accounts(partner, change, account))


@put(
    "/partners/{partner:int}/accounts/{account:int}/cameras/{camera:int}",
    opt={"without_body": True},
    operation_class=Conditional,
    summary="List a camera",
)
async def list_camera(
    request: HttpRequest, partner: FromPath[int], account: FromPath[int], camera: FromPath[int]
) -> AccountShape:
    """Listed again, nothing changes."""
    return await _with_cameras(request, partner, account, camera, lambda cameras: cameras | {camera})


@delete(
    "/partners/{partner:int}/accounts/{account:int}/cameras/{camera:int}",
    operation_class=Conditional,
    summary="Take a camera off the list",
)
async def remove_camera(
    request: HttpRequest, partner: FromPath[int], account: FromPath[int], camera: FromPath[int]
) -> None:
    """Its events are not taken any more."""

    def without(cameras: set[int]) -> set[int]:
        if camera not in cameras:
            raise not_there(f"camera {camera} listed for account {account}")
        return cameras - {camera}

    await _with_cameras(request, partner, account, camera, without)


async def _with_cameras(
    request: HttpRequest, partner: int, account: int, camera: int, change_cameras: Any
) -> AccountShape:
    cameras: tuple[int, ...] = ()

    def change(accounts: Accounts) -> None:
        nonlocal cameras
        listed = _of(accounts, account).cameras
        if listed is None:
            raise Refused(409, "Conflict", f"Account {account} has any camera. PUT a list of its cameras first.")
        cameras = tuple(sorted(change_cameras(set(listed))))
        accounts[account] = AccountEntry(id=account, cameras=cameras)

    def exists(entry: AccountEntry) -> bool:
        return camera in (entry.cameras or ())

    await perform(request, with_accounts(partner, change, account, by_path=True, exists=exists))
    return AccountShape(id=account, cameras=cameras)


def _of(accounts: Accounts, account: int) -> AccountEntry:
    if account not in accounts:
        raise not_there(f"account {account} of this partner")
    return accounts[account]


def _of_partner(partner: int) -> Read:
    return lambda store, span: store.accounts(partner, span)


def _shape(entry: AccountEntry) -> AccountShape:
    return AccountShape(id=entry.id, cameras=entry.cameras)


HANDLERS = [list_accounts, make_account, show_account, change_account, remove_account, list_camera, remove_camera]
