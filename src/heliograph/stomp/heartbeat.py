"""Heart-beating (STOMP 1.2, "Heart-beating"; SESS-2: milliseconds).  Time is passed in, in seconds."""

from __future__ import annotations

from msgspec import Struct

from heliograph.errors import ProtocolError
from heliograph.limits import Limits

#: A peer is dead after this many of its intervals without a single octet ("an error margin").
PATIENCE = 2.0


class HeartBeat(Struct, frozen=True):
    """What the server promises to send and wants to receive; milliseconds, 0 for none."""

    send_ms: int = 0
    receive_ms: int = 0

    def __str__(self) -> str:
        return f"{self.send_ms},{self.receive_ms}"

    def send_due(self, idle_s: float, sweep_s: float) -> bool:
        """Whether a beat must leave now, since the next look comes ``sweep_s`` seconds later."""
        return 0 < self.send_ms <= (idle_s + 2 * sweep_s) * 1000

    def peer_dead(self, silent_s: float) -> bool:
        """Whether the peer has been silent for too long."""
        return 0 < self.receive_ms * PATIENCE < silent_s * 1000


def negotiate(header: str | None, limits: Limits) -> HeartBeat:
    """The server's side of the client's ``heart-beat:cx,cy``.

    The client's wishes are granted, but not below the floor ``heartbeat_ms_min``, so no peer can
    keep the server busy with beats alone.
    """
    if header is None:
        return HeartBeat()
    can_send, _, wants = header.partition(",")
    if not (_is_milliseconds(can_send, limits) and _is_milliseconds(wants, limits)):
        raise ProtocolError(
            "Invalid header",
            f"heart-beat is {header[:32]!r}; it is two numbers of milliseconds, as in '10000,10000', "
            f"each from 0 to {limits.heartbeat_ms_max}.",
        )
    floor = limits.heartbeat_ms_min
    return HeartBeat(
        send_ms=max(floor, int(wants)) if int(wants) else 0,
        receive_ms=max(floor, int(can_send)) if int(can_send) else 0,
    )


def _is_milliseconds(text: str, limits: Limits) -> bool:
    text = text.strip()
    return text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= limits.heartbeat_ms_max
