"""Durable subscriptions, as every engine promises them (``engine.interface.Durable``)."""

from __future__ import annotations

import asyncio
import time

import pytest

from heliograph.engine.interface import Binding, Durable, Request, StartAt
from heliograph.engine.interface import Start as Begin
from heliograph.errors import AccessError, ClientError, LimitError
from tests.engine.conftest import EXCHANGE, Confirmed, Start, Station, Stations, Subscriber

CRASH = pytest.mark.parametrize("crash", [False, True], ids=["stop", "crash"])


# --- what survives


async def test_it_keeps_what_comes_while_nobody_is_there(station: Station) -> None:
    first = station.durable()
    await station.store_all("a", "b")
    assert await first.get_keys(2) == ["a", "b"]
    first.feed.close()
    await station.store_all("c", "d")
    again = station.durable()
    assert await again.get_keys(2) == ["c", "d"]
    assert await again.nothing()


async def test_a_long_backlog_is_told_as_history_until_the_live_edge(station: Station) -> None:
    station.durable().feed.close()
    await station.store_all(*(f"k{n}" for n in range(1_300)))
    again = station.durable()
    for _ in range(13):
        assert all(event.offset < again.feed.replayed_before for event in await again.get(100))
    await station.store_all("live")
    (event,) = await again.get(1)
    assert event.offset >= again.feed.replayed_before


async def test_what_was_not_settled_comes_first_and_marked_then_what_came_since(station: Station) -> None:
    first = station.durable()
    await station.store_all(*"abcd")
    events = await first.get(4)
    assert not any(first.marked(events))
    first.feed.settle([events[1]])
    first.feed.close()
    await station.store_all("e", "f")
    again = station.durable()
    events = await again.get(5)
    assert [event.envelope.key for event in events] == ["a", "c", "d", "e", "f"]
    assert again.marked(events) == [True] * 3 + [False] * 2


@CRASH
async def test_it_survives_a_restart(stations: Stations, crash: bool) -> None:
    station = await stations.start()
    first = station.durable(pattern="*.x")
    await station.store_all("a.x", "no", "b.x", "c.x", "d.x")
    events = await first.get(3)
    confirmed = Confirmed()
    first.feed.settle([events[1]], confirmed)
    assert await confirmed.answer() is None
    station = await stations.restart(station, crash)
    await station.store_all("e.x", "no")
    again = station.durable(pattern="*.x")
    events = await again.get(4)
    assert [event.envelope.key for event in events] == ["a.x", "c.x", "d.x", "e.x"]
    if crash:
        assert again.marked(events) == [True, True, True, False], "d may have been delivered too"
    else:
        assert again.marked(events) == [True, True, False, False]
    again.feed.settle(events)
    assert await again.nothing()


async def test_confirmed_is_what_a_crash_does_not_take(stations: Stations) -> None:
    station = await stations.start()
    confirmed = Confirmed()
    request = Request(Binding(EXCHANGE, ("#",), None), None, Durable("p", "mine"))
    station.engine.subscribe(request, lambda: None, lambda error: None, confirmed)
    assert confirmed.answers == []
    assert await confirmed.answer() is None
    station = await stations.restart(station, crash=True)
    await station.store("a")
    assert await station.durable().get_keys(1) == ["a"]


@CRASH
async def test_the_same_event_keeps_its_offset_and_all_it_was_published_with(stations: Stations, crash: bool) -> None:
    station = await stations.start()
    station.durable()
    before = time.time_ns() // 1_000_000
    offset = await station.store("7.1", b"\0body\xff", {"foo": "bar", "a": "ä"})
    station = await stations.restart(station, crash)
    for _ in range(2):
        subscriber = station.durable()
        (event,) = await subscriber.get(1)
        assert (event.offset, event.body) == (offset, b"\0body\xff")
        assert (event.envelope.exchange, event.envelope.key) == (EXCHANGE, "7.1")
        assert event.envelope.headers == {"foo": "bar", "a": "ä"}
        assert before <= event.received_ms <= time.time_ns() // 1_000_000
        subscriber.feed.close()


async def test_restart_after_restart_nothing_is_lost(stations: Stations) -> None:
    station = await stations.start()
    station.durable().feed.close()
    wanted: list[str] = []
    for number in range(6):
        wanted += [f"{number}.a", f"{number}.b"]
        await station.store_all(*wanted[-2:])
        station = await stations.restart(station, crash=number % 2 == 0)
    assert await station.durable().get_keys(12) == wanted


async def test_it_takes_no_part_in_what_is_not_stored(station: Station) -> None:
    subscriber = station.durable()
    station.publish("a")
    assert not subscriber.feed.pending
    assert await subscriber.get_keys(1) == ["a"]


async def test_each_event_comes_once_however_they_are_cut_into_blocks(start: Start) -> None:
    station = await start(commit_bytes_max=3_500)  # some three events
    early = station.durable("early")
    offsets = [await station.store("a")]  # it is live now
    offsets += [station.publish("a") for _ in range(100)]
    late, joined = station.durable("late"), station.subscribe("#", start=Begin(StartAt.FIRST))
    offsets += [station.publish("a") for _ in range(100)]
    for subscriber, expected in ((early, offsets), (late, offsets[1:]), (joined, offsets)):
        events = [event for _ in range(len(expected)) for event in await subscriber.get(1)]
        assert [event.offset for event in events] == expected
        assert await subscriber.nothing()


async def test_more_than_the_ring_holds_is_read_from_the_log(start: Start) -> None:
    station = await start(ring_bytes_max=50_000, backlog_events_max=50)
    subscriber = station.durable()
    offsets = await station.store_all(*["a"] * 1_000)
    events = [event for _ in range(100) for event in await subscriber.get(10)]
    assert [event.offset for event in events] == offsets
    subscriber.feed.settle(events)
    assert await subscriber.nothing()
    await station.store("b")
    assert await subscriber.get_keys(1) == ["b"]


async def test_many_unsettled_ones_come_back_in_order(start: Start) -> None:
    station = await start()
    first = station.durable()
    offsets = await station.store_all(*["a"] * 3_000)
    await first.get(2_000)
    first.feed.close()
    again = station.durable()
    events = [event for _ in range(30) for event in await again.get(100)]
    assert [event.offset for event in events] == offsets
    assert again.marked(events) == [True] * 2_000 + [False] * 1_000


# --- competing consumers


async def test_competing_consumers_each_get_a_share_and_no_event_twice(station: Station) -> None:
    consumers = [station.durable() for _ in range(3)]
    offsets = await station.store_all(*"abcdefghi")
    shares = [consumer.take() for consumer in consumers]
    assert all(shares)
    rest = [event for consumer in consumers for _ in range(9) for event in consumer.take()]
    assert sorted(event.offset for event in [*rest, *(event for share in shares for event in share)]) == offsets
    assert not any(consumer.feed.pending for consumer in consumers)


async def test_one_without_credit_does_not_hold_up_the_other(station: Station) -> None:
    idle, busy = station.durable(), station.durable()
    await station.store_all(*"abcdef")
    assert await busy.get_keys(6) == list("abcdef")
    assert idle.wakes >= 1
    assert busy.wakes >= 1


async def test_what_a_gone_consumer_had_goes_to_the_others(station: Station) -> None:
    one, other = station.durable(), station.durable()
    await station.store_all(*"abcd")
    had = one.take(2)
    rest = await other.get(2)
    assert not other.feed.pending
    wakes = other.wakes
    one.feed.close()
    assert other.wakes == wakes + 1
    events = await other.get(2)
    assert [event.offset for event in events] == [event.offset for event in had]
    assert other.marked(events) == [True, True]
    assert other.marked(rest) == [False, False]


async def test_nobody_settles_what_another_has(station: Station) -> None:
    one, other = station.durable(), station.durable()
    await station.store("a")
    events = one.take()
    other.feed.settle(events)
    other.feed.reject(events)
    other.feed.requeue(events)
    assert await other.nothing()
    one.feed.close()
    one.feed.settle(events)
    assert await other.get_keys(1) == ["a"]
    assert station.dead_letters().take() == []


async def test_each_takes_no_more_than_it_asks_for(station: Station) -> None:
    one, other = station.durable(), station.durable()
    await station.store_all(*"abcdef")
    assert [len(one.take(1)), len(other.take(2)), len(one.take(1)), len(other.take(1, 1))] == [1, 2, 1, 1]


async def test_names_belong_to_their_principals(station: Station) -> None:
    one, other = station.durable(principal="p"), station.durable(principal="q")
    await station.store("a")
    assert await one.get_keys(1) == ["a"]
    assert await other.get_keys(1) == ["a"]


# --- bounds


async def test_what_is_unsettled_is_bounded_and_settling_goes_on(start: Start) -> None:
    station = await start(pending_max=3)
    subscriber = station.durable()
    await station.store_all(*"abcdef")
    events = await subscriber.get(3)
    assert not subscriber.feed.pending
    assert subscriber.take() == []
    wakes = subscriber.wakes
    subscriber.feed.settle(events[:1])
    assert subscriber.wakes > wakes
    assert [event.envelope.key for event in subscriber.take()] == ["d"]


async def test_what_came_back_comes_also_when_there_is_no_room_for_more(start: Start) -> None:
    station = await start(pending_max=3)
    subscriber = station.durable()
    await station.store_all(*"abcdef")
    await subscriber.get(3)
    subscriber.feed.close()
    again = station.durable()
    assert [event.envelope.key for event in await again.get(3)] == ["a", "b", "c"]
    assert not again.feed.pending


async def test_there_are_at_most_durables_max(start: Start) -> None:
    station = await start(durables_max=1)
    station.durable("one")
    station.durable("one")
    with pytest.raises(LimitError, match="durables_max"):
        station.durable("two")


# --- names, patterns, owners


def test_another_pattern_under_the_same_name_is_an_error_that_shows_both(station: Station) -> None:
    station.durable(pattern="a.*")
    for pattern, exchange in (("b.#", EXCHANGE), ("a.*", "other")):
        with pytest.raises(ClientError) as refused:
            station.subscribe(pattern, exchange=exchange, durable=Durable("p", "mine"))
        assert f"/exchange/{EXCHANGE}/a.*" in refused.value.detail
        assert f"/exchange/{exchange}/{pattern}" in refused.value.detail


async def test_a_start_counts_only_when_it_is_made(station: Station) -> None:
    offsets = await station.store_all(*"abc")
    first = station.durable(start=Begin(StartAt.OFFSET, offsets[1]))
    assert await first.get_keys(2) == ["b", "c"]
    first.feed.close()
    again = station.durable(start=Begin(StartAt.FIRST))
    assert await again.nothing()


@CRASH
async def test_rights_that_were_taken_away_count_for_what_was_not_delivered_too(
    stations: Stations, crash: bool
) -> None:
    station = await stations.start()
    station.subscribe("#", rights=("7.#", "9.#"), durable=Durable("s", "mine")).feed.close()
    await station.store_all("7.1", "9.1", "7.2")
    station = await stations.restart(station, crash)
    again = station.subscribe("#", rights=("9.#",), durable=Durable("s", "mine"))
    assert await again.get_keys(1) == ["9.1"]
    await station.store_all("7.3", "9.2")
    assert await again.get_keys(1) == ["9.2"]
    assert await again.nothing()


@CRASH
async def test_deleted_is_deleted(stations: Stations, crash: bool) -> None:
    station = await stations.start()
    one, other = station.durable(), station.durable()
    await station.store("a")
    one.take()
    one.feed.close()
    confirmed = Confirmed()
    station.engine.delete(Durable("p", "mine"), confirmed)
    (error,) = other.errors
    assert isinstance(error, AccessError)
    assert one.errors == []
    assert other.take() == []
    assert not other.feed.pending
    other.feed.settle([])
    other.feed.close()
    assert await confirmed.answer() is None
    await asyncio.sleep(0.25)  # what is settled without a receipt is stored so often
    station = await stations.restart(station, crash)
    with pytest.raises(AccessError):
        station.engine.delete(Durable("p", "mine"))
    again = station.durable(pattern="b")
    assert await again.nothing()


def test_only_the_owner_deletes(station: Station) -> None:
    station.durable(principal="p")
    for durable in (Durable("q", "mine"), Durable("p", "other")):
        with pytest.raises(AccessError, match="No durable subscription"):
            station.engine.delete(durable)
    station.engine.delete(Durable("p", "mine"))


async def test_ended_may_close_other_feeds_and_a_closed_feed_is_told_nothing(station: Station) -> None:
    """A connection closes all its feeds when the first of them ends."""
    subscribers = [station.durable() for _ in range(3)]
    live, opened = station.subscribe("#"), []

    def close_the_others() -> None:
        for other in [*subscribers, live]:
            other.feed.close()
        opened.append(station.durable("new"))

    for subscriber in subscribers:
        subscriber.at_end = close_the_others
    station.engine.delete(Durable("p", "mine"))
    assert sum(len(subscriber.errors) for subscriber in subscribers) == 1
    await station.store("a")
    assert await opened[0].get_keys(1) == ["a"]
    assert all(subscriber.take() == [] for subscriber in [*subscribers, live])


# --- age


async def test_events_that_are_too_old_are_passed_over(station: Station) -> None:
    subscriber = station.durable(message_ttl_ms=60)
    await station.store_all("a", "b")
    (lost,) = await subscriber.get(1)
    await asyncio.sleep(0.08)
    subscriber.feed.requeue([lost])
    await station.store("c")
    assert await subscriber.get_keys(1) == ["c"]
    assert await subscriber.nothing()
    assert not subscriber.feed.pending


# --- dead letters


async def test_what_is_rejected_is_a_dead_letter(station: Station) -> None:
    subscriber = station.durable()
    offsets = await station.store_all("a", "b")
    events = await subscriber.get(2)
    confirmed = Confirmed()
    subscriber.feed.reject(events[:1], confirmed)
    subscriber.feed.settle(events[1:])
    assert await confirmed.answer() is None
    assert await subscriber.nothing()
    letters = station.dead_letters()
    assert letters.wakes == 1
    assert [event.offset for event in letters.take()] == offsets[:1]
    assert not letters.feed.pending


@pytest.mark.parametrize("how", ["NACK", "gone"])
async def test_the_delivery_limit_counts_nacks_and_consumers_that_went(start: Start, how: str) -> None:
    station = await start(deliveries_max=3)
    subscriber = station.durable()
    await station.store("a")
    for delivery in range(3):
        events = await subscriber.get(1)
        assert subscriber.marked(events) == [delivery > 0]
        if how == "NACK":
            subscriber.feed.requeue(events)
        else:
            subscriber.feed.close()
            subscriber = station.durable()
    assert await subscriber.nothing()
    assert [event.envelope.key for event in station.dead_letters().take()] == ["a"]


@CRASH
async def test_dead_letters_and_counts_survive_a_restart(stations: Stations, crash: bool) -> None:
    station = await stations.start(deliveries_max=2)
    subscriber = station.durable()
    await station.store_all("a", "b", "c")
    events = await subscriber.get(3)
    subscriber.feed.requeue(events[:1])
    confirmed = Confirmed()
    subscriber.feed.reject(events[1:2], confirmed)
    assert await confirmed.answer() is None
    station = await stations.restart(station, crash, deliveries_max=2)
    assert [event.envelope.key for event in station.dead_letters().take()] == ["b"]
    again = station.durable()
    events = await again.get(2)
    assert [event.envelope.key for event in events] == ["a", "c"]
    again.feed.requeue(events)
    assert await again.nothing(), "each was delivered twice"
    assert [event.envelope.key for event in station.dead_letters().take()] == ["a", "b", "c"]


@CRASH
@pytest.mark.parametrize("how", ["settle", "reject"])
async def test_a_dead_letter_that_is_settled_is_gone(stations: Stations, crash: bool, how: str) -> None:
    station = await stations.start()
    await _reject(station, "a", "b")
    letters = station.dead_letters()
    confirmed = Confirmed()
    getattr(letters.feed, how)(letters.take(1), confirmed)
    assert await confirmed.answer() is None
    station = await stations.restart(station, crash)
    assert [event.envelope.key for event in station.dead_letters().take()] == ["b"]
    assert await station.durable().nothing()


@pytest.mark.parametrize("consumed", [True, False])
async def test_a_dead_letter_that_is_requeued_comes_again(station: Station, consumed: bool) -> None:
    subscriber = await _reject(station, "a", "b")
    if not consumed:
        subscriber.feed.close()
    letters = station.dead_letters()
    letters.feed.requeue(letters.take())
    if not consumed:
        subscriber = station.durable()
    assert await subscriber.get_keys(2) == ["a", "b"]
    assert station.dead_letters().take() == []


async def test_a_requeued_dead_letter_survives_a_restart(stations: Stations) -> None:
    station = await stations.start()
    (await _reject(station, "a")).feed.close()
    letters = station.dead_letters()
    letters.feed.requeue(letters.take())
    station = await stations.restart(station, crash=False)
    assert await station.durable().get_keys(1) == ["a"]


async def test_dead_letters_are_bounded_the_oldest_goes_first(start: Start) -> None:
    station = await start(dead_letters_max=2)
    await _reject(station, "a", "b", "c")
    assert [event.envelope.key for event in station.dead_letters().take()] == ["b", "c"]


def test_dead_letters_of_what_is_not_there_are_an_error(station: Station) -> None:
    with pytest.raises(AccessError):
        station.dead_letters()


async def _reject(station: Station, *keys: str) -> Subscriber:
    subscriber = station.durable()
    await station.store_all(*keys)
    subscriber.feed.reject(await subscriber.get(len(keys)))
    return subscriber


# --- settling


async def test_settled_without_a_receipt_survives_an_orderly_restart(stations: Stations) -> None:
    station = await stations.start()
    subscriber = station.durable()
    await station.store_all(*"abc")
    assert await subscriber.get_keys(2) == ["a", "b"]
    station = await stations.restart(station, crash=False)
    again = station.durable()
    events = await again.get(1)
    assert [event.envelope.key for event in events] == ["c"]
    assert again.marked(events) == [False]


async def test_settled_without_a_receipt_is_stored_soon(stations: Stations) -> None:
    station = await stations.start()
    subscriber = station.durable()
    await station.store_all(*"ab")
    assert await subscriber.get_keys(1) == ["a"]
    await asyncio.sleep(0.3)
    station = await stations.restart(station, crash=True)
    assert await station.durable().get_keys(1) == ["b"]


async def test_requeued_comes_first_lowest_offset_first(station: Station) -> None:
    subscriber = station.durable()
    await station.store_all(*"abcde")
    a, b, c = await subscriber.get(3)
    subscriber.feed.requeue([c, a])
    events = await subscriber.get(4)
    assert [event.envelope.key for event in events] == ["a", "c", "d", "e"]
    assert subscriber.marked(events) == [True, True, False, False]
    subscriber.feed.settle([b, *events])
    assert await subscriber.nothing()
