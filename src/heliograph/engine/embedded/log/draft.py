"""What was appended to a log and is not on disk: events as columns, then a block of octets, made while they are hot.

An event lives for a moment, its octets until the next commit.  Keeping all that belongs to an event for so long
would have each new one written to memory that left the processor's caches long ago; so a few hundred at a time
become one block, and their memory is used again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from heliograph.engine.embedded.log.batch import decode_body, encode_body, make_events
from heliograph.engine.interface import Envelope, Event


class Block(NamedTuple):
    """A batch but for its head, which only the end of the log can make.

    ``size``: the octets that its events are counted with.  ``position``: of the event before its first.
    ``kept``: its events, or only some of them, where somebody waits for them to be stored.
    """

    exchange: str
    first_offset: int
    event_count: int
    flags: int
    keys: bytes
    keys_crc: int
    body: bytes
    body_crc: int
    received_min: int
    received_max: int
    position: int
    size: int
    kept: list[Event]

    @property
    def last_offset(self) -> int:
        """Of its last event."""
        return self.first_offset + self.event_count - 1

    def events(self) -> list[Event]:
        """Its events, read from its octets where they were not kept; now they are."""
        if len(self.kept) != self.event_count:
            self.kept[:] = decode_body(self.exchange, self.first_offset, self.event_count, self.body, self.position)
        return self.kept


class Draft:
    """The events that were appended since the last block.  Of the event loop's thread.

    ``first_offset``: of the first of them.  ``next_offset``: is assigned next.  ``position``: of the last event, see
    ``Event``.  ``kept``: where the caller puts events that somebody waits for.  ``attend_at``: a position at which the
    caller has more to do than to append; 0 for the first event of a block.
    """

    __slots__ = (
        "_bodies", "_envelopes", "_exchange", "_first_position", "_received", "attend_at", "first_offset",
        "kept", "next_offset", "position",
    )  # fmt: skip

    def __init__(self, exchange: str, next_offset: int) -> None:
        self._exchange = exchange
        self.next_offset = next_offset
        self.position = 1  # 0 is for events that have none
        self.clear()

    def append(self, envelopes: Sequence[Envelope], bodies: Sequence[bytes], received_ms: int) -> list[Event]:
        """The events with the next offsets; nobody shares what is made of them yet.  The hot path of every event."""
        offset, position = self.next_offset, self.position
        events: list[Event] = []
        for envelope, body in zip(envelopes, bodies, strict=True):
            size = 3 * len(body) + envelope.event_bytes  # it stands in the event and in the frames made of it
            position += size
            events.append(Event(envelope, offset, body, size, position, received_ms))
            offset += 1
        self.next_offset, self.position = offset, position
        self._envelopes += envelopes
        self._bodies += bodies
        self._received += [received_ms] * len(events)
        return events

    @property
    def size(self) -> int:
        """Octets that its events are counted with."""
        return self.position - self._first_position

    @property
    def event_count(self) -> int:
        """How many."""
        return len(self._bodies)

    def events(self) -> list[Event]:
        """Its events so far; now they are kept."""
        if len(self.kept) != self.event_count:
            self.kept[:] = make_events(
                self.first_offset, self._envelopes, self._bodies, self._received, self._first_position
            )
        return self.kept

    def seal(self) -> Block | None:
        """What was appended as a block, if there is anything; then it is empty."""
        if not self._bodies:
            return None
        keys, body, flags = encode_body(self._envelopes, self._bodies, self._received)
        block = Block(
            self._exchange, self.first_offset, len(self._bodies), flags, keys, crc32(keys), body, crc32(body),
            min(self._received), max(self._received), self._first_position, self.size, self.kept,
        )  # fmt: skip
        self.clear()
        return block

    def clear(self) -> None:
        """Forget what was appended; its offsets stay assigned."""
        self._envelopes: list[Envelope] = []
        self._bodies: list[bytes] = []
        self._received: list[int] = []
        self.first_offset = self.next_offset
        self._first_position = self.position
        self.kept: list[Event] = []
        self.attend_at = 0
