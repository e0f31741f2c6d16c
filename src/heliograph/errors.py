"""Every error that heliograph tells somebody about, in one tree.

    HeliographError
    ├── ClientError                the peer is to blame and can mend it
    │   ├── ProtocolError          the bytes are not STOMP, or a frame is not legal here
    │   ├── LoginError             credentials missing or wrong
    │   ├── AccessError            not configured, not granted, or not this principal's verb
    │   ├── DestinationError       a destination, binding key or routing key that is not well formed
    │   ├── BodyError              a body that its message type does not allow
    │   ├── UnsupportedError       legal STOMP, but not offered by this engine
    │   └── LimitError             a limit of ours was met; the text names it
    ├── ServerRefused, ConnectionFailed    what the SDK raises; see client/errors.py
    ├── SettingsError              a file, flag or variable of the operator (exit code 2)
    └── ServerError                ours: going away, storage trouble, a bug

The type says who is to blame.  Each carries what every front end needs: the short ``message`` of
an ERROR frame, a ``detail`` that says what was wrong and how to mend it (the frame's body), the
HTTP ``status`` and the WebSocket ``close_code`` (RFC 6455 section 7.4.1).
"""

from __future__ import annotations

from typing import ClassVar


class HeliographError(Exception):
    """The root.  ``message``: at most a few words; ``detail``: sentences, plain text, UTF-8."""

    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(f"{message}: {detail}" if detail else message)
        self.message = message
        self.detail = detail


class ClientError(HeliographError):
    """The peer sent something that cannot be done; it is told what, and how to mend it."""

    status = 400
    close_code = 1008


class ProtocolError(ClientError):
    """Not STOMP, or a frame that is not legal in the session's state."""

    close_code = 1002


class LoginError(ClientError):
    """No credentials, or wrong ones; one answer for all cases."""

    status = 401


class AccessError(ClientError):
    """The principal may not do this, or there is nothing there; one answer for both."""

    status = 403


class DestinationError(ClientError):
    """A destination, binding key or routing key that is not well formed."""


class BodyError(ClientError):
    """A body that its message type does not allow; ``pointer`` is the JSON pointer (RFC 6901) of the fault.

    ``further``: the pointers and details of what else is wrong.
    """

    status = 422

    def __init__(
        self, message: str, detail: str = "", pointer: str = "", further: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message, detail)
        self.pointer = pointer
        self.further = further

    @property
    def faults(self) -> tuple[tuple[str, str], ...]:
        """Pointer and detail of all that is wrong."""
        return ((self.pointer, self.detail), *self.further)


class UnsupportedError(ClientError):
    """Legal, but not offered here."""

    status = 501


class LimitError(ClientError):
    """A named limit was met; the detail says which and what its value is.  ``retry_after_s``: None: nobody knows."""

    status = 429

    def __init__(self, message: str, detail: str = "", retry_after_s: int | None = None) -> None:
        super().__init__(message, detail)
        self.retry_after_s = retry_after_s


class SettingsError(HeliographError):
    """A settings or directory file, a flag or a variable is wrong; the command exits with code 2."""


class ServerError(HeliographError):
    """Ours to mend: going away, storage trouble, or a bug."""

    status = 503
