"""Publishers are not read from while more is published than the disk takes (``uncommitted_bytes_max``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from heliograph.broker.broker import Broker

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection

#: A commit takes some milliseconds; looking more often would not let anybody go sooner.
_LOOK_S = 0.005


class Backpressure:
    """Connections that are held back: their octets wait in the socket, and its window tells the peer."""

    __slots__ = ("_broker", "_held", "_loop")

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self._broker = broker
        self._loop = loop
        self._held: dict[StompConnection, None] = {}

    def hold(self, connection: StompConnection) -> None:
        """Read no more from ``connection`` until the disk has caught up."""
        if connection.held:
            return
        if not self._held:
            self._loop.call_later(_LOOK_S, self._look)
        self._held[connection] = None
        connection.held = True
        connection.link.pause_reading()

    def forget(self, connection: StompConnection) -> None:
        """The connection is gone."""
        self._held.pop(connection, None)

    def _look(self) -> None:
        if self._broker.congested:
            self._loop.call_later(_LOOK_S, self._look)
            return
        held, self._held = self._held, {}
        for connection in held:
            connection.release()
