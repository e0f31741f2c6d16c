"""What can go wrong between a client and its server.

    HeliographError
    ├── ServerRefused          the server said no: an ERROR frame, or an HTTP status instead of the handshake
    └── ConnectionFailed       no connection, a lost or silent one, or a peer that does not speak STOMP

What the caller itself does wrong is a ``ValueError`` or ``RuntimeError``, as everywhere in Python.
"""

from __future__ import annotations

from heliograph.errors import HeliographError


class ServerRefused(HeliographError):
    """``message`` and ``detail`` are the server's words; ``receipt_id`` names the frame to blame, where it had one."""

    def __init__(self, message: str, detail: str = "", receipt_id: str | None = None) -> None:
        super().__init__(message, detail)
        self.receipt_id = receipt_id

    def again(self) -> ServerRefused:
        """A new one to raise: an exception that is raised twice would collect both tracebacks."""
        return ServerRefused(self.message, self.detail, self.receipt_id)


class ConnectionFailed(HeliographError):
    """There is no connection, or no longer."""

    def again(self) -> ConnectionFailed:
        """A new one to raise."""
        return ConnectionFailed(self.message, self.detail)
