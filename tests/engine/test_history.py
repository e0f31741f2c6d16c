"""Reading an exchange backwards (``engine.interface.History``)."""

from __future__ import annotations

import asyncio
import time

import pytest

from heliograph.engine.interface import Binding, Event, LookBack, Missing, Retention
from tests.engine.conftest import EXCHANGE, Start, Station, Stations


def look_back(
    station: Station, pattern: str = "#", owner: str | None = None, before: int | None = None, **times: int | None
) -> LookBack:
    binding = Binding(EXCHANGE, tuple(pattern.split(".")), owner)
    history = station.engine.history(EXCHANGE)
    return history.look_back(binding, before, times.get("from_ms"), times.get("to_ms"))


async def read_all(look: LookBack, octets_max: int = 1 << 30) -> tuple[list[Event], list[Missing]]:
    """Everything, in as many steps as it takes; each goes further back."""
    events: list[Event] = []
    missing: list[Missing] = []
    async with asyncio.timeout(10):
        while not look.done:
            before = look.before
            found, gone, _ = await look.read(octets_max)
            assert look.before < before
            assert all(look.before <= event.offset < before for event in found)
            events += found
            missing += gone
    assert [event.offset for event in events] == sorted((event.offset for event in events), reverse=True)
    return events, missing


async def keys_of(look: LookBack) -> list[str]:
    events, missing = await read_all(look)
    assert not missing
    return [event.envelope.key for event in events]


async def test_the_newest_comes_first(station: Station) -> None:
    offsets = await station.store_all(*"abcd")
    assert await keys_of(look_back(station)) == list("dcba")
    assert await keys_of(look_back(station, before=offsets[2])) == list("ba")
    assert await keys_of(look_back(station, before=offsets[0])) == []
    assert await keys_of(look_back(station, before=offsets[-1] + 1_000)) == list("dcba")


async def test_only_what_is_asked_for_comes_and_only_of_its_owner(station: Station) -> None:
    await station.store_all("7.a", "9.a", "7.b.c", "7.b")
    assert await keys_of(look_back(station, "#", "7")) == ["7.b", "7.b.c", "7.a"]
    assert await keys_of(look_back(station, "*.b.#", "7")) == ["7.b", "7.b.c"]
    assert await keys_of(look_back(station, "9.#", "7")) == []


async def test_times_are_those_of_receipt(station: Station) -> None:
    await station.store_all("a", "b")
    await asyncio.sleep(0.005)
    middle_ms = time.time_ns() // 1_000_000
    await asyncio.sleep(0.005)
    await station.store_all("c", "d")
    assert await keys_of(look_back(station, from_ms=middle_ms)) == ["d", "c"]
    assert await keys_of(look_back(station, to_ms=middle_ms)) == ["b", "a"]
    assert await keys_of(look_back(station, from_ms=middle_ms, to_ms=middle_ms)) == []
    assert await keys_of(look_back(station, from_ms=0, to_ms=middle_ms + 3_600_000)) == list("dcba")


async def test_what_is_not_stored_is_no_history(station: Station) -> None:
    assert look_back(station).done
    station.publish("a")
    assert look_back(station).done
    assert station.engine.history(EXCHANGE).extent.events == 0


async def test_over_many_batches_each_event_comes_once_however_small_the_steps(stations: Stations) -> None:
    station = await stations.start(segment_bytes_max=100_000)
    offsets = []
    for number in range(150):
        offsets += await station.store_all(*([f"{number % 7}.x"] * (1 + number % 20)))
    station = await stations.restart(station, crash=False)
    for octets_max in (1, 20_000, 1 << 30):
        events, missing = await read_all(look_back(station), octets_max)
        assert [event.offset for event in events] == offsets[::-1]
        assert not missing
    some = [event.offset for event in (await read_all(look_back(station, "3.*")))[0]]
    assert some
    assert set(some) < set(offsets)


async def test_a_step_costs_no_more_than_it_may_and_a_little(start: Start) -> None:
    station = await start()
    for _ in range(400):
        await station.store("a", bytes(400))
    look = look_back(station, "b")
    events, _, octets = await look.read(500_000)
    assert not events
    assert 500_000 <= octets < 1_200_000
    assert not look.done
    assert look.reached_ms <= time.time_ns() // 1_000_000


async def test_others_are_served_while_a_long_history_is_read(station: Station) -> None:
    for _ in range(500):
        await station.store_all("a", "a")
    reading = asyncio.create_task(read_all(look_back(station, "b")))
    slowest = 0.0
    while not reading.done():
        began = time.perf_counter()
        await asyncio.sleep(0)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 0.5
    assert await reading == ([], [])


async def test_what_retention_has_removed_is_told_where_it_was_asked_for(stations: Stations) -> None:
    station = await stations.start(segment_bytes_max=4_096)
    station.engine.declare(EXCHANGE, Retention(size_bytes=8_192))
    offsets = [await station.store("a", bytes(1_000)) for _ in range(40)]
    extent = station.engine.history(EXCHANGE).extent
    async with asyncio.timeout(20):
        while (extent := station.engine.history(EXCHANGE).extent).first_offset == 1:
            await asyncio.sleep(0.2)
    kept = [offset for offset in offsets if offset >= extent.first_offset]
    assert (extent.events, extent.last_offset, extent.next_offset) == (len(kept), offsets[-1], offsets[-1] + 1)
    assert extent.size_bytes < 12_288
    events, missing = await read_all(look_back(station))
    assert [event.offset for event in events] == kept[::-1]
    assert missing == [Missing(1, extent.first_offset - 1, "removed")]
    assert extent.oldest_ms == events[-1].received_ms
    assert (await read_all(look_back(station, from_ms=events[0].received_ms)))[1] == []
    assert (await read_all(look_back(station, from_ms=0)))[1] == missing


@pytest.mark.parametrize("crash", [False, True])
async def test_the_extent_survives_a_restart(stations: Stations, crash: bool) -> None:
    station = await stations.start()
    before = station.engine.history(EXCHANGE).extent
    assert (before.events, before.last_offset, before.oldest_ms) == (0, None, None)
    offsets = await station.store_all(*"abc")
    station = await stations.restart(station, crash)
    after = station.engine.history(EXCHANGE).extent
    assert (after.events, after.first_offset, after.last_offset) == (3, 1, offsets[-1])
    assert after.next_offset > offsets[-1]
    assert after.oldest_ms is not None
