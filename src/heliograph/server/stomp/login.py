"""The one task that a connection ever has: from CONNECT to the answer of the authenticator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from heliograph.errors import HeliographError, LoginError
from heliograph.stomp.events import Connect

if TYPE_CHECKING:
    from heliograph.server.hub import Hub
    from heliograph.server.stomp.connection import StompConnection


class Login:
    """Ends in ``StompConnection.logged_in`` or ``fail``, or is cancelled with its connection."""

    __slots__ = ("_connection", "_hub", "_task")

    def __init__(self, connection: StompConnection, hub: Hub) -> None:
        self._connection = connection
        self._hub = hub
        self._task: asyncio.Task[None] | None = None

    def begin(self, event: Connect, loop: asyncio.AbstractEventLoop) -> None:
        """Verify the credentials of CONNECT, else those of the handshake."""
        credentials = (event.login, event.passcode) if event.login else self._connection.link.credentials
        if credentials is None:
            raise LoginError(
                "Bad CONNECT",
                "Credentials are missing: send 'Authorization: Basic …' in the WebSocket handshake, or 'login' and "
                "'passcode' in CONNECT.",
            )
        # It is read on, up to the budget of a stranger: who goes, or never meant it, is not verified.
        self._task = loop.create_task(self._run(*credentials))

    def cancel(self) -> None:
        """Nobody waits for it any more, and the connection counts no more."""
        self._hub.quotas.leave(self._connection)
        if self._task is not None:
            self._task.cancel()

    async def _run(self, login: str, passcode: str) -> None:
        try:
            address = self._connection.link.peer.rpartition(":")[0]
            identity = await self._hub.authenticator.authenticate(login, passcode, address)
            self._hub.quotas.enter(self._connection, identity.principal)
        except HeliographError as error:
            self._connection.fail(error)
        else:
            self._connection.logged_in(identity)
        finally:
            self._task = None
