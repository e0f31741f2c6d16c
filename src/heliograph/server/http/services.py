"""Services: the operator's own programs."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from heliograph.directory.file import ServiceEntry
from heliograph.directory.secret import Secret, new_secret
from heliograph.server.http.answers import api_of, caller_of, created
from heliograph.server.http.edits import Edit, changed, made, removed, there
from heliograph.server.http.page import After, Limit, page
from heliograph.server.http.shapes import Made, ServiceChange, ServiceShape

HttpRequest = Request[Any, Any, Any]


@get("/services", summary="List services")
async def list_services(request: HttpRequest, limit: Limit = None, after: After = None) -> Response[list[ServiceShape]]:
    """In the order of their names."""
    file = await api_of(request).ask(lambda store: store.export())
    return page(request, map(_shape, file.services), lambda each: each.name, limit, after)


@post("/services", summary="Make a service")
async def make_service(request: HttpRequest, data: JSONBody[ServiceShape]) -> Response[Made]:
    """The answer holds its first secret, which is not shown again."""
    secret = new_secret()
    entry = ServiceEntry(name=data.name, secret=Secret(secret), subscribe=data.subscribe, publish=data.publish)
    await api_of(request).edit(Edit("services", data.name, made(entry, f"a service {data.name!r}")), caller_of(request))
    return created(f"/services/{data.name}", Made(data.name, secret))


@get("/services/{service:str}", summary="Show a service")
async def show_service(request: HttpRequest, service: FromPath[str]) -> ServiceShape:
    """With its rights."""
    file = await api_of(request).ask(lambda store: store.export())
    found = next((each for each in file.services if each.name == service), None)
    return _shape(there(found, f"service {service!r}"))


@put("/services/{service:str}", summary="Change a service")
async def change_service(request: HttpRequest, service: FromPath[str], data: JSONBody[ServiceChange]) -> ServiceShape:
    """The rights that are sent replace those that are there."""
    change = changed(f"service {service!r}", subscribe=data.subscribe, publish=data.publish)
    await api_of(request).edit(Edit("services", service, change), caller_of(request))
    return ServiceShape(name=service, subscribe=data.subscribe, publish=data.publish)


@delete("/services/{service:str}", summary="Remove a service")
async def remove_service(request: HttpRequest, service: FromPath[str]) -> None:
    """With its credentials."""
    await api_of(request).edit(Edit("services", service, removed(f"service {service!r}")), caller_of(request))


def _shape(entry: ServiceEntry) -> ServiceShape:
    return ServiceShape(name=entry.name, subscribe=entry.subscribe, publish=entry.publish)


HANDLERS = [list_services, make_service, show_service, change_service, remove_service]
