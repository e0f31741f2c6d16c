"""The clock of all connections: one timer for heart-beats and login time-outs, on the monotonic clock."""

from __future__ import annotations

import asyncio

import structlog

from heliograph.server.hub import Hub

log = structlog.get_logger("heliograph.stomp")

#: How often the connections are looked at, seconds: a fifth of the shortest heart-beat.
SWEEP_S = 0.2


class Sweeper:
    """Calls ``StompConnection.tick`` on every connection, every ``SWEEP_S``.

    Time in which the process itself did not run is nobody's silence: what peers sent meanwhile is still to be read.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin."""
        self._due_s = self._hub.loop.time() + SWEEP_S
        self._timer = self._hub.loop.call_at(self._due_s, self._sweep)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        now = self._hub.loop.time()
        away_s = now - self._due_s
        self.start()
        for connection in list(self._hub.connections):
            try:
                if away_s > SWEEP_S:
                    connection.silent_since_s += away_s
                    connection.opened_s += away_s
                connection.tick(now, SWEEP_S)
            except Exception:  # the others have a clock too
                log.exception("bug", peer=connection.link.peer)
                connection.link.abort()
