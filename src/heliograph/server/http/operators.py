"""Operators: those who may use this API."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import OperatorEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, made, removed
from heliograph.server.http.page import After, Limit, page
from heliograph.server.http.problem import Refused
from heliograph.server.http.shapes import Made, Named

HttpRequest = Request[Any, Any, Any]


@get("/operators", summary="List operators")
async def list_operators(request: HttpRequest, limit: Limit = None, after: After = None) -> Response[list[Named]]:
    """In the order of their names."""
    file = await api_of(request).ask(lambda store: store.export())
    named = [Named(name=each.name) for each in file.operators or ()]
    return page(request, named, lambda each: each.name, limit, after)


@post("/operators", summary="Make an operator")
async def make_operator(request: HttpRequest, data: JSONBody[Named]) -> Response[Made]:
    """The answer holds the token, which is not shown again."""
    token = new_secret()
    entry = OperatorEntry(name=data.name, token=Secret(token))
    await api_of(request).edit(
        Edit("operators", data.name, made(entry, f"an operator {data.name!r}")), caller_of(request)
    )
    return created(f"/operators/{data.name}", Made(data.name, token))


@delete("/operators/{operator:str}", summary="Remove an operator")
async def remove_operator(request: HttpRequest, operator: FromPath[str]) -> None:
    """With the tokens; nobody removes themselves, so that one always stays."""
    if operator == caller_of(request):
        raise Refused(409, "Conflict", "You cannot remove yourself. Have another operator do it.")
    await api_of(request).edit(Edit("operators", operator, removed(f"operator {operator!r}")), caller_of(request))


HANDLERS = [list_operators, make_operator, remove_operator]
