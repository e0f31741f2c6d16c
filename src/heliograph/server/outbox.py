"""Which connections have something to write: each is flushed once in a turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection

log = structlog.get_logger("heliograph.stomp")


#: So many connections are a crowd ...
_CROWD = 16
#: ... which waits until the sockets were read so often again: what comes meanwhile leaves in the same writes.
_LOOKS = 4


class Outbox:
    """``mark`` a connection during a turn; it is flushed at the beginning of the next, before the sockets are read.

    A write costs about as much as all else that a delivery takes.  So a crowd, which there is when much is published,
    waits for some more looks at the sockets; these take no time when nothing comes.
    """

    __slots__ = ("_looks", "_loop", "_marked")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._marked: list[StompConnection] = []
        self._looks = 0

    def mark(self, connection: StompConnection) -> None:
        """Flush ``connection`` in the next turn; the connection sees to it that it is marked once."""
        if not self._marked:
            self._loop.call_soon(self._flush)
        self._marked.append(connection)

    def _flush(self) -> None:
        if len(self._marked) >= _CROWD and self._looks < _LOOKS:
            self._looks += 1
            self._loop.call_soon(self._flush)
            return
        self._looks = 0
        marked, self._marked = self._marked, []
        for connection in marked:
            try:
                connection.flush()
            except Exception:  # the others are still to be flushed
                log.exception("bug", peer=connection.link.peer)
                connection.link.abort()
