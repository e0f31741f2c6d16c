"""Credentials of whoever logs in.  A secret is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.secret import Secret, new_secret
from heliograph.directory.store.reading import StoredCredential
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.directory.conditions import Conditional, Tagged, conditions_of, shown
from heliograph.server.http.edits import there
from heliograph.server.http.page import AfterNumber, Limit, page
from heliograph.server.http.shapes import MadeCredential, NewCredential, Rotation

HttpRequest = Request[Any, Any, Any]


@get("/logins/{login:str}/credentials", summary="List credentials")
async def list_credentials(
    request: HttpRequest, login: FromPath[str], limit: Limit = None, after: AfterNumber = None
) -> Response[list[StoredCredential]]:
    """Ended ones too, in the order of their making; never a secret."""
    found = await api_of(request).ask(lambda store: store.credentials(login))
    return page(request, found, lambda each: each.id, limit, after)


@post("/logins/{login:str}/credentials", summary="Make a credential")
async def make_credential(
    request: HttpRequest, login: FromPath[str], data: JSONBody[NewCredential]
) -> Response[MadeCredential]:
    """One more; the others stay."""
    secret, who, name = new_secret(), caller_of(request), data.name
    made = await api_of(request).write(
        lambda store: store.add_credential(login, name, Secret(secret), who, data.expires_ms)
    )
    return _answer(made, secret)


@post("/logins/{login:str}/credentials/rotation", summary="Rotate a credential")
async def rotate_credential(
    request: HttpRequest, login: FromPath[str], data: JSONBody[Rotation]
) -> Response[MadeCredential]:
    """A new one of the same name; the one before ends after ``overlap_ms``."""
    secret, who, name = new_secret(), caller_of(request), data.name
    made = await api_of(request).write(
        lambda store: store.rotate_credential(login, name, Secret(secret), who, data.overlap_ms, data.expires_ms)
    )
    return _answer(made, secret)


@get("/logins/{login:str}/credentials/{credential:int}", operation_class=Tagged, summary="Show a credential")
async def show_credential(
    request: HttpRequest, login: FromPath[str], credential: FromPath[int]
) -> Response[StoredCredential]:
    """With its last use, which makes another ETag."""
    stored = await api_of(request).ask(lambda store: store.credentials(login))
    found = there(next((each for each in stored if each.id == credential), None), f"credential {credential}")
    return shown(request, found, found)


@put("/logins/{login:str}/credentials/{credential:int}", operation_class=Conditional, summary="Change a credential")
async def change_credential(
    request: HttpRequest, login: FromPath[str], credential: FromPath[int], data: JSONBody[NewCredential]
) -> StoredCredential:
    """Another name and end for a valid one; the secret stays. To have another secret, rotate it."""
    who, check = caller_of(request), conditions_of(request).check
    return await api_of(request).write(
        lambda store: store.change_credential(login, credential, data.name, data.expires_ms, who, check)
    )


@delete("/logins/{login:str}/credentials/{credential:int}", operation_class=Conditional, summary="Revoke a credential")
async def revoke_credential(request: HttpRequest, login: FromPath[str], credential: FromPath[int]) -> None:
    """It lets nobody in any more."""
    who, check = caller_of(request), conditions_of(request).check
    await api_of(request).write(lambda store: store.revoke_credential(login, credential, who, check))


def _answer(made: StoredCredential, secret: str) -> Response[MadeCredential]:
    answer = MadeCredential(made.id, made.login, made.name, made.expires_ms, secret)
    return created(f"/logins/{made.login}/credentials/{made.id}", answer)


HANDLERS = [list_credentials, make_credential, show_credential, change_credential, rotate_credential, revoke_credential]
