"""What all resources share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from heliograph.broker.broker import Broker
from heliograph.broker.history import History
from heliograph.broker.ingest import Ingest
from heliograph.directory.credentials import Authenticator
from heliograph.directory.fault import DirectoryFault
from heliograph.directory.hashed import OperatorTokens
from heliograph.directory.store.store import DirectoryStore
from heliograph.limits import Limits
from heliograph.server.hub import Hub
from heliograph.server.rates import Rates

if TYPE_CHECKING:  # it brings Litestar with it, which a server without the port does not load
    from heliograph.server.http.edits import Edit

T = TypeVar("T")

#: The database is written by one at a time, so more threads would only wait for each other.
_STORE_CALLS_MAX = 4


class Api:
    """The broker, the open connections, the stored directory, and who may ask.

    ``operators``: replaced when the directory changes.
    ``changed``: called after a change, so that this node does not wait for its next look.
    """

    def __init__(
        self,
        broker: Broker,
        store: DirectoryStore,
        authenticator: Authenticator,
        operators: OperatorTokens,
        limits: Limits,
        changed: Callable[[], Awaitable[None]],
        hub: Hub,
    ) -> None:
        self.broker = broker
        self.ingest = Ingest(broker, limits)
        self.authenticator = authenticator
        self.operators = operators
        self.limits = limits
        self.hub = hub
        self.history = History(broker, limits)
        self.rates = Rates(hub.loop)
        self._store = store
        self._changed = changed
        self._calls = asyncio.Semaphore(_STORE_CALLS_MAX)

    async def ask(self, work: Callable[[DirectoryStore], T]) -> T:
        """What ``work`` answers, in a thread."""
        async with self._calls:
            return await asyncio.to_thread(work, self._store)

    async def edit(self, edit: Edit, who: str) -> None:
        """Change the directory; it holds on this node when this returns."""
        try:
            await self.write(lambda store: store.edit(edit, who))
        except DirectoryFault as fault:
            raise edit.refused(fault) from None

    async def write(self, work: Callable[[DirectoryStore], T]) -> T:
        """As ``ask``, for what changes the directory."""
        answer = await self.ask(work)
        await self._changed()
        return answer
