"""Counting in the embedded engine's log: what is missing, a disk that fails, and who waits no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Count, Start, StartAt
from heliograph.errors import ServerError
from heliograph.limits import Limits
from tests.crash.stores import FaultyStore
from tests.engine.conftest import EXCHANGE, Station

FROM_FIRST = Start(StartAt.FIRST)
SMALL = Limits(segment_bytes_max=4_096, preallocated_bytes=4_096, log_bytes_max=8_192)


class Plant:
    def __init__(self) -> None:
        self.store = FaultyStore()
        self.engine = EmbeddedEngine(SMALL, self.store)
        self.station = Station(self.engine)

    async def count(self, start: Start, pattern: str = "#") -> Count:
        return await self.engine.history(EXCHANGE).count(Binding(EXCHANGE, tuple(pattern.split(".")), None), start)


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    made = Plant()
    await made.engine.start()
    yield made
    made.store.mend()
    await made.engine.stop()


async def test_what_retention_has_taken_makes_a_count_a_lower_bound(plant: Plant) -> None:
    first = await plant.station.store("a")
    an_hour_ago = Start(StartAt.TIMESTAMP, time.time_ns() // 1_000_000 - 3_600_000)
    found = await plant.count(an_hour_ago)
    assert (found.events, found.complete) == (1, True)
    for _ in range(30):
        await plant.station.store("a", bytes(1_000))
    plant.engine._keep()
    counts = [await plant.count(start) for start in (an_hour_ago, Start(StartAt.OFFSET, first))]
    for found in counts:
        assert found.complete is False
        assert 0 < found.events < 31
        assert found.until_ms is None, "it was counted to the end"
    assert counts[0].events == counts[1].events
    kept = await plant.count(FROM_FIRST)
    assert (kept.events, kept.complete) == (counts[0].events, True), "of what is kept it is all"


async def test_a_disk_that_cannot_be_read_is_told_and_nobody_else_is_concerned(plant: Plant) -> None:
    await plant.station.store_all("a", "b")
    plant.store.fail("EIO", times=1, operations=("read",))
    with pytest.raises(ServerError):
        await plant.count(FROM_FIRST, "a")
    assert (await plant.count(FROM_FIRST, "a")).events == 1


async def test_who_waits_no_more_costs_nothing_more(plant: Plant) -> None:
    for _ in range(20):
        await plant.station.store("a")
    counting = asyncio.ensure_future(plant.count(FROM_FIRST))
    await asyncio.sleep(0)
    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting
    await asyncio.sleep(0)
    assert not plant.engine.catch_up._standing


async def test_what_is_published_meanwhile_is_not_counted(plant: Plant) -> None:
    for _ in range(5):
        await plant.station.store("a")
    counting = asyncio.ensure_future(plant.count(FROM_FIRST))
    await asyncio.sleep(0)
    for _ in range(5):
        await plant.station.store("a")
    assert (await counting).events == 5
