"""Counting what matches in an exchange's log: by the keys in the heads of its batches, wherever these are enough.

It stands in line with those who catch up, so it is done in slices, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.stored import Batch
from heliograph.engine.embedded.matching import Admitted
from heliograph.engine.interface import Binding, Count, Start, StartAt

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange


#: Keys that are told.
_KEYS_MAX = 8


class Census:
    """See ``History.count``.  What is committed when it begins is counted.

    A batch is read only where some of its keys match and others do not.  What retention or damage has taken makes
    the count incomplete, and so does a batch beyond the limits.
    """

    def __init__(self, exchange: Exchange, binding: Binding, start: Start) -> None:
        self.exchange = exchange
        first = exchange.offset_of(start)
        self._end = exchange.committed_next
        self._position = self._end if first is None else first
        self._admits = Admitted(binding)
        self._events = 0
        self._keys: dict[str, None] = {}
        # Where all that is kept came after that time, what came before may have been removed.
        self._complete = start.at is not StartAt.TIMESTAMP or not 1 < exchange.extent.first_offset == self._position
        self._counted_ms = 0
        self._batches_left = exchange.limits.count_batches_max
        self._bytes_left = exchange.limits.count_bytes_max
        self._result: asyncio.Future[Count] = asyncio.get_running_loop().create_future()

    async def taken(self) -> Count:
        """Wait for it."""
        self.exchange.catch_up.want(self)
        return await self._result

    def refill(self) -> bool:
        """Count one batch; see ``Reader``."""
        if self._result.done():  # nobody waits any more
            return False
        try:
            more = self._position < self._end and self._read()
        except Exception as error:  # whoever waits for it has it
            self._result.set_exception(error)
            return False
        if not more:
            until_ms = self._counted_ms if self._position < self._end else None
            self._result.set_result(Count(self._events, self._complete, until_ms, tuple(self._keys)))
        return more

    def _read(self) -> bool:
        batch = self.exchange.batch(self._position)
        if batch is None:
            return False
        if isinstance(batch, Gap):
            self._complete = False
            self._position = max(self._position, batch.last) + 1
            return True
        found = self._count(batch)
        if found is None:
            self._complete = False
            return False
        self._events += found
        self._position = batch.last_offset + 1
        self._counted_ms = batch.head.received_max
        return True

    def _count(self, batch: Batch) -> int | None:
        """How many of its events are asked for; None where the limits do not allow to say."""
        if self._batches_left <= 0:
            return None
        self._batches_left -= 1
        admitted = {key for key in batch.keys if self._admits(key)}
        before = max(0, self._position - batch.first_offset)
        if not before:
            self._keys.update(islice(dict.fromkeys(sorted(admitted)).items(), _KEYS_MAX - len(self._keys)))
        if not admitted or len(admitted) == len(batch.keys):
            return batch.head.event_count - before if admitted else 0
        if self._bytes_left < batch.head.body_size:
            return None
        self._bytes_left -= batch.head.body_size
        keys = batch.event_keys()
        if isinstance(keys, Gap):
            self._complete = False
            return 0
        return sum(map(admitted.__contains__, keys[before:]))
