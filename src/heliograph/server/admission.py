"""A change of the directory while connections are open: who may stay as it is, who goes on with more, who must go."""

from __future__ import annotations

from collections.abc import Collection
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import structlog

from heliograph.broker.authorization import removed, revoked
from heliograph.broker.subscription import Subscription
from heliograph.directory.directory import Directory
from heliograph.directory.hashed import HashedSecrets
from heliograph.directory.principal import Identity, Principal
from heliograph.errors import HeliographError

if TYPE_CHECKING:
    from heliograph.server.hub import Hub

log = structlog.get_logger("heliograph.stomp")

#: How long connections may be reviewed in one turn of the loop, seconds; an ERROR costs some 100 us.
_SLICE_S = 0.005


class Peer(Protocol):
    """The far end."""

    @property
    def peer(self) -> str:
        """Its address, for the log."""

    def abort(self) -> None:
        """Close its socket now."""


class Outlet(Protocol):
    """Where the deliveries of one subscription leave."""

    subscription: Subscription


class Consumer(Protocol):
    """Who has logged in and stays: a connection of STOMP, or a stream of events over HTTP."""

    @property
    def identity(self) -> Identity | None:
        """Who that is; None before the login."""

    @property
    def link(self) -> Peer:
        """The far end."""

    @property
    def outlets(self) -> Collection[Outlet]:
        """Those of the open subscriptions."""

    def suspend(self) -> None:
        """Deliver nothing until ``admit`` or ``fail``."""

    def admit(self, identity: Identity) -> None:
        """Go on, as ``identity``."""

    def fail(self, error: HeliographError) -> None:
        """End, and say why."""


class Admission:
    """Those who are concerned get no deliveries from the call on; they are reviewed in slices.

    A review lets a connection go on where it may still do all that it does, and else ends it with an ERROR.
    Bounded by the connections, since each stands in line once.
    """

    __slots__ = ("_asked", "_done", "_hub", "_line", "_scheduled")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._line: dict[Consumer, None] = {}
        self._scheduled = False
        self._asked = self._done = 0  # snapshots, counted

    async def replace_directory(self, directory: Directory, hashed: HashedSecrets) -> None:
        """These alone say who may do what: at once, or where there are new exchanges, once they are on disk.

        Of several that are asked for, the last one stays.  What the engine raises where it cannot make an exchange;
        then all is as before.
        """
        self._asked += 1
        number = self._asked
        await self._hub.broker.prepare(directory)
        if number > self._done:
            self._done = number
            self._replace(directory, hashed)

    def _replace(self, directory: Directory, hashed: HashedSecrets) -> None:
        hub = self._hub
        is_less = not (hub.broker.directory.exchanges.keys() <= directory.exchanges.keys())
        hub.broker.replace_directory(directory)
        hub.authenticator.replace(directory, hashed)
        for connection in hub.consumers:
            if connection.identity is not None and (is_less or not self._is_same(connection.identity)):
                connection.suspend()
                self._line[connection] = None
        log.info("directory replaced", principals=len(directory.principals), connections_reviewed=len(self._line))
        if not self._scheduled:
            self._turn()

    def principal_of(self, connection: Consumer) -> Principal:
        """Whose it is, for a SUBSCRIBE; one that stands in line is reviewed first.  AccessError where it must go."""
        identity = connection.identity
        assert identity is not None
        if connection in self._line:
            del self._line[connection]
            identity = self._reviewed(connection, identity)
            connection.admit(identity)
        return identity.principal

    def current(self, identity: Identity) -> Identity:
        """With the rights of now; AccessError where the principal or its credential is gone."""
        login = identity.principal.login
        principal = self._hub.broker.directory.principals.get(login)
        if type(principal) is not type(identity.principal) or principal is None:
            raise removed(login)
        if not self._hub.authenticator.stands(login, identity.credential):
            raise revoked(login)
        return Identity(principal, identity.credential)

    def _review(self, connection: Consumer) -> None:
        try:
            self.principal_of(connection)
        except HeliographError as error:
            connection.fail(error)
        except Exception:  # the others are still to be reviewed
            log.exception("bug", peer=connection.link.peer)
            connection.link.abort()

    def _is_same(self, identity: Identity) -> bool:
        """Whether nothing has changed for it: two look-ups, since all connections are asked in one go."""
        login = identity.principal.login
        return (
            self._hub.authenticator.stands(login, identity.credential)
            and self._hub.broker.directory.principals[login] == identity.principal
        )

    def _reviewed(self, connection: Consumer, identity: Identity) -> Identity:
        now = self.current(identity)
        for outlet in connection.outlets:
            self._hub.broker.renew(now.principal, outlet.subscription)
        return now

    def _turn(self) -> None:
        self._scheduled = False
        until = perf_counter() + _SLICE_S
        while self._line:
            self._review(next(iter(self._line)))
            if perf_counter() >= until:
                break
        if self._line:
            self._scheduled = True
            self._hub.loop.call_soon(self._turn)
