"""What the embedded engine does when the disk fails, when time passes, and when history is let go of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heliograph.engine.embedded import catch_up, exchange
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Retention, StartAt
from heliograph.engine.interface import Start as Begin
from heliograph.errors import HeliographError, LimitError, ServerError
from heliograph.limits import Limits
from tests.crash.stores import FaultyStore
from tests.engine.conftest import Confirmed, Station
from tests.in_memory import ROOM_BYTES

QUICK = {"probe_interval_ms": 20, "preallocated_bytes": ROOM_BYTES}


class LaterEngine(EmbeddedEngine):
    """One whose clocks a test puts forward."""

    later_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.later_ms

    def monotonic(self) -> float:
        return super().monotonic() + self.later_ms / 1_000


class Plant:
    """A station on a store that fails when it is told to."""

    def __init__(self) -> None:
        self.store = FaultyStore()
        self.engines: list[LaterEngine] = []

    async def start(self, **limits: int) -> Station:
        self.engine = LaterEngine(Limits(**(QUICK | limits)), self.store)
        self.engines.append(self.engine)
        station = Station(self.engine)
        await self.engine.start()
        return station

    async def recovered(self, station: Station) -> None:
        async with asyncio.timeout(5):
            while self.engine.writer.error is not None:
                await asyncio.sleep(0.005)


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    made = Plant()
    yield made
    made.store.mend()
    for engine in made.engines:
        await engine.stop()


@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "torn", "short"])
async def test_a_failed_disk_confirms_nothing_serves_reads_and_recovers_by_itself(plant: Plant, fault: str) -> None:
    station = await plant.start()
    durable = station.durable()
    before = await station.store_all("a", "b")
    (a, _) = await durable.get(2)
    plant.store.fail(fault)
    confirmed = Confirmed()
    lost = station.publish("lost", b"x" * 10_000, confirm=confirmed)
    assert isinstance(await confirmed.answer(), ServerError)
    with pytest.raises(ServerError):
        station.publish("refused")
    settled = Confirmed()
    durable.feed.settle([a], settled)
    assert isinstance(await settled.answer(), HeliographError), "it is not stored"
    reader = station.subscribe("#", start=Begin(StartAt.FIRST))
    assert [event.offset for event in await reader.get(2)] == before
    assert await durable.nothing()
    plant.store.mend()
    await plant.recovered(station)
    after = await station.store("c")
    assert after > lost
    assert await durable.get_keys(1) == ["c"]
    assert await reader.get_keys(1) == ["c"]
    again = station.subscribe("#", start=Begin(StartAt.FIRST))
    assert await again.get_keys(3) == ["a", "b", "c"]
    assert again.feed.take_gap() is None


async def test_a_retry_of_what_was_not_stored_is_stored(plant: Plant) -> None:
    station = await plant.start()
    plant.store.fail("EIO")
    first, again = Confirmed(), Confirmed()
    headers = {"x-dedup-id": "1"}
    lost = station.publish("a", b"", headers, first)
    assert station.publish("a", b"", headers, again) == lost
    assert isinstance(await first.answer(), ServerError)
    assert isinstance(await again.answer(), ServerError)
    plant.store.mend()
    await plant.recovered(station)
    assert await station.store("a", b"", headers) > lost


async def test_who_is_behind_waits_for_a_disk_that_cannot_be_read(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "_RETRY_S", 0.005)
    station = await plant.start()
    await station.store_all(*"abc")
    plant.store.fail("EIO", times=2, operations=("read",))
    subscriber = station.subscribe("#", start=Begin(StartAt.FIRST))
    assert await subscriber.get_keys(3) == list("abc")
    assert subscriber.feed.take_gap() is None


async def test_who_has_something_for_too_long_loses_it_to_the_others(plant: Plant) -> None:
    station = await plant.start(consumer_timeout_ms_max=30_000)
    slow, good = station.durable(), station.durable()
    await station.store_all("a", "b")
    assert len(slow.take(1)) == 1
    await good.get_keys(1)
    plant.engine._keep()
    assert slow.errors == []
    plant.engine.later_ms += 31_000
    plant.engine._keep()
    (error,) = slow.errors
    assert isinstance(error, LimitError)
    assert "consumer_timeout_ms_max" in error.detail
    events = await good.get(1)
    assert [event.envelope.key for event in events] == ["a"]
    assert good.marked(events) == [True]
    assert slow.take() == []
    assert good.errors == []


@pytest.mark.parametrize("mine", [{}, {"expires_ms": 40_000}])
async def test_what_nobody_uses_expires(plant: Plant, mine: dict[str, Any]) -> None:
    station = await plant.start(**({} if mine else {"durable_expires_ms": 40_000}))
    used, unused = station.durable("used", **mine), station.durable("unused", **mine)
    unused.feed.close()
    plant.engine._keep()
    assert len(plant.engine._durables) == 2
    plant.engine.later_ms += 41_000
    plant.engine._keep()
    assert [each.durable.name for each in plant.engine._durables.values()] == ["used"]
    await station.store("a")
    assert await used.get_keys(1) == ["a"]


async def test_what_retention_has_removed_is_told_as_a_gap(plant: Plant) -> None:
    station = await plant.start(segment_bytes_max=4_096, log_bytes_max=16_384)
    offsets = [await station.store("a", b"x" * 1_000) for _ in range(60)]
    plant.engine._keep()
    subscriber = station.subscribe("#", start=Begin(StartAt.OFFSET, offsets[3]))
    (first,) = await subscriber.get(1)
    assert first.offset > offsets[3]
    assert subscriber.feed.take_gap() == (offsets[3], first.offset - 1)
    assert subscriber.feed.take_gap() is None
    oldest = station.subscribe("#", start=Begin(StartAt.FIRST))
    assert (await oldest.get(1))[0].offset == first.offset
    assert oldest.feed.take_gap() is None


async def test_an_exchange_has_a_retention_of_its_own_that_may_change_while_it_is_used(plant: Plant) -> None:
    station = await plant.start(segment_bytes_max=4_096, log_bytes_max=16_384)
    sizes = {name: plant.engine._exchanges[name] for name in ("acme_raw", "other")}
    station.engine.declare("acme_raw", Retention(size_bytes=40_000))
    for _ in range(60):
        for name in sizes:
            station.publish("a", b"x" * 1_000, exchange=name)
        await station.store("last")
    plant.engine._keep()
    assert 30_000 < sizes["acme_raw"].size_bytes <= 40_000
    assert sizes["other"].size_bytes <= 16_384
    station.engine.declare("acme_raw", Retention(size_bytes=8_192))
    plant.engine._keep()
    assert sizes["acme_raw"].size_bytes <= 8_192
    station.engine.declare("acme_raw")
    for _ in range(60):
        await station.store("a", b"x" * 1_000)
    plant.engine._keep()
    assert 8_192 < sizes["acme_raw"].size_bytes <= 16_384, "that of the limits again"


async def test_a_shorter_age_of_its_own_removes_what_is_older(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    station = await plant.start()
    station.engine.declare("acme_raw", Retention(age_ms=40_000))
    with monkeypatch.context() as past:
        past.setattr(exchange, "time_ns", lambda: time.time_ns() - 41_000_000_000)
        first = await station.store("a")
    last = await station.store("b")
    plant.engine._keep()
    oldest = station.subscribe("#", start=Begin(StartAt.OFFSET, first))
    assert [event.offset for event in await oldest.get(1)] == [last]
    assert oldest.feed.take_gap() == (first, last - 1)


async def test_what_a_durable_subscription_needs_is_kept(plant: Plant) -> None:
    station = await plant.start(segment_bytes_max=4_096, log_bytes_max=16_384)
    subscriber = station.durable()
    offsets = [await station.store("a", b"x" * 1_000) for _ in range(60)]
    subscriber.feed.close()
    plant.engine._keep()
    again = station.durable()
    assert [event.offset for event in await again.get(60)] == offsets
    assert again.feed.take_gap() is None


async def test_the_backlog_of_durable_subscriptions_is_bounded_and_what_is_missing_is_told(plant: Plant) -> None:
    station = await plant.start(segment_bytes_max=4_096, log_bytes_max=8_192, backlog_bytes_max=32_768)
    subscriber = station.durable()
    offsets = [await station.store("a", b"x" * 1_000) for _ in range(60)]
    had = await subscriber.get(2)
    subscriber.feed.close()
    plant.engine._keep()
    assert 16_384 < sum(each.size_bytes for each in plant.engine._exchanges.values()) < 40_960
    again = station.durable()
    (first,) = await again.get(1)
    assert again.feed.take_gap() == (had[0].offset, first.offset - 1)
    rest = await again.get(len(offsets) - offsets.index(first.offset) - 1)
    assert [event.offset for event in [first, *rest]] == offsets[offsets.index(first.offset) :]
    assert await again.nothing()
