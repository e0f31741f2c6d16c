"""Services: the operator's own programs."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import ServiceEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import created
from heliograph.server.http.directory.conditions import Conditional, Tagged, perform, shown
from heliograph.server.http.directory.entries import found, listed, of_table
from heliograph.server.http.edits import Edit, changed, made, removed
from heliograph.server.http.page import After, Limit
from heliograph.server.http.shapes import Made, ServiceChange, ServiceShape

HttpRequest = Request[Any, Any, Any]


@get("/services", summary="List services")
async def list_services(request: HttpRequest, limit: Limit = None, after: After = None) -> Response[list[ServiceShape]]:
    """In the order of their names."""
    return await listed(request, of_table("services"), lambda each: each.name, _shape, limit, after)


@post("/services", summary="Make a service")
async def make_service(request: HttpRequest, data: JSONBody[ServiceShape]) -> Response[Made]:
    """The answer holds its first secret, which is not shown again."""
    secret = new_secret()
    entry = ServiceEntry(name=data.name, secret=Secret(secret), subscribe=data.subscribe, publish=data.publish)
    await perform(request, Edit("services", data.name, made(entry, f"a service {data.name!r}")))
    return created(f"/services/{data.name}", Made(data.name, secret))


@get("/services/{service:str}", operation_class=Tagged, summary="Show a service")
async def show_service(request: HttpRequest, service: FromPath[str]) -> Response[ServiceShape]:
    """With its rights."""
    entry = await found(request, of_table("services"), service, f"service {service!r}")
    return shown(request, entry, _shape(entry))


@put("/services/{service:str}", operation_class=Conditional, summary="Change a service")
async def change_service(request: HttpRequest, service: FromPath[str], data: JSONBody[ServiceChange]) -> ServiceShape:
    """The rights that are sent replace those that are there."""
    change = changed(f"service {service!r}", subscribe=data.subscribe, publish=data.publish)
    await perform(request, Edit("services", service, change))
    return ServiceShape(name=service, subscribe=data.subscribe, publish=data.publish)


@delete("/services/{service:str}", operation_class=Conditional, summary="Remove a service")
async def remove_service(request: HttpRequest, service: FromPath[str]) -> None:
    """With its credentials."""
    await perform(request, Edit("services", service, removed(f"service {service!r}")))


def _shape(entry: ServiceEntry) -> ServiceShape:
    return ServiceShape(name=entry.name, subscribe=entry.subscribe, publish=entry.publish)


HANDLERS = [list_services, make_service, show_service, change_service, remove_service]
