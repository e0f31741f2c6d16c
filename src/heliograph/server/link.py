"""What a STOMP connection needs of the socket that carries it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from asyncio.trsock import TransportSocket
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

#: TLS has no half that could be ended, and a peer may wait for the end before it ends its own.  So it comes after a
#: moment in which what was written last was most likely read, seconds.
_TLS_LINGER_S = 0.25

#: Linux counts the octets of each connection anyway (tcp(7), linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received).
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_COUNTERS, _COUNTERS_AT = struct.Struct("=QQ"), 120


class Octets(NamedTuple):
    """Of one socket since it was accepted, with what frames and TLS add.  ``sent``: those that have arrived."""

    received: int
    sent: int


class Link(Protocol):
    """One accepted socket.  It calls ``StompConnection.receive``, ``block``, ``unblock`` and ``lost``."""

    #: How the peer is named in logs: address and port.
    peer: str
    #: Login and password from the handshake, or None.
    credentials: tuple[str, str] | None
    #: Links of the same framing put the same before a frame.
    framing: str

    @property
    def closing(self) -> bool:
        """Whether the socket goes as soon as what was written is read; the peer has ended its half, for instance."""

    @property
    def octets(self) -> Octets | None:
        """What went over the socket, or None where the system does not count it."""

    def before(self, size: int, body: bytes) -> bytes:
        """What goes to the socket before a STOMP frame (or beat) of ``size`` octets with this body."""

    def admit(self) -> None:
        """The peer is logged in; what is held for it is no longer that of a stranger."""

    def write(self, data: bytes) -> None:
        """Hand frames to the socket, each with what goes before it; one call, one write."""

    def finish(self, close_code: int, reason: str) -> None:
        """Close in good order: what was written is read by the peer, or ``linger_ms_max`` passes."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Read nothing from the socket until ``resume_reading``; some octets may still come."""

    def resume_reading(self) -> None:
        """Read again."""


def bound_reading(sockets: Iterable[socket.socket | TransportSocket], bytes_max: int) -> None:
    """Let the system hold little of what peers send, so that what is read of one at a time is little too.

    Else it holds megabytes for a fast one; all of that is read and done in one turn of the loop, in which the others
    wait.  Accepted sockets have it from the listening one; Linux doubles it for its own book-keeping.
    """
    for listening in sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, bytes_max // 2)


def octets_of(transport: asyncio.BaseTransport) -> Octets | None:
    """What the system has counted of a TCP connection; it costs nothing until it is asked for."""
    found: Any = transport.get_extra_info("socket")
    if _TCP_INFO is None or found is None:
        return None
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _COUNTERS_AT + _COUNTERS.size)
        sent, received = _COUNTERS.unpack_from(info, _COUNTERS_AT)
    except (OSError, struct.error):  # it is gone, or the system is an old one
        return None
    return Octets(received, sent)


def half_close(transport: asyncio.Transport) -> bool:
    """End our half after what was written, where there are halves (TLS has none); the peer's may still come."""
    if not transport.can_write_eof():
        return False
    with contextlib.suppress(OSError):  # the peer was quicker
        transport.write_eof()
    return True


def linger(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, ms_max: int) -> asyncio.TimerHandle:
    """Close after what was written: end our half, then wait for the peer's; ``ms_max`` later, abort.

    A reset could destroy what the peer has not read yet.  Cancel what is returned when the connection is lost.
    """
    if not transport.is_closing() and not half_close(transport):
        loop.call_later(_TLS_LINGER_S, transport.close)
    return loop.call_later(ms_max / 1000, transport.abort)
