"""Beginning in history, and publishers' retries (``engine.interface.Start``)."""

from __future__ import annotations

import asyncio
import time

import pytest

from heliograph.engine.interface import Start as Begin
from heliograph.engine.interface import StartAt
from tests.engine.conftest import Confirmed, Start, Station, Stations

CRASH = pytest.mark.parametrize("crash", [False, True], ids=["stop", "crash"])


# --- where it begins


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(
    ("at", "which", "keys"),
    [
        (StartAt.FIRST, 0, "abcd"),
        (StartAt.LAST, 0, "d"),
        (StartAt.NEXT, 0, ""),
        (StartAt.OFFSET, 2, "cd"),
        (StartAt.OFFSET, 0, "abcd"),
    ],
)
async def test_a_subscription_begins_where_it_asks_to_and_goes_on_live(
    station: Station, durable: bool, at: StartAt, which: int, keys: str
) -> None:
    offsets = await station.store_all(*"abcd")
    begin = Begin(at, offsets[which] if at is StartAt.OFFSET else 0)
    subscriber = station.durable(start=begin) if durable else station.subscribe("#", start=begin)
    events = await subscriber.get(len(keys))
    assert [event.envelope.key for event in events] == list(keys)
    assert all(event.offset < subscriber.feed.replayed_before for event in events)
    assert await subscriber.nothing()
    offset = await station.store("live")
    (event,) = await subscriber.get(1)
    assert event.offset == offset >= subscriber.feed.replayed_before
    assert subscriber.feed.take_gap() is None
    assert not any(subscriber.marked([*events, event]))


async def test_a_time_is_that_of_receipt(station: Station) -> None:
    await station.store_all("a", "b")
    await asyncio.sleep(0.005)
    now_ms = time.time_ns() // 1_000_000
    await asyncio.sleep(0.005)
    await station.store_all("c", "d")
    assert await station.subscribe("#", start=Begin(StartAt.TIMESTAMP, now_ms)).get_keys(2) == ["c", "d"]
    assert await station.subscribe("#", start=Begin(StartAt.TIMESTAMP, 0)).get_keys(4) == list("abcd")
    later = station.subscribe("#", start=Begin(StartAt.TIMESTAMP, now_ms + 3_600_000))
    assert await later.nothing()
    await station.store("e")
    assert await later.get_keys(1) == ["e"]


@pytest.mark.parametrize("begin", [Begin(at, value) for at in StartAt for value in (0, 1, 1_000_000, 10**17)])
@pytest.mark.parametrize("durable", [False, True])
async def test_in_an_empty_exchange_every_start_is_the_live_edge_and_nothing_is_missing(
    station: Station, begin: Begin, durable: bool
) -> None:
    subscriber = station.durable(start=begin) if durable else station.subscribe("#", start=begin)
    assert await subscriber.nothing()
    assert subscriber.feed.take_gap() is None
    offset = await station.store("a")
    (event,) = await subscriber.get(1)
    assert event.offset == offset >= subscriber.feed.replayed_before


async def test_what_is_not_stored_yet_is_replayed_too_and_comes_once(station: Station) -> None:
    await station.store("a")
    for key in "bcd":
        station.publish(key)
    subscriber = station.subscribe("#", start=Begin(StartAt.FIRST))
    for key in "ef":
        station.publish(key)
    assert await subscriber.get_keys(6) == list("abcdef")
    assert await subscriber.nothing()


async def test_a_partner_replays_its_own_keys_alone(station: Station) -> None:
    await station.store_all("7.1", "9.1", "7.2")
    subscriber = station.subscribe("#", owner="7", start=Begin(StartAt.FIRST))
    assert await subscriber.get_keys(2) == ["7.1", "7.2"]
    assert await subscriber.nothing()


# --- history over restarts


@CRASH
async def test_history_and_offsets_survive_and_no_offset_is_used_again(stations: Stations, crash: bool) -> None:
    station = await stations.start()
    offsets: list[int] = []
    for number in range(4):
        offsets += await station.store_all(f"{number}.a", f"{number}.b")
        station.publish("perhaps")
        station = await stations.restart(station, crash)
    assert offsets == sorted(set(offsets))
    events = []
    subscriber = station.subscribe("*.*", start=Begin(StartAt.FIRST))
    events = await subscriber.get(8)
    assert [event.offset for event in events] == offsets
    assert [event.envelope.key for event in events] == [f"{number}.{which}" for number in range(4) for which in "ab"]
    assert await subscriber.nothing()
    assert subscriber.feed.take_gap() is None, "offsets that were never used are not missing"


# --- retries


ID = {"x-dedup-id": "1"}


async def test_the_same_id_is_stored_once_and_confirmed_again(station: Station) -> None:
    subscriber = station.subscribe("#")
    first, again, later = Confirmed(), Confirmed(), Confirmed()
    offset = station.publish("a", b"x", ID, first)
    assert station.publish("a", b"x", ID, again) == offset
    assert station.publish("b", b"x", {"x-dedup-id": "2"}) > offset
    assert again.answers == [], "it waits for the first's commit"
    assert await first.answer() is None
    assert await again.answer() is None
    assert station.publish("a", b"x", ID, later) == offset
    assert await later.answer() is None
    assert subscriber.keys() == ["a", "b"]


async def test_the_same_id_twice_among_events_that_are_published_together_is_stored_once(station: Station) -> None:
    subscriber = station.subscribe("#")
    known = station.publish("a", b"x", ID)
    confirmed = Confirmed()
    other = {"x-dedup-id": "other"}
    offsets = station.publish_all([("b", b"", {}), ("a", b"", ID), ("c", b"", other), ("c", b"", other)], confirmed)
    assert offsets == [known + 1, known, known + 2, known + 2]
    assert await confirmed.answer() is None
    assert subscriber.keys() == ["a", "b", "c"]


async def test_confirms_keep_the_order_of_their_events(station: Station) -> None:
    order: list[str] = []
    for name, headers in (("1", ID), ("2", {}), ("1 again", ID), ("3", {})):
        station.publish("a", b"", headers, lambda error, name=name: order.append(name))  # type: ignore[misc]
    await station.store("a")
    assert order == ["1", "1 again", "2", "3"]


async def test_an_event_id_is_asked_for_by_a_header(station: Station) -> None:
    headers = {"x-dedup": "event-id"}
    offsets = [
        station.publish("a", body, given)
        for body, given in [
            (b'{"eventId":7}', headers),
            (b'{"eventId":8}', headers),
            (b'{"eventId":7,"more":1}', headers),
            (b'{"event_id":8}', headers),
            (b'{"eventId":7}', {}),
            (b"no JSON", headers),
            (b"no JSON", headers),
        ]
    ]
    a, b, c, d, *others = offsets
    assert (c, d) == (a, b)
    assert len({a, b, *others}) == 5


async def test_ids_are_those_of_their_exchange(station: Station) -> None:
    subscribers = [station.subscribe("#"), station.subscribe("#", exchange="other")]
    station.publish("a", b"", ID)
    station.publish("a", b"", ID, exchange="other")
    assert [subscriber.keys() for subscriber in subscribers] == [["a"], ["a"]]


@pytest.mark.parametrize("limits", [{"dedup_ids_max": 2}, {"dedup_ms_max": 30}])
async def test_the_window_is_bounded_in_number_and_time(start: Start, limits: dict[str, int]) -> None:
    station = await start(**limits)
    offset = station.publish("a", b"", ID)
    assert station.publish("a", b"", ID) == offset
    await asyncio.sleep(0.05)
    for number in (2, 3):
        station.publish("a", b"", {"x-dedup-id": f"{number}"})
    assert station.publish("a", b"", ID) > offset


@CRASH
@pytest.mark.parametrize("id", ["1", "long" * 100])
async def test_the_window_survives_a_restart(stations: Stations, crash: bool, id: str) -> None:
    station = await stations.start()
    offset = await station.store("a", b"x", {"x-dedup-id": id})
    by_event = await station.store("a", b'{"eventId":5}', {"x-dedup": "event-id"})
    await station.store_all(*["other"] * 2_000)
    for _ in range(2):
        station = await stations.restart(station, crash)
        again = Confirmed()
        assert station.publish("a", b"x", {"x-dedup-id": id}, again) == offset
        assert station.publish("a", b'{"eventId":5}', {"x-dedup": "event-id"}) == by_event
        assert station.publish("a", b"", {"x-dedup-id": id + "x"}) > offset
        assert await again.answer() is None
    subscriber = station.subscribe("a", start=Begin(StartAt.FIRST))
    assert len(await subscriber.get(3)) == 3
    assert await subscriber.nothing()
