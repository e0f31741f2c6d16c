"""What the broker asks of an engine.

An engine owns exchanges, routing, backlogs, leases and how often an event was delivered.  It does not know who
publishes or consumes, what a credit is, or how a message looks on the wire.  All calls happen on one event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from heliograph.errors import HeliographError

#: Called once: with None when what it belongs to is stored as the engine promises, else with the reason.
Confirm = Callable[[HeliographError | None], None]


#: Octets that an event with few headers costs beside its body; and that a header costs beside its text.
_EVENT_BYTES, _HEADER_BYTES = 1_024, 200


class Envelope:
    """All of an event but offset and body: shared by events with the same key and headers.  Never changed.

    ``headers``: the publisher's.  ``wire``: a place for the front end to keep what it made of them; ``stored``: for the
    engine.  ``dedup``: whether its headers ask that an event which is published again is stored once.
    ``event_bytes``: octets that one such event is counted with, beside its body.
    """

    __slots__ = ("dedup", "event_bytes", "exchange", "headers", "key", "stored", "wire")

    def __init__(self, exchange: str, key: str, headers: Mapping[str, str]) -> None:
        self.exchange = exchange
        self.key = key
        self.headers = headers
        self.dedup = "x-dedup-id" in headers or "x-dedup" in headers
        # Headers stand in the frames too; and who puts something new into every head shares no envelope.
        text = sum(map(len, headers)) + sum(map(len, headers.values()))
        self.event_bytes = max(_EVENT_BYTES, 3 * text + _HEADER_BYTES * len(headers))
        self.wire: dict[Any, bytes] = {}
        self.stored: bytes | None = None


class Event(Struct, gc=False, eq=False):
    """One event in an exchange; (exchange, ``offset``) is its identity, for ever.

    ``offset``: increasing, not dense.  ``size``: octets it is counted with.  ``position``: sum of the sizes up
    to and with this one since the exchange was opened, 0 where it was read from the log.  ``received_ms``: time
    of receipt, milliseconds since 1970.  ``encoded``: a place for the front end to keep the frames it made, None where
    nobody else would use them.
    """

    envelope: Envelope
    offset: int
    body: bytes
    size: int
    position: int
    received_ms: int
    encoded: dict[Any, bytes] | None = None


class Publish(Protocol):
    """What publishes to one exchange."""

    def __call__(
        self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], confirm: Confirm | None = None
    ) -> Sequence[int]:
        """Store and route events, one or more; their offsets.  ``confirm`` is called when all are stored, perhaps at
        once.

        ServerError while the engine cannot store anything; then it has taken none of them.
        """


class Retention(NamedTuple):
    """How much of an exchange's history is kept: until it is ``age_ms`` old, or more than ``size_bytes`` in all,
    whichever comes first.  None: as ``Limits`` says."""

    age_ms: int | None = None
    size_bytes: int | None = None


AS_LIMITED = Retention()


class Binding(Struct, frozen=True):
    """Which events a subscription asks for: those of ``exchange`` whose key matches ``pattern``, within its rights.

    ``owner``: the first word of every key it may see (a partner's id), or None for the operator's own programs;
    then a key must match one of ``rights`` too.  All patterns are tuples of words.
    """

    exchange: str
    pattern: tuple[str, ...]
    owner: str | None
    rights: tuple[tuple[str, ...], ...] = ()


class StartAt(Enum):
    """Where a subscription begins (RabbitMQ's names for streams)."""

    NEXT = "next"
    FIRST = "first"
    LAST = "last"
    OFFSET = "offset"
    TIMESTAMP = "timestamp"


class Start(Struct, frozen=True):
    """``value``: the offset, or milliseconds since 1970, for the kinds that have one."""

    at: StartAt = StartAt.NEXT
    value: int = 0


class Durable(Struct, frozen=True):
    """A subscription that outlives its connections: ``name`` is unique to ``principal``.

    ``expires_ms``: unused for so long, it is deleted.  ``message_ttl_ms``: older events are passed over.
    ``dead_letters``: read what the subscription of that name could not process, instead of its events.
    """

    principal: str
    name: str
    expires_ms: int | None = None
    message_ttl_ms: int | None = None
    dead_letters: bool = False


class Request(Struct, frozen=True):
    """What is subscribed to.  ``start`` is None where the subscriber has not asked to know of offsets.

    ``durables_max``: so many durable subscriptions its principal may have, None where only the engine's limit holds.
    """

    binding: Binding
    start: Start | None = None
    durable: Durable | None = None
    durables_max: int | None = None


class Lag(Struct, frozen=True):
    """What waits for a subscription: ``known`` events, and of the next ``unread`` offsets of the log, from ``position``
    on, those that it asks for: they were not looked at yet."""

    known: int
    position: int = 0
    unread: int = 0


class Missing(NamedTuple):
    """Offsets that were asked for and are not there any more.  ``reason``: "removed" by retention, or "damaged"."""

    first: int
    last: int
    reason: str


class Extent(Struct, frozen=True):
    """What an exchange holds on disk.

    ``first_offset``: none lower is kept.  ``last_offset``, ``oldest_ms``: of the newest event, and the time of
    receipt of the oldest; None where there are no events.  ``next_offset``: of the event that is published next.
    """

    events: int
    size_bytes: int
    first_offset: int
    last_offset: int | None
    next_offset: int
    oldest_ms: int | None


class LookBack(Protocol):
    """Reading an exchange from some offset backwards.  It holds nothing, so it needs no end."""

    @property
    def before(self) -> int:
        """Everything from this offset on was looked at."""

    @property
    def reached_ms(self) -> int:
        """Time of receipt of the oldest of that; what was not looked at is older, as far as the clock ran forward."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to look at."""

    async def read(self, octets_max: int) -> tuple[list[Event], list[Missing], int]:
        """The next events that are asked for, the newest first; what is missing; and the octets this has cost.

        Perhaps no events, where ``octets_max`` were spent without finding one.  Others are served meanwhile.
        """


class Count(Struct, frozen=True):
    """How many ``events`` of a log match; at least so many, unless ``complete``: then exactly.

    ``until_ms``: where the counting ended before its time, the time of receipt up to which all was counted.
    ``keys``: some of theirs.
    """

    events: int
    complete: bool
    until_ms: int | None = None
    keys: tuple[str, ...] = ()


class History(Protocol):
    """What is stored of one exchange."""

    @property
    def extent(self) -> Extent:
        """As of now."""

    def look_back(self, binding: Binding, before: int | None, from_ms: int | None, to_ms: int | None) -> LookBack:
        """Read what ``binding`` asks for below offset ``before``.

        From the first event that was received at ``from_ms`` or later, and up to, without it, the first that was at
        ``to_ms``.  ServerError where the log cannot be read.
        """

    async def count(self, binding: Binding, start: Start) -> Count:
        """How many stored events ``binding`` admits from ``start`` on, as far as ``count_batches_max`` and
        ``count_bytes_max`` allow.  ServerError where the log cannot be read.
        """


class DeadLetter(Struct, array_like=True):
    """An event that could not be processed.  ``count``: how often it was delivered; ``reason``: in plain words."""

    offset: int
    count: int
    reason: str


class DurableView(Protocol):
    """A durable subscription, as those look at it who do not consume."""

    @property
    def durable(self) -> Durable:
        """Whose, and its name."""

    @property
    def binding(self) -> Binding:
        """What it asks for."""

    @property
    def lag(self) -> Lag:
        """What waits; what came back, or was delivered to a consumer that has gone, is among it."""

    @property
    def unacked(self) -> int:
        """What its consumers have now."""

    @property
    def delivered(self) -> int:
        """Deliveries since the engine was started."""

    @property
    def settled(self) -> int:
        """Settled deliveries since the engine was started."""

    @property
    def settled_ms(self) -> int | None:
        """When something was last settled, milliseconds since 1970; None where that was before the engine's start."""

    @property
    def used_ms(self) -> int:
        """When a consumer last came or went."""

    @property
    def expires_ms(self) -> int | None:
        """When it will be deleted if nobody uses it until then; None while somebody does."""

    @property
    def dead(self) -> Mapping[int, DeadLetter]:
        """Its dead letters by offset, those that died first at first."""

    def event_at(self, offset: int) -> Event | None:
        """One event of its exchange, or None where it is not there any more.  ServerError where that cannot be read."""

    def revive(self, offsets: Iterable[int], confirm: Confirm | None = None) -> None:
        """Deliver these dead letters again, as if for the first time."""

    def purge(self, offsets: Iterable[int], confirm: Confirm | None = None) -> None:
        """Forget these dead letters."""


class Feed(Protocol):
    """The engine's end of one subscription.

    Events come in order; those that were requeued come first, lowest offset first.
    """

    @property
    def redelivered(self) -> Container[int]:
        """Offsets of events that were, or may have been, delivered before."""

    @property
    def pending(self) -> bool:
        """Whether ``take`` would give something now."""

    @property
    def replayed_before(self) -> int:
        """Events with a lower offset come from history."""

    @property
    def lag(self) -> Lag:
        """What waits; shared with the other consumers, where there are some."""

    def take_gap(self) -> tuple[int, int] | None:
        """First and last offset of what was asked for and is not there any more; told once."""

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """The next events, leased to the caller: at most ``count_max`` (> 0), and no further once they
        hold ``bytes_max`` octets or more (so one always comes)."""

    def settle(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """These were processed; they will not come again."""

    def requeue(self, events: list[Event]) -> None:
        """These were not processed; they will come again, marked as redelivered."""

    def reject(self, events: list[Event], confirm: Confirm | None = None) -> None:
        """These cannot be processed; they will not come again here."""

    def widen(self, binding: Binding) -> None:
        """From now on, what ``binding`` asks for: the former with further rights.  Nothing is lost or comes twice."""

    def close(self) -> None:
        """The subscriber is gone; what it had not settled is the engine's again."""


class Engine(Protocol):
    """At most ten methods."""

    async def start(self) -> None:
        """Open what is stored."""

    async def stop(self) -> None:
        """Store what is promised, then close."""

    @property
    def congested(self) -> bool:
        """Whether more is published than can be stored: publishers should not be read from."""

    def declare(self, exchange: str, retention: Retention = AS_LIMITED) -> Publish:
        """Make ``exchange`` exist, if it does not; what publishes to it.  ``retention`` holds from now on."""

    async def opened(self) -> None:
        """Wait until all that was declared can be published to; before ``start`` that is ``start``'s to see to."""

    def subscribe(
        self,
        request: Request,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
        confirm: Confirm | None = None,
    ) -> Feed:
        """A feed of what ``request`` asks for.

        ``wake`` is called when something has become pending where nothing was; it must only take note.
        ``ended`` is called when the engine gives the subscription up; the feed is closed then.
        ``confirm`` is called later, never at once: when a durable subscription will be there after a crash.
        Raises ClientError where a durable subscription of that name has another binding.
        """

    def history(self, exchange: str) -> History:
        """What is stored of a declared exchange."""

    def delete(self, durable: Durable, confirm: Confirm | None = None, by: str = "Its owner") -> None:
        """Forget a durable subscription and what it had not settled.  ClientError where there is none.

        ``by``: who wants it, for its consumers.
        """

    def durables(self) -> Collection[DurableView]:
        """All durable subscriptions."""
