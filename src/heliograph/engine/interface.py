"""What the broker asks of an engine.

An engine owns exchanges, routing, backlogs and leases.  It does not know who publishes or consumes, what
a credit is, or how a message looks on the wire.  All calls happen on one event loop; none blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Protocol

from msgspec import Struct

from heliograph.errors import HeliographError

#: Called once per published event: with None when it is stored as the engine promises, else with the reason.
Confirm = Callable[[HeliographError | None], None]


class Envelope:
    """All of an event but offset and body: shared by events with the same key and headers.  Never changed.

    ``headers``: the publisher's.  ``wire``: a place for the front end to keep what it made of them.
    """

    __slots__ = ("exchange", "headers", "key", "wire")

    def __init__(self, exchange: str, key: str, headers: Mapping[str, str]) -> None:
        self.exchange = exchange
        self.key = key
        self.headers = headers
        self.wire: dict[Any, bytes] = {}


class Event(Struct, gc=False, eq=False):
    """One event in an exchange; (exchange, ``offset``) is its identity, for ever.

    ``offset``: increasing, not dense.  ``size``: octets it is counted with.  ``position``: sum of the sizes up
    to and with this one since the exchange was opened.  ``received_ms``: time of receipt, milliseconds since
    1970.  ``encoded``: a place for the front end to keep the frames it made, so that it encodes once.
    """

    envelope: Envelope
    offset: int
    body: bytes
    size: int
    position: int
    received_ms: int
    encoded: dict[Any, bytes]


class Publish(Protocol):
    """What publishes to one exchange."""

    def __call__(self, envelope: Envelope, body: bytes, confirm: Confirm | None = None) -> int:
        """Store and route one event; its offset.  ``confirm`` is called when it is stored, perhaps at once."""


class Binding(Struct, frozen=True):
    """Which events a subscription asks for: those of ``exchange`` whose key matches ``pattern``, within its rights.

    ``owner``: the first word of every key it may see (a partner's id), or None for the operator's own programs;
    then a key must match one of ``rights`` too.  All patterns are tuples of words.
    """

    exchange: str
    pattern: tuple[str, ...]
    owner: str | None
    rights: tuple[tuple[str, ...], ...] = ()


class Feed(Protocol):
    """The engine's end of one subscription.

    Events come in order; those that were requeued come first, lowest offset first.
    """

    @property
    def redelivered(self) -> Container[int]:
        """Offsets of events that were delivered before."""

    @property
    def pending(self) -> bool:
        """Whether ``take`` would give something now."""

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """The next events, leased to the caller: at most ``count_max`` (> 0), and no further once they
        hold ``bytes_max`` octets or more (so one always comes)."""

    def settle(self, events: list[Event]) -> None:
        """These were processed; they will not come again."""

    def requeue(self, events: list[Event]) -> None:
        """These were not processed; they will come again, marked as redelivered."""

    def reject(self, events: list[Event]) -> None:
        """These cannot be processed; they will not come again here."""

    def close(self) -> None:
        """The subscriber is gone; what it had not settled is the engine's again."""


class Engine(Protocol):
    """At most ten methods."""

    async def start(self) -> None:
        """Open what is stored."""

    async def stop(self) -> None:
        """Store what is promised, then close."""

    def declare(self, exchange: str) -> Publish:
        """Make ``exchange`` exist, if it does not; what publishes to it."""

    def subscribe(self, binding: Binding, wake: Callable[[], None], ended: Callable[[HeliographError], None]) -> Feed:
        """A feed of what is published from now on.

        ``wake`` is called when something has become pending where nothing was; it must only take note.
        ``ended`` is called when the engine gives the subscription up; the feed is closed then.
        """
