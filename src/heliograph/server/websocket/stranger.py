"""What a WebSocket peer sends before its login, counted.

picows holds a frame until it is whole, and its one limit is that for peers who are logged in.  So until then
this stands between the socket and picows.  Afterwards it is gone, and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Stranger(asyncio.BufferedProtocol):
    """Lets ``bytes_max`` octets through to the protocol of ``transport``, then calls ``too_much`` and lets none."""

    def __init__(self, transport: Any, bytes_max: int, too_much: Callable[[], None]) -> None:
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._left = bytes_max
        self._too_much = too_much
        transport.set_protocol(self)

    def leave(self) -> None:
        """It is no stranger any more."""
        self._transport.set_protocol(self._protocol)

    # --- from the transport

    def get_buffer(self, sizehint: int) -> Any:
        """Where the next octets go."""
        return self._protocol.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self._left -= nbytes
        if self._left >= 0:
            self._protocol.buffer_updated(nbytes)
        else:
            self._too_much()

    def eof_received(self) -> bool | None:
        """Passed on, as is all that follows."""
        return bool(self._protocol.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``eof_received``."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """See ``eof_received``."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """See ``eof_received``."""
        self._protocol.resume_writing()
