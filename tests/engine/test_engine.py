"""What every engine promises (``engine.interface``); see ``conftest.ENGINES``."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliograph.errors import HeliographError, LimitError
from heliograph.topic.matcher import matches
from tests.engine.conftest import EXCHANGE, Station

Start = Callable[..., Station]


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
    start: Start, bindings: list[tuple[tuple[str, ...], str | None, list[tuple[str, ...]]]], keys: list[tuple[str, ...]]
) -> None:
    station = start()
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
def test_every_event_is_confirmed_once(station: Station, subscribed: bool) -> None:
    if subscribed:
        station.subscribe("#")
    confirmed: list[tuple[int, HeliographError | None]] = []
    for number in range(3):

        def confirm(error: HeliographError | None, number: int = number) -> None:
            confirmed.append((number, error))

        station.publish("a", confirm=confirm)
    assert confirmed == [(0, None), (1, None), (2, None)]


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


# --- falling off


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"ring_bytes_max": 100_000}, "100000 octets (ring_bytes_max)"),
        ({"backlog_events_max": 20}, "20 events (backlog_events_max)"),
    ],
)
def test_a_subscription_that_is_too_far_behind_is_ended_with_the_limits_name_and_the_others_go_on(
    start: Start, limits: dict[str, int], named: str
) -> None:
    station = start(**({"ring_bytes_max": 200_000} | limits))
    slow, quiet, good = station.subscribe("#"), station.subscribe("other"), station.subscribe("#")
    station.publish("other")
    sent, received, confirmed = 0, 0, 0

    def confirm(error: HeliographError | None) -> None:
        nonlocal confirmed
        assert error is None
        confirmed += 1

    for _ in range(400):
        station.publish("a", b"x" * 1_000, confirm=confirm)
        sent += 1
        received += len(good.keys())
    (error,) = slow.errors
    assert isinstance(error, LimitError)
    assert named in error.detail
    assert not slow.feed.pending
    assert slow.take() == []
    assert good.errors == []
    assert received == sent + 1
    assert confirmed == sent
    assert len(quiet.errors) <= 1, "what it has not read may be too far behind, but it is told once"
    later = station.subscribe("#")
    station.publish("a")
    assert later.keys() == ["a"]


def test_a_subscription_within_the_limits_is_left_alone(start: Start) -> None:
    station = start(ring_bytes_max=1_000_000, backlog_events_max=100)
    subscriber = station.subscribe("#")
    for number in range(100):
        station.publish(str(number), b"x" * 1_000)
    assert subscriber.errors == []
    assert subscriber.keys() == [str(number) for number in range(100)]


def test_what_was_taken_and_not_settled_does_not_make_it_fall(start: Start) -> None:
    station = start(ring_bytes_max=50_000)
    subscriber = station.subscribe("a")
    station.publish("a")
    (event,) = subscriber.take()
    for _ in range(200):
        station.publish("b", b"x" * 1_000)
    assert subscriber.errors == []
    subscriber.feed.requeue([event])
    assert [each.envelope.key for each in subscriber.take()] == ["a"]


def test_ended_may_close_other_feeds_and_open_new_ones_and_a_closed_feed_is_told_nothing(start: Start) -> None:
    """A connection closes all its feeds when the first of them falls."""
    station = start(ring_bytes_max=50_000)
    subscribers = [station.subscribe("#") for _ in range(3)]
    opened = []

    def close_the_others() -> None:
        for other in subscribers:
            other.feed.close()
        opened.append(station.subscribe("#"))

    for subscriber in subscribers:
        subscriber.at_end = close_the_others
    for _ in range(70):
        station.publish("a", b"x" * 1_000)
        for each in opened:
            each.keys()
    assert sum(len(subscriber.errors) for subscriber in subscribers) == 1
    assert len(opened) == 1
    assert opened[0].errors == []
    assert all(subscriber.take() == [] for subscriber in subscribers)
