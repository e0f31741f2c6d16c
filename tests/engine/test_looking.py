"""What engines tell those who do not consume: what waits, what a durable subscription has, how many events match."""

from __future__ import annotations

import time

import pytest

from heliograph.engine.interface import Binding, Count, DurableView, StartAt
from heliograph.engine.interface import Start as Begin
from heliograph.errors import AccessError
from tests.engine.conftest import EXCHANGE, Confirmed, Start, Station, Stations

FROM_FIRST = Begin(StartAt.FIRST)


def view(station: Station, name: str = "mine") -> DurableView:
    (found,) = [each for each in station.engine.durables() if each.durable.name == name]
    return found


async def count(
    station: Station,
    pattern: str,
    start: Begin = FROM_FIRST,
    owner: str | None = None,
    rights: tuple[str, ...] = (),
) -> Count:
    words = tuple(tuple(right.split(".")) for right in rights)
    binding = Binding(EXCHANGE, tuple(pattern.split(".")), owner, words)
    return await station.engine.history(EXCHANGE).count(binding, start)


# --- what waits


async def test_what_waits_for_a_live_subscription_is_known(station: Station) -> None:
    subscriber = station.subscribe("a.#")
    await station.store_all("a.1", "b.1", "a.2")
    assert (subscriber.feed.lag.known, subscriber.feed.lag.unread) == (2, 0)
    events = subscriber.take(1)
    assert subscriber.feed.lag.known == 1
    subscriber.feed.requeue(events)
    assert subscriber.feed.lag.known == 2


async def test_what_was_not_looked_at_in_the_log_is_told_as_offsets(station: Station) -> None:
    station.durable(pattern="a.#").feed.close()
    offsets = await station.store_all("a.1", "b.1", "a.2")
    lag = view(station).lag
    assert (lag.known, lag.position, lag.unread) == (0, offsets[0], 3)
    counted = await count(station, "a.#", Begin(StartAt.OFFSET, lag.position))
    assert (counted.events, counted.complete) == (2, True)


async def test_what_came_back_from_a_consumer_that_has_gone_waits(station: Station) -> None:
    consumer = station.durable()
    await station.store_all(*"abc")
    consumer.feed.settle(await consumer.get(1))
    await consumer.get(1)
    found = view(station)
    assert (found.unacked, found.lag.known) == (1, 1)
    consumer.feed.close()
    lag = found.lag
    assert (found.unacked, lag.known, lag.unread) == (0, 1, 1)


# --- durable subscriptions


async def test_a_durable_subscription_counts_deliveries_and_settlements(station: Station) -> None:
    consumer = station.durable()
    await station.store_all(*"abcd")
    events = await consumer.get(3)
    found = view(station)
    assert (found.delivered, found.settled, found.settled_ms, found.expires_ms) == (3, 0, None, None)
    consumer.feed.requeue(events[2:])
    confirmed = Confirmed()
    consumer.feed.settle(events[:2], confirmed)
    assert await confirmed.answer() is None
    await consumer.get(2)
    assert (found.delivered, found.settled) == (5, 2)
    assert found.settled_ms is not None
    assert abs(found.settled_ms - time.time() * 1000) < 5_000


async def test_what_came_back_or_died_is_not_settled(station: Station) -> None:
    consumer = station.durable()
    await station.store_all(*"abcde")
    found = view(station)
    first, second, third, *_ = await consumer.get(5)
    consumer.feed.reject([first])
    consumer.feed.settle([first, second])  # the former is nobody's any more
    consumer.feed.requeue([third])
    assert (found.delivered, found.settled, found.unacked) == (5, 1, 2)
    consumer.feed.close()
    assert (found.delivered, found.settled, found.unacked) == (5, 1, 0)
    consumer = station.durable()
    consumer.feed.settle(await consumer.get(3))
    assert (found.delivered, found.settled, found.unacked) == (8, 4, 0)


async def test_one_that_nobody_uses_says_when_it_expires(station: Station) -> None:
    station.durable(expires_ms=60_000).feed.close()
    found = view(station)
    assert found.expires_ms == found.used_ms + 60_000


async def test_its_dead_letters_are_read_revived_and_purged(station: Station, stations: Stations) -> None:
    consumer = station.durable()
    await station.store_all(*"abc")
    consumer.feed.reject(await consumer.get(3))
    found = view(station)
    first, second, third = found.dead
    assert [(found.dead[first].count, found.dead[first].reason)] == [(1, "rejected by the consumer")]
    event = found.event_at(second)
    assert event is not None
    assert event.envelope.key == "b"
    revived, purged = Confirmed(), Confirmed()
    found.revive([third, 10_000], revived)
    found.purge([second, 10_000], purged)
    assert await revived.answer() is None
    assert await purged.answer() is None
    station = await stations.restart(station, crash=True)
    assert list(view(station).dead) == [first]
    again = station.durable()
    assert await again.get_keys(1) == ["c"]
    assert await again.nothing()


async def test_who_deletes_a_subscription_is_told_to_its_consumers(station: Station) -> None:
    consumer = station.durable()
    station.engine.delete(view(station).durable, by="An operator")
    (error,) = consumer.errors
    assert isinstance(error, AccessError)
    assert error.detail == "An operator has deleted it."
    assert list(station.engine.durables()) == []


# --- counting


@pytest.mark.parametrize(
    ("pattern", "owner", "rights", "events"),
    [
        ("#", None, (), 6),
        ("7.#", None, (), 4),
        ("#", "7", (), 4),
        ("*.b", "7", (), 1),
        ("9.#", "7", (), 0),
        ("#", None, ("*.a", "9.#"), 5),
        ("#.c", None, (), 0),
    ],
)
async def test_what_matches_is_counted(
    station: Station, pattern: str, owner: str | None, rights: tuple[str, ...], events: int
) -> None:
    await station.store_all("7.a", "9.a", "7.a", "7.b")  # one batch, or nearly
    await station.store_all("9.b")
    await station.store_all("7.a")
    found = await count(station, pattern, owner=owner, rights=rights)
    assert (found.events, found.complete, found.until_ms) == (events, True, None)


async def test_counting_begins_within_a_batch(station: Station) -> None:
    offsets = await station.store_all("a", "b", "a", "b", "a")
    assert (await count(station, "a", Begin(StartAt.OFFSET, offsets[1]))).events == 2
    assert (await count(station, "#", Begin(StartAt.OFFSET, offsets[1]))).events == 4
    assert (await count(station, "#", Begin(StartAt.OFFSET, offsets[4] + 1))).events == 0


async def test_counting_begins_at_a_time(station: Station) -> None:
    await station.store_all("a", "b")
    later_ms = time.time_ns() // 1_000_000 + 60_000
    assert (await count(station, "#", Begin(StartAt.TIMESTAMP, later_ms))).events == 0
    found = await count(station, "#", Begin(StartAt.TIMESTAMP, later_ms - 120_000))
    assert (found.events, found.complete) == (2, True)


async def test_some_keys_of_what_was_counted_are_told(station: Station) -> None:
    await station.store_all("7.a", "9.a", "7.b", "7.a")
    assert sorted((await count(station, "#", owner="7")).keys) == ["7.a", "7.b"]
    await station.store_all(*(f"7.{number}" for number in range(40)))
    assert len((await count(station, "#", owner="7")).keys) == 8


@pytest.mark.parametrize(("limits", "events"), [({"count_batches_max": 3}, 3), ({"count_bytes_max": 1}, 2)])
async def test_beyond_its_limits_a_count_says_at_least_and_until_when(
    start: Start, limits: dict[str, int], events: int
) -> None:
    station = await start(**limits)
    await station.store("a")
    await station.store("a")
    await station.store_all("a", "b", "a", "b") if "count_bytes_max" in limits else await station.store("a")
    await station.store("a")
    found = await count(station, "a")
    assert (found.events, found.complete) == (events, False)
    assert found.until_ms is not None
    assert abs(found.until_ms - time.time() * 1000) < 60_000


async def test_others_are_served_while_something_is_counted(start: Start) -> None:
    station = await start(backlog_events_max=16)
    await station.store_all(*(f"k.{number % 7}" for number in range(3_000)))
    reader = station.subscribe("#", start=FROM_FIRST)
    counted = count(station, "k.3")
    assert len(await reader.get(3_000)) == 3_000
    assert (await counted).events == len([n for n in range(3_000) if n % 7 == 3])
