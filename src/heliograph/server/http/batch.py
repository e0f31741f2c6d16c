"""Items of one request, each with an outcome of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import UNSET, Struct, UnsetType

from heliograph.broker.ingest import Letters
from heliograph.errors import HeliographError
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
    """``take`` item after item, then wait until they are ``stored``; ``outcomes`` are encoded JSON, in their order.

    At most ``items_max`` are taken; those beyond share one outcome.
    """

    def __init__(self, read: Read, idempotency_key: str | None, items_max: int, bytes_max: int) -> None:
        self._read = read
        self._key = idempotency_key
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._waiting = 0
        self._all: asyncio.Future[None] | None = None
        self.outcomes: list[bytes] = []

    def take(self, body: bytes | None) -> None:
        """Publish one item, or note why not; None: it is too long."""
        number = len(self.outcomes)
        if number > self._items_max:
            return
        try:
            if number == self._items_max:
                detail = f"Only {number} items of one request are taken (ingest_items_max). Send the rest in another."
                raise Refused(413, "Too many items", detail)
            if body is None or len(body) > self._bytes_max:
                raise Refused(413, "Item too large", f"An item has at most {self._bytes_max} octets (body_bytes_max).")
            letters = self._read(body, None if self._key is None else f"{self._key}#{number}")
            self._waiting += len(letters)
            self.outcomes.append(b"")
            self._publish(number, letters)
        except HeliographError as error:
            self._fail(number, error)

    async def stored(self) -> None:
        """Wait until every item has its outcome for good."""
        if self._waiting:
            self._all = asyncio.get_running_loop().create_future()
            await self._all

    def _publish(self, number: int, letters: Letters) -> None:
        offsets = letters.publish(partial(self._confirm, number))
        if not self.outcomes[number]:
            self.outcomes[number] = _encode(Outcome(201, offsets))

    def _confirm(self, number: int, error: HeliographError | None) -> None:
        self._waiting -= 1
        if error is not None:
            self._fail(number, error)
        if not self._waiting and self._all is not None and not self._all.done():
            self._all.set_result(None)

    def _fail(self, number: int, error: HeliographError) -> None:
        found = problem_of(error)
        outcome = _encode(Outcome(found.status, problem=found))
        if number == len(self.outcomes):
            self.outcomes.append(outcome)
        else:
            self.outcomes[number] = outcome
