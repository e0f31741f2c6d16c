"""Who asks.  Operators send a bearer token (RFC 6750), systems and partners login and password (RFC 7617)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from heliograph.directory.principal import Principal, System
from heliograph.errors import AccessError, LoginError
from heliograph.server.http.problem import Refused
from heliograph.server.websocket.handshake import HandshakeRefused, read_basic

if TYPE_CHECKING:
    from heliograph.server.http.api import Api

Connection = ASGIConnection[Any, Any, Any, Any]
#: Pages of other sites cannot send these without being asked first, whatever credentials a browser keeps for us.
JSON = frozenset({"application/json"})


class Caller(Struct, frozen=True):
    """``principal`` is None for an operator; ``credential``: which of its own it has sent, see ``Identity``."""

    login: str
    principal: Principal | None = None
    credential: int = 0

    @property
    def is_operator(self) -> bool:
        """Whether it administers."""
        return self.principal is None


async def identify(api: Api, authorization: str, address: str) -> Caller:
    """Who this is; LoginError for all that fails, after the same work as over STOMP.

    LimitError where there were too many of these.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return Caller(_operator(api, token.strip(), address))
    try:
        credentials = read_basic(authorization)
    except HandshakeRefused:
        credentials = None
    if credentials is None:
        raise LoginError("Unauthorized")
    login = await api.authenticator.authenticate(*credentials, address)
    return Caller(login.principal.login, login.principal, login.credential)


def _operator(api: Api, token: str, address: str) -> str:
    failed_logins, octets = api.authenticator.failed_logins, token.encode("utf-8", "surrogatepass")
    failed_logins.check(octets, address, is_token=True)
    found = api.operators.operator(token, time.time() * 1000)
    if found is None:
        failed_logins.failed(octets, address, is_token=True)
        raise LoginError("Unauthorized")
    failed_logins.succeeded(octets, address, is_token=True)
    operator, credential = found
    api.authenticator.note_use(credential)
    return operator


async def operators_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard."""
    caller = await _identified(connection)
    if not caller.is_operator:
        raise AccessError("Access refused", "Only operators may do this. Send an operator's token as Bearer.")


async def consumers_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: partners and services."""
    caller = await _identified(connection)
    if caller.is_operator:
        raise AccessError(
            "Access refused",
            "An operator administers, and does not read events. Make a service with the rights for it, "
            "and send its name and secret as Basic.",
        )
    _refuse_system(caller)


async def consumers_and_operators(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: partners and services, for what is their own, and operators, for everything."""
    _refuse_system(await _identified(connection))


async def anybody_known(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: whoever can log in."""
    await _identified(connection)


async def producers_only(connection: Connection, _handler: BaseRouteHandler) -> None:
    """A guard: the system in the path, or an operator."""
    caller = await _identified(connection)
    api: Api = connection.app.state.api
    system = connection.path_params["system"]
    principal = api.broker.directory.principals.get(system)
    if caller.is_operator and not isinstance(principal, System):
        raise Refused(404, "No such system", f"There is no system {system!r}. GET /systems lists them.")
    if not caller.is_operator and not (isinstance(caller.principal, System) and caller.login == system):
        raise AccessError("Access refused", "Only the system in the path and operators may post here.")


async def json_only(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard: a body says what it is."""
    if connection.scope["method"] not in {"POST", "PUT", "PATCH"} or "without_body" in handler.opt:  # type: ignore[typeddict-item]
        return
    allowed = handler.opt.get("content_types", JSON)
    content_type = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in allowed:
        raise Refused(
            415, "Unsupported Media Type", f"Send the body with Content-Type: {' or '.join(sorted(allowed))}."
        )


def _refuse_system(caller: Caller) -> None:
    if isinstance(caller.principal, System):
        raise AccessError("Access refused", "A system publishes events; only partners and services read them.")


async def _identified(connection: Connection) -> Caller:
    api: Api = connection.app.state.api
    address = connection.client.host if connection.client is not None else ""
    caller = await identify(api, connection.headers.get("authorization", ""), address)
    connection.scope["user"] = caller
    return caller
