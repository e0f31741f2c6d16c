"""Sessions in some state, and frames for them."""

from __future__ import annotations

from heliograph.limits import Limits
from heliograph.stomp.events import Connect
from heliograph.stomp.parser import HeadCache
from heliograph.stomp.server_session import ServerSession
from heliograph.stomp.version import V12

LIMITS = Limits()
SESSION = "session-0123456789012345678901"


def frame(command: str, body: bytes = b"", /, **headers: object) -> bytes:
    """``_`` in a name stands for ``-``; nothing is escaped."""
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"{command}\n{lines}\n".encode() + body + b"\0"


def new(limits: Limits = LIMITS, cache: HeadCache | None = None) -> ServerSession:
    return ServerSession(SESSION, limits, cache)


def opened(version: str = V12, limits: Limits = LIMITS, cache: HeadCache | None = None) -> ServerSession:
    session = new(limits, cache)
    (event,) = session.receive(frame("CONNECT", accept_version=version))
    assert isinstance(event, Connect)
    session.accept()
    assert session.resume() == []
    return session


#: A SEND that the short way takes once it was read.
REPEATED = frame("SEND", b"abc", destination="/x", foo="1", content_length=3)
