"""What each partner has open here, and whether it may open more.  The rate of its deliveries is the broker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.directory.principal import Partner, Principal
from heliograph.errors import LimitError
from heliograph.limits import Limits
from heliograph.stomp.server_session import State

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection


class Quotas:
    """The connections of each partner; what else is counted is asked of them."""

    __slots__ = ("_by_login", "_limits", "_logins", "_subscribed")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_login: dict[str, dict[StompConnection, None]] = {}
        self._logins: dict[StompConnection, str] = {}
        self._subscribed: dict[str, int] = {}  # by login; at most, see ``subscribe``

    def enter(self, connection: StompConnection, principal: Principal) -> None:
        """It is about to be ``principal``'s; LimitError where that has as many as it may."""
        if not isinstance(principal, Partner):
            return
        allowed = principal.quota.connections or self._limits.partner_connections_max
        mine = self._by_login.get(principal.login, {})
        # One that has ended may hold its socket for a while.
        if len(mine) >= allowed and sum(each.session.state is State.OPEN for each in mine) >= allowed:
            raise LimitError(
                "Too many connections",
                f"{principal.login!r} has {allowed}, which is its quota (connections). "
                "Close one, use one connection for several subscriptions, or ask the operator for more.",
            )
        self._by_login.setdefault(principal.login, mine)[connection] = None
        self._logins[connection] = principal.login

    def leave(self, connection: StompConnection) -> None:
        """It is gone, or never was one of them."""
        login = self._logins.pop(connection, None)
        if login is not None:
            del self._by_login[login][connection]
            if not self._by_login[login]:
                del self._by_login[login]
                self._subscribed.pop(login, None)

    def subscribe(self, principal: Principal) -> None:
        """It is about to have one more; LimitError where it has as many as it may.

        Those that have ended are counted on until it matters, since looking at all connections takes its time.
        """
        if not isinstance(principal, Partner):
            return
        login = principal.login
        allowed = principal.quota.subscriptions or self._limits.partner_subscriptions_max
        count = self._subscribed.get(login, 0)
        if count >= allowed:
            count = sum(len(each.outlets) for each in self._by_login.get(login, ()))
        if count >= allowed:
            raise LimitError(
                "Too many subscriptions",
                f"{login!r} has {allowed}, which is its quota (subscriptions). "
                "UNSUBSCRIBE one, subscribe once with a wider pattern, or ask the operator for more.",
            )
        self._subscribed[login] = count + 1
