"""Items of one request, each with an outcome of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
from msgspec import UNSET, Struct, UnsetType

from heliograph.broker.ingest import Letters
from heliograph.engine.interface import Envelope, Publish
from heliograph.errors import HeliographError, ServerError
from heliograph.server.http.problem import Problem, Refused, problem_of

#: Reads one body, with the dedup id of its item.
Read = Callable[[bytes, str | None], Letters]

_encode = msgspec.json.Encoder().encode


class Stored(Struct, frozen=True):
    """What was stored: the offset in each exchange."""

    offsets: dict[str, int]


class Outcome(Struct, frozen=True, omit_defaults=True):
    """Of one item: 201 and its offsets, or the status and the problem."""

    status: int
    offsets: dict[str, int] | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class Batch:
    """``take`` some items after others, then wait until they are ``stored``; ``outcomes`` are encoded JSON, in order.

    Items that are taken together are confirmed together, since the last of them to be stored in an exchange says that
    the others are: an exchange stores in order, and what was not stored when it failed is lost as a whole.  At most
    ``items_max`` are taken; those beyond share one outcome.
    """

    def __init__(self, read: Read, idempotency_key: str | None, items_max: int, bytes_max: int) -> None:
        self._read = read
        self._key = idempotency_key
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._waiting = 0
        self._all: asyncio.Future[None] | None = None
        self.outcomes: list[bytes] = []

    def take(self, bodies: Iterable[bytes | None]) -> None:
        """Publish items, or note why not; None: it is too long."""
        group = _Group()
        for body in bodies:
            number = len(self.outcomes)
            if number > self._items_max:
                break
            try:
                letters = self._letters(number, body)
            except HeliographError as error:
                self.outcomes.append(_failure(error))
                continue
            self.outcomes.append(b"")
            group.add(number, letters)
            if self._key is not None:  # one that was stored before is confirmed at once, so it says nothing of others
                self._publish(group)
                group = _Group()
        self._publish(group)

    async def stored(self) -> None:
        """Wait until every item has its outcome for good."""
        if self._waiting:
            self._all = asyncio.get_running_loop().create_future()
            await self._all

    def _letters(self, number: int, body: bytes | None) -> Letters:
        if number == self._items_max:
            detail = f"Only {number} items of one request are taken (ingest_items_max). Send the rest in another."
            raise Refused(413, "Too many items", detail)
        if body is None or len(body) > self._bytes_max:
            raise Refused(413, "Item too large", f"An item has at most {self._bytes_max} octets (body_bytes_max).")
        return self._read(body, None if self._key is None else f"{self._key}#{number}")

    def _publish(self, group: _Group) -> None:
        self._waiting += len(group.by_exchange)
        for exchange, parts in group.by_exchange.items():
            confirm = partial(self._confirm, parts)
            numbers, (publish, *_), envelopes, bodies = zip(*parts, strict=True)
            try:
                for number, offset in zip(numbers, publish(envelopes, bodies, confirm), strict=True):
                    group.offsets[number][exchange] = offset
            except ServerError as error:
                confirm(error)
        for number, offsets in group.offsets.items():
            if not self.outcomes[number]:
                self.outcomes[number] = _encode(Outcome(201, offsets))

    def _confirm(self, parts: list[_Part], error: HeliographError | None) -> None:
        self._waiting -= 1
        if error is not None:
            failure = _failure(error)
            for number, *_ in parts:
                self.outcomes[number] = failure
        if not self._waiting and self._all is not None and not self._all.done():
            self._all.set_result(None)


_Part = tuple[int, Publish, Envelope, bytes]


class _Group:
    """Items that are confirmed together: by exchange the number of each item, and what is published of it.

    ``offsets``: by number of the item, then by exchange.
    """

    __slots__ = ("by_exchange", "offsets")

    def __init__(self) -> None:
        self.by_exchange: dict[str, list[_Part]] = {}
        self.offsets: dict[int, dict[str, int]] = {}

    def add(self, number: int, letters: Letters) -> None:
        """One more item."""
        self.offsets[number] = {}
        by_exchange = self.by_exchange
        for publish, envelope, body in letters.parts:
            parts = by_exchange.get(envelope.exchange)
            if parts is None:
                parts = by_exchange[envelope.exchange] = []
            parts.append((number, publish, envelope, body))


def _failure(error: HeliographError) -> bytes:
    found = problem_of(error)
    return _encode(Outcome(found.status, problem=found))
