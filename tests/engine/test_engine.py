"""What every engine promises (``engine.interface``); see ``conftest.ENGINES``."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.engine.interface import Start as Begin
from heliograph.engine.interface import StartAt
from heliograph.errors import HeliographError
from heliograph.topic.matcher import matches
from tests.engine.conftest import EXCHANGE, Confirmed, Start, Station

# --- routing


@pytest.mark.parametrize(
    ("pattern", "reached"),
    [
        ("7.1.create", ["7.1.create"]),
        ("7.#", ["7.1.create", "7.2.create", "7.1.delete", "7"]),
        ("*.1.*", ["7.1.create", "9.1.create", "7.1.delete"]),
        ("#.delete", ["7.1.delete"]),
        ("#", ["7.1.create", "7.2.create", "9.1.create", "7.1.delete", "7"]),
        ("8.#", []),
    ],
)
def test_an_event_reaches_the_subscriptions_whose_pattern_matches_its_key(
    station: Station, pattern: str, reached: list[str]
) -> None:
    subscriber = station.subscribe(pattern)
    for key in ("7.1.create", "7.2.create", "9.1.create", "7.1.delete", "7"):
        station.publish(key)
    assert subscriber.keys() == reached


def test_an_event_comes_with_all_it_was_published_with(station: Station) -> None:
    subscriber = station.subscribe("#")
    offset = station.publish("7.1", b"\0body\xff", {"foo": "bar", "content-type": "text/plain"})
    (event,) = subscriber.take()
    assert event.offset == offset
    assert event.body == b"\0body\xff"
    assert (event.envelope.exchange, event.envelope.key) == (EXCHANGE, "7.1")
    assert list(event.envelope.headers.items()) == [("foo", "bar"), ("content-type", "text/plain")]
    assert event.size >= len(event.body)


def test_exchanges_do_not_mix(station: Station) -> None:
    here, there = station.subscribe("#"), station.subscribe("#", exchange="other")
    station.publish("a")
    station.publish("b", exchange="other")
    assert (here.keys(), there.keys()) == (["a"], ["b"])


def test_declaring_again_changes_nothing(station: Station) -> None:
    subscriber = station.subscribe("#")
    station.engine.declare(EXCHANGE)
    station.publish("a")
    assert subscriber.keys() == ["a"]


def test_an_event_comes_once_for_each_subscription_that_it_matches(station: Station) -> None:
    subscribers = [station.subscribe(pattern) for pattern in ("a.b", "a.*", "a.#", "#", "#", "*.b")]
    station.publish("a.b")
    assert [subscriber.keys() for subscriber in subscribers] == [["a.b"]] * 6


def test_a_subscription_begins_with_the_next_event_and_ends_with_its_close(station: Station) -> None:
    station.publish("before")
    subscriber = station.subscribe("#")
    station.publish("during")
    assert subscriber.keys() == ["during"]
    subscriber.feed.close()
    station.publish("after")
    assert not subscriber.feed.pending
    assert subscriber.take() == []
    assert (subscriber.wakes, subscriber.errors) == (1, [])


def test_a_change_of_bindings_is_seen_by_the_next_event(station: Station) -> None:
    station.publish("a.b")
    first = station.subscribe("a.*")
    station.publish("a.b")
    second = station.subscribe("a.b")
    station.publish("a.b")
    first.feed.close()
    station.publish("a.b")
    assert len(second.keys()) == 2


def test_closing_one_leaves_its_equals_alone(station: Station) -> None:
    one, other = station.subscribe("a.#", owner="a"), station.subscribe("a.#", owner="a")
    one.feed.close()
    one.feed.close()
    station.publish("a.b")
    assert other.keys() == ["a.b"]


# --- tenants


def test_an_owner_sees_keys_that_begin_with_its_own_word_whatever_its_pattern_says(station: Station) -> None:
    subscribers = {
        pattern: station.subscribe(pattern, owner="7") for pattern in ("#", "*.1.#", "9.#", "#.1", "*.#", "7.#", "*")
    }
    for key in ("7.1", "9.1", "77.1", "7", "70", "9", "17.1"):
        station.publish(key)
    assert {pattern: subscriber.keys() for pattern, subscriber in subscribers.items()} == {
        "#": ["7.1", "7"],
        "*.1.#": ["7.1"],
        "9.#": [],
        "#.1": ["7.1"],
        "*.#": ["7.1", "7"],
        "7.#": ["7.1", "7"],
        "*": ["7"],
    }


def test_owners_and_the_operators_own_are_served_side_by_side(station: Station) -> None:
    seven, nine = station.subscribe("#", owner="7"), station.subscribe("#", owner="9")
    everything = station.subscribe("#", rights=("#",))
    for key in ("7.1", "9.1", "8.1"):
        station.publish(key)
    assert (seven.keys(), nine.keys(), everything.keys()) == (["7.1"], ["9.1"], ["7.1", "9.1", "8.1"])


def test_with_rights_an_event_must_match_the_pattern_and_one_of_them(station: Station) -> None:
    subscriber = station.subscribe("*.1.#", rights=("7.#", "*.*.create"))
    for key in ("7.1", "7.1.delete", "7.2", "9.1", "9.1.create", "9.2.create", "9.1.create.x"):
        station.publish(key)
    assert subscriber.keys() == ["7.1", "7.1.delete", "9.1.create"]


WORDS = st.sampled_from(["7", "9", "a", "b"])
PATTERNS = st.lists(WORDS | st.sampled_from("*#"), min_size=1, max_size=4).map(tuple)
KEYS = st.lists(WORDS, min_size=1, max_size=4).map(tuple)
BINDINGS = st.tuples(PATTERNS, st.sampled_from([None, "7", "9"]), st.lists(PATTERNS, max_size=2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(BINDINGS, max_size=6), st.lists(KEYS, max_size=8))
def test_routing_agrees_with_matching_one_by_one(
    station: Station,
    bindings: list[tuple[tuple[str, ...], str | None, list[tuple[str, ...]]]],
    keys: list[tuple[str, ...]],
) -> None:
    subscribers = []
    for pattern, owner, rights in bindings:
        rights = [] if owner is not None else rights
        subscriber = station.subscribe(".".join(pattern), owner, tuple(".".join(right) for right in rights))
        subscribers.append((subscriber, pattern, owner, rights))
    for key in keys:
        station.publish(".".join(key))
    for subscriber, pattern, owner, rights in subscribers:
        assert subscriber.keys() == [
            ".".join(key)
            for key in keys
            if matches(pattern, key)
            and owner in (None, key[0])
            and (not rights or any(matches(right, key) for right in rights))
        ]
        subscriber.feed.close()


# --- order, offsets, confirmation


def test_offsets_increase_within_an_exchange_and_events_come_in_their_order(station: Station) -> None:
    subscriber = station.subscribe("#")
    offsets = [station.publish(f"k.{number}") for number in range(100)]
    assert all(earlier < later for earlier, later in itertools.pairwise(offsets))
    taken = [event for _ in range(40) for event in subscriber.take(3)]
    assert [event.offset for event in taken] == offsets
    assert [event.envelope.key for event in taken] == [f"k.{number}" for number in range(100)]


def test_positions_add_up_the_sizes(station: Station) -> None:
    subscriber = station.subscribe("#")
    for number in range(5):
        station.publish("a", b"x" * number * 100)
    events = subscriber.take()
    assert [later.position - earlier.position for earlier, later in itertools.pairwise(events)] == [
        event.size for event in events[1:]
    ]


@pytest.mark.parametrize("subscribed", [True, False])
async def test_every_event_is_confirmed_once_and_in_order(station: Station, subscribed: bool) -> None:
    if subscribed:
        station.subscribe("#")
    order: list[int] = []
    confirms = [Confirmed() for _ in range(3)]
    for number, confirmed in enumerate(confirms):

        def confirm(error: HeliographError | None, number: int = number, confirmed: Confirmed = confirmed) -> None:
            order.append(number)
            confirmed(error)

        station.publish("a", confirm=confirm)
    assert order == [], "it is not stored yet"
    assert [await confirmed.answer() for confirmed in confirms] == [None] * 3
    assert order == [0, 1, 2]


@pytest.mark.parametrize("durable", [False, True])
async def test_events_that_are_published_together_are_in_order_and_confirmed_together(
    station: Station, durable: bool
) -> None:
    everything = station.durable() if durable else station.subscribe("#")
    some = station.subscribe("b")
    before, confirmed = station.publish("a", b"before"), Confirmed()
    events = [("ab"[number % 2], b"%d" % number, {"n": f"{number % 3}"}) for number in range(100)]
    offsets = station.publish_all(events, confirmed)
    after = station.publish("b", b"after")
    assert offsets == sorted({*offsets, before, after})[1:-1]
    assert len(offsets) == 100
    assert await confirmed.answer() is None
    await station.store("c")
    heard = await everything.get(103)
    assert [event.offset for event in heard[:-1]] == [before, *offsets, after]
    assert [(e.envelope.key, e.body, dict(e.envelope.headers)) for e in heard[1:101]] == events
    assert [event.body for event in await some.get(51)] == [*(b"%d" % n for n in range(1, 100, 2)), b"after"]
    history = station.subscribe("#", start=Begin(StartAt.OFFSET, offsets[0]))
    assert [event.body for event in await history.get(102)][:100] == [body for _, body, _ in events]


# --- waking


def test_wake_is_called_when_pending_goes_from_nothing_to_something_and_not_again(station: Station) -> None:
    subscriber = station.subscribe("a")
    assert not subscriber.feed.pending
    station.publish("b")
    assert subscriber.wakes == 0
    for _ in range(3):
        station.publish("a")
        assert subscriber.feed.pending
        assert subscriber.wakes == 1
    subscriber.take(2)
    station.publish("a")
    assert subscriber.wakes == 1
    subscriber.take()
    assert not subscriber.feed.pending
    station.publish("a")
    assert subscriber.wakes == 2


def test_what_is_requeued_is_pending_at_once(station: Station) -> None:
    subscriber = station.subscribe("a")
    station.publish("a")
    subscriber.feed.requeue(subscriber.take())
    assert subscriber.feed.pending


def test_each_subscription_is_woken_by_itself(station: Station) -> None:
    one, other = station.subscribe("a"), station.subscribe("#")
    station.publish("b")
    station.publish("a")
    assert (one.wakes, other.wakes) == (1, 1)


# --- how much is taken


def test_take_gives_no_more_than_it_was_asked_for(station: Station) -> None:
    subscriber = station.subscribe("#")
    for number in range(10):
        station.publish(str(number))
    assert subscriber.keys(1) == ["0"]
    assert subscriber.keys(3) == ["1", "2", "3"]
    assert subscriber.keys(100) == ["4", "5", "6", "7", "8", "9"]
    assert subscriber.keys(100) == []


@pytest.mark.parametrize("sizes", [[10] * 5, [5_000, 10, 10, 10], [10, 5_000, 10, 10], [0, 0, 0, 9_000]])
@pytest.mark.parametrize("requeued", [0, 1, 2])
@pytest.mark.parametrize("bytes_max", [1, 1_500, 2_500, 4_000, 11_000])
def test_take_stops_once_it_holds_enough_octets_but_one_always_comes(
    station: Station, sizes: list[int], requeued: int, bytes_max: int
) -> None:
    subscriber = station.subscribe("#")
    offsets = [station.publish("a", b"x" * size) for size in sizes]
    if requeued:
        subscriber.feed.requeue(subscriber.take(requeued))
    taken = []
    while subscriber.feed.pending:
        events = subscriber.take(100, bytes_max)
        assert events
        assert sum(event.size for event in events[:-1]) < bytes_max
        if subscriber.feed.pending:
            assert sum(event.size for event in events) >= bytes_max, "it stopped too early"
        taken += events
    assert [event.offset for event in taken] == offsets


# --- settle, requeue, reject


def test_what_is_settled_or_rejected_does_not_come_again(station: Station) -> None:
    subscriber = station.subscribe("#")
    for key in "abcd":
        station.publish(key)
    events = subscriber.take()
    subscriber.feed.settle(events[:2])
    subscriber.feed.reject(events[2:])
    assert not subscriber.feed.pending
    assert subscriber.take() == []


def test_what_is_requeued_comes_first_lowest_offset_first_and_is_marked(station: Station) -> None:
    subscriber = station.subscribe("#")
    for key in "abcdef":
        station.publish(key)
    a, b, c, d = subscriber.take(4)
    assert not any(event.offset in subscriber.feed.redelivered for event in (a, b, c, d))
    subscriber.feed.requeue([d, b])
    subscriber.feed.settle([c])
    subscriber.feed.requeue([a])
    station.publish("g")
    events = subscriber.take()
    assert [event.envelope.key for event in events] == ["a", "b", "d", "e", "f", "g"]
    assert [event.offset in subscriber.feed.redelivered for event in events] == [True] * 3 + [False] * 3


def test_a_redelivered_event_stays_marked_until_it_is_settled(station: Station) -> None:
    subscriber = station.subscribe("#")
    station.publish("a")
    for _ in range(3):
        events = subscriber.take()
        subscriber.feed.requeue(events)
        assert events[0].offset in subscriber.feed.redelivered
    subscriber.feed.settle(subscriber.take())
    assert events[0].offset not in subscriber.feed.redelivered
    assert not subscriber.feed.pending


def test_a_rejected_event_is_marked_no_more(station: Station) -> None:
    subscriber = station.subscribe("#")
    station.publish("a")
    events = subscriber.take()
    subscriber.feed.requeue(events)
    subscriber.feed.reject(subscriber.take())
    assert events[0].offset not in subscriber.feed.redelivered


def test_one_subscriptions_requeue_is_nothing_to_the_others(station: Station) -> None:
    one, other = station.subscribe("#"), station.subscribe("#")
    station.publish("a")
    one.feed.requeue(one.take())
    assert other.keys() == ["a"]
    assert not other.feed.pending
    (event,) = one.take()
    assert event.offset in one.feed.redelivered
    assert event.offset not in other.feed.redelivered


def test_a_closed_feed_gives_nothing_back(station: Station) -> None:
    subscriber = station.subscribe("#")
    for key in "abc":
        station.publish(key)
    subscriber.feed.requeue(subscriber.take(1))
    subscriber.feed.close()
    assert not subscriber.feed.pending
    assert subscriber.take() == []


# --- falling behind


@pytest.mark.parametrize("limits", [{"ring_bytes_max": 100_000}, {"backlog_events_max": 20}])
async def test_who_is_too_far_behind_reads_the_log_until_it_is_live_again_and_misses_nothing(
    start: Start, limits: dict[str, int]
) -> None:
    station = await start(**({"ring_bytes_max": 200_000} | limits))
    slow, quiet, good = station.subscribe("#"), station.subscribe("other"), station.subscribe("#")
    station.publish("other")
    received, confirms = 0, [Confirmed() for _ in range(400)]
    offsets = []
    for confirmed in confirms:
        offsets.append(station.publish("a", b"x" * 1_000, confirm=confirmed))
        received += len(good.keys())
    assert received == 401, "the others do not notice"
    assert [await confirmed.answer() for confirmed in confirms] == [None] * 400
    await quiet.get_keys(1)
    events = [event for _ in range(40) for event in await slow.get(10)]
    for _ in range(100):
        offsets.append(station.publish("a", b"y"))
    events += await slow.get(101)
    assert [event.offset for event in events][1:] == offsets
    assert {event.body for event in events} == {b"", b"x" * 1_000, b"y"}
    assert not any(event.encoded for event in events)
    assert not any(slow.marked(events))
    assert await slow.nothing()
    station.publish("b")
    assert slow.keys() == ["b"], "live, so it comes at once"
    assert slow.errors == quiet.errors == good.errors == []


async def test_behind_and_live_in_turns_gives_every_event_once(start: Start) -> None:
    station = await start(ring_bytes_max=40_000, backlog_events_max=10)
    subscribers = [station.subscribe(pattern) for pattern in ("#", "a.#", "*.1")]
    published, taken = [], [[], [], []]  # type: ignore[var-annotated]
    for number in range(600):
        key = f"{'ab'[number % 2]}.{number % 3}"
        published.append((key, station.publish(key, b"x" * 500)))
        if number % 7 == 0:
            await asyncio.sleep(0)
        for which, subscriber in enumerate(subscribers):
            if number % (20 * which + 3) == 0:
                taken[which] += subscriber.take(5)
    for which, pattern in enumerate(("#", "a.#", "*.1")):
        wanted = [offset for key, offset in published if matches(tuple(pattern.split(".")), tuple(key.split(".")))]
        taken[which] += await subscribers[which].get(len(wanted) - len(taken[which]))
        assert [event.offset for event in taken[which]] == wanted
        assert await subscribers[which].nothing()


async def test_those_who_are_behind_take_turns(start: Start) -> None:
    station = await start(ring_bytes_max=100_000)
    for _ in range(5_000):
        station.publish("a", b"x" * 200)
    await station.store("a")
    behind = [station.subscribe("a", start=Begin(StartAt.FIRST)) for _ in range(10)]
    got = [0] * 10
    async with asyncio.timeout(20):
        while sum(got) < 10 * 5_001:
            await asyncio.sleep(0)
            for which, subscriber in enumerate(behind):
                got[which] += len(subscriber.keys(50))
            assert max(got) - min(got) <= 2_500, "one is served before the others"
    assert got == [5_001] * 10


async def test_a_selective_pattern_passes_over_what_it_does_not_want(start: Start) -> None:
    station = await start(ring_bytes_max=100_000)
    rare = []
    for number in range(3_000):
        if number % 500 == 0:
            rare.append(await station.store("rare", b"%d" % number))
        station.publish("often", b"x" * 500)
    await station.store("often")
    subscriber = station.subscribe("rare", start=Begin(StartAt.FIRST))
    assert [event.offset for event in await subscriber.get(len(rare))] == rare
    assert await subscriber.nothing()


async def test_a_service_that_is_behind_sees_no_more_than_its_rights(start: Start) -> None:
    station = await start()
    await station.store_all("7.1", "9.1", "7.2", "8.1")
    begin = Begin(StartAt.FIRST)
    assert await station.subscribe("#", rights=("7.#",), start=begin).get_keys(2) == ["7.1", "7.2"]
    partner = station.subscribe("#", owner="9", start=begin)
    assert await partner.get_keys(1) == ["9.1"]
    assert await partner.nothing()


async def test_a_subscription_within_the_limits_is_left_alone(start: Start) -> None:
    station = await start(ring_bytes_max=1_000_000, backlog_events_max=100)
    subscriber = station.subscribe("#")
    for number in range(100):
        station.publish(str(number), b"x" * 1_000)
    assert subscriber.errors == []
    assert subscriber.keys() == [str(number) for number in range(100)]


async def test_what_was_taken_and_not_settled_may_come_back_however_far_behind_it_is(start: Start) -> None:
    station = await start(ring_bytes_max=50_000)
    subscriber = station.subscribe("a")
    station.publish("a")
    (event,) = subscriber.take()
    for _ in range(200):
        station.publish("b", b"x" * 1_000)
    assert subscriber.errors == []
    subscriber.feed.requeue([event])
    assert [each.envelope.key for each in subscriber.take()] == ["a"]


async def test_what_came_back_comes_first_also_when_the_rest_is_read_from_the_log(start: Start) -> None:
    station = await start(ring_bytes_max=20_000)
    subscriber = station.subscribe("#")
    station.publish("first")
    events = subscriber.take()
    for _ in range(200):
        station.publish("a", b"x" * 1_000)
    subscriber.feed.requeue(events)
    got = await subscriber.get(201)
    assert [event.offset for event in got] == sorted(event.offset for event in got)
    assert subscriber.marked(got) == [True] + [False] * 200


async def test_a_feed_may_be_closed_while_it_is_behind(start: Start) -> None:
    station = await start(ring_bytes_max=20_000)
    subscribers = [station.subscribe("#") for _ in range(3)]
    for _ in range(200):
        station.publish("a", b"x" * 1_000)
    for subscriber in subscribers[1:]:
        subscriber.feed.close()
    assert len(await subscribers[0].get(200)) == 200
    assert await subscribers[1].nothing()
    assert subscribers[1].errors == []
