"""An event as JSON tells it, and what is missing."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from heliograph.engine.interface import Event
from heliograph.server.http.filters import show_time

_encode = msgspec.json.Encoder().encode


class Told(Struct, frozen=True):
    """``exchange`` and ``offset`` are the event's identity; ``key``: its routing key; ``body``: as it was published."""

    exchange: str
    offset: int
    key: str
    received_at: str
    body: dict[str, Any]


class Lost(Struct, frozen=True):
    """Offsets that were asked for and are not there any more.  ``reason``: removed by retention, or damaged."""

    exchange: str
    first_offset: int
    last_offset: int
    reason: str


class _Told(Struct, frozen=True):
    """``Told``, with the octets of the body."""

    exchange: str
    offset: int
    key: str
    received_at: str
    body: Raw


def tell(event: Event) -> bytes:
    """A ``Told`` in JSON; bodies are JSON, since they were checked against their message type."""
    envelope = event.envelope
    return _encode(_Told(envelope.exchange, event.offset, envelope.key, show_time(event.received_ms), Raw(event.body)))
