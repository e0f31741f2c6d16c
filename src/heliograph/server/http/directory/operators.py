"""Operators: those who may use this API."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import OperatorEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import caller_of, created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, made, removed
from heliograph.server.http.page import After, Limit
from heliograph.server.http.problem import Refused
from heliograph.server.http.shapes import Made, Named

HttpRequest = Request[Any, Any, Any]


@get("/operators", summary="List operators")
async def list_operators(request: HttpRequest, limit: Limit = None, after: After = None) -> Response[list[Named]]:
    """In the order of their names."""
    return await listed(request, of_table("operators"), lambda each: each.name, _shape, limit, after)


@post("/operators", summary="Make an operator")
async def make_operator(request: HttpRequest, data: JSONBody[Named]) -> Response[Made]:
    """The answer holds the token, which is not shown again."""
    token = new_secret()
    entry = OperatorEntry(name=data.name, token=Secret(token))
    await perform(request, Edit("operators", data.name, made(entry, f"an operator {data.name!r}")))
    return created(f"/operators/{data.name}", Made(data.name, token))


@get("/operators/{operator:str}", operation_class=Tagged, summary="Show an operator")
async def show_operator(request: HttpRequest, operator: FromPath[str]) -> Response[Named]:
    """There is no more to one than the name and its credentials."""
    entry = await found(request, of_table("operators"), operator, f"operator {operator!r}")
    return shown(request, entry, _shape(entry))


@delete("/operators/{operator:str}", operation_class=Conditional, summary="Remove an operator")
async def remove_operator(request: HttpRequest, operator: FromPath[str]) -> None:
    """With the tokens; nobody removes themselves, so that one always stays."""
    if operator == caller_of(request):
        raise Refused(409, "Conflict", "You cannot remove yourself. Have another operator do it.")
    await perform(request, Edit("operators", operator, removed(f"operator {operator!r}")))


def _shape(entry: OperatorEntry) -> Named:
    return Named(name=entry.name)


HANDLERS = [list_operators, make_operator, show_operator, remove_operator]
