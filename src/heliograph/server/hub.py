"""What all connections of a server share."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from heliograph import __version__
from heliograph.broker.broker import Broker
from heliograph.directory.credentials import Authenticator
from heliograph.directory.principal import Principal
from heliograph.limits import Limits
from heliograph.server.admission import Admission
from heliograph.server.backpressure import Backpressure
from heliograph.server.busy_poll import BusyPoll
from heliograph.server.outbox import Outbox
from heliograph.server.quotas import Quotas
from heliograph.stomp.parser import head_cache

if TYPE_CHECKING:
    from heliograph.server.admission import Consumer
    from heliograph.server.stomp.connection import StompConnection


class Hub:
    """The broker, who may log in and who may stay, the outbox, the cache of parsed heads, and the open connections.

    ``streams``: of events over HTTP, which are no connections of STOMP.
    """

    def __init__(
        self, broker: Broker, authenticator: Authenticator, limits: Limits, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.broker = broker
        self.authenticator = authenticator
        self.limits = limits
        self.loop = loop
        self.outbox = Outbox(loop)
        self.backpressure = Backpressure(broker, loop)
        self.busy_poll = BusyPoll(loop, limits.busy_poll_us)
        self.heads = head_cache(limits)
        self.admission = Admission(self)
        self.quotas = Quotas(limits)
        self.connections: dict[StompConnection, None] = {}
        self.streams: dict[Consumer, None] = {}
        self.server_name = f"heliograph/{__version__}"

    @property
    def consumers(self) -> Iterator[Consumer]:
        """All who are to be told of changes, and of the end."""
        yield from self.connections
        yield from self.streams

    @property
    def full(self) -> bool:
        """Whether ``connections_max`` is reached."""
        return len(self.connections) >= self.limits.connections_max

    def subscriber(self, connection: StompConnection) -> Principal:
        """Whose it is, for a SUBSCRIBE: reviewed where the directory has changed, and with room in its quota."""
        principal = self.admission.principal_of(connection)
        self.quotas.subscribe(principal)
        return principal

    @staticmethod
    def new_session_id() -> str:
        """``session-`` and 22 characters (SESS-4)."""
        return "session-" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
