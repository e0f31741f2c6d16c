"""Credit, and the map from what was delivered to what is still unacknowledged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.broker.subscription import AckMode, Subscription, granted_prefetch_count
from heliograph.engine.interface import Binding, Envelope, Event, Request
from heliograph.errors import ProtocolError
from heliograph.limits import Limits
from tests.in_memory import make_engine

PLENTY = 1 << 30
BINDING = Binding("e", ("#",), None)
ACKED = [AckMode.CLIENT, AckMode.CLIENT_INDIVIDUAL]


class Line:
    """A subscription, and the way to publish to it; ``next_tag`` counts as a session does."""

    def __init__(self, mode: AckMode, prefetch_count: int | None = None, **limits: int) -> None:
        allowed = Limits(**limits)
        engine = make_engine(allowed, "e")
        self._publish = engine.declare("e")
        feed = engine.subscribe(Request(BINDING), lambda: None, lambda error: None)
        self.subscription = Subscription(feed, BINDING, mode, prefetch_count, allowed)
        self.next_tag = 1

    def publish(self, *bodies: bytes) -> None:
        for body in bodies:
            self._publish([Envelope("e", "k", {})], [body])

    def lease(self, bytes_max: int = PLENTY) -> dict[int, Event]:
        """What is delivered now, by tag."""
        events = self.subscription.lease(self.next_tag, bytes_max)
        leased = dict(enumerate(events, self.next_tag))
        self.next_tag += len(events)
        return leased

    def lease_all(self) -> dict[int, Event]:
        leased: dict[int, Event] = {}
        while more := self.lease():
            leased |= more
        return leased


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


# --- credit


@pytest.mark.parametrize(
    ("asked", "granted"), [(None, 100), (0, 500), (1, 1), (100, 100), (500, 500), (501, 500), (10**9, 500)]
)
def test_prefetch_count_is_granted_up_to_the_cap(asked: int | None, granted: int) -> None:
    assert granted_prefetch_count(asked, Limits(prefetch_count_default=100, prefetch_count_max=500)) == granted


def test_the_default_is_never_above_the_cap() -> None:
    assert granted_prefetch_count(None, Limits(prefetch_count_max=10)) == 10


@pytest.mark.parametrize("mode", ACKED)
def test_no_more_than_the_credit_is_unacknowledged(mode: AckMode) -> None:
    line = Line(mode, 5)
    line.publish(*numbered(20))
    assert list(line.lease_all()) == [1, 2, 3, 4, 5]
    assert not line.subscription.ready
    assert line.lease() == {}
    line.subscription.ack(1)
    assert line.subscription.ready
    assert list(line.lease_all()) == [6]


def test_auto_needs_no_credit_and_holds_nothing() -> None:
    line = Line(AckMode.AUTO, 1)
    line.publish(*numbered(300))
    taken = []
    while line.subscription.ready:
        taken += line.subscription.take(PLENTY)
    assert [event.body for event in taken] == numbered(300)
    assert line.subscription.unacked == {}


def test_a_subscription_takes_a_slice_at_a_time_so_that_others_have_their_turn() -> None:
    line = Line(AckMode.CLIENT, 1_000)
    line.publish(*numbered(300))
    assert 0 < len(line.lease()) < 300
    auto = Line(AckMode.AUTO)
    auto.publish(*numbered(300))
    assert 0 < len(auto.subscription.take(PLENTY)) < 300


@pytest.mark.parametrize("mode", ACKED)
def test_the_octets_of_what_is_unacknowledged_are_bounded_but_one_always_comes(mode: AckMode) -> None:
    line = Line(mode, 100, unacked_bytes_max=10_000)
    line.publish(*[b"x" * 1_000] * 50)
    leased = line.lease_all()
    assert 3 <= len(leased) < 10
    assert sum(event.size for event in list(leased.values())[:-1]) < 10_000
    assert not line.subscription.ready
    line.subscription.ack(max(leased))
    if mode is AckMode.CLIENT_INDIVIDUAL:
        for tag in sorted(leased)[:-1]:
            line.subscription.ack(tag)
    assert len(line.lease_all()) == len(leased)
    big = Line(mode, 100, unacked_bytes_max=10_000)
    big.publish(b"x" * 100_000, b"y")
    assert len(big.lease_all()) == 1


@pytest.mark.parametrize("requeue", [True, False])
def test_a_nack_gives_back_count_and_octets(requeue: bool) -> None:
    line = Line(AckMode.CLIENT, 3, unacked_bytes_max=10_000)
    line.publish(*[b"x" * 2_000] * 5)
    for _ in range(20):
        line.lease_all()
        line.subscription.nack(max(line.subscription.unacked), requeue=True)
    assert line.subscription.unacked == {}
    assert len(line.lease_all()) == 2
    line.subscription.nack(max(line.subscription.unacked), requeue)
    assert line.subscription.ready


# --- ack and nack


def test_client_settles_all_up_to_it_within_its_subscription() -> None:
    line = Line(AckMode.CLIENT, 10)
    line.publish(*numbered(6))
    line.lease_all()
    line.subscription.ack(3)
    assert list(line.subscription.unacked) == [4, 5, 6]
    line.subscription.ack(4)
    assert list(line.subscription.unacked) == [5, 6]
    line.subscription.ack(6)
    assert not line.subscription.unacked


def test_client_individual_settles_one() -> None:
    line = Line(AckMode.CLIENT_INDIVIDUAL, 10)
    line.publish(*numbered(4))
    line.lease_all()
    line.subscription.ack(3)
    line.subscription.ack(1)
    assert list(line.subscription.unacked) == [2, 4]


@pytest.mark.parametrize("mode", [*ACKED, AckMode.AUTO])
@pytest.mark.parametrize(
    "act", [lambda s, tag: s.ack(tag), lambda s, tag: s.nack(tag, True), lambda s, tag: s.nack(tag, False)]
)
@pytest.mark.parametrize("tag", [0, 2, 5, -1, 10**18])
def test_what_is_not_unacknowledged_cannot_be_acknowledged(
    mode: AckMode, act: Callable[[Subscription, int], None], tag: int
) -> None:
    line = Line(mode, 10)
    line.publish(*numbered(4))
    if mode is AckMode.AUTO:
        line.subscription.take(PLENTY)
    else:
        line.lease_all()
        line.subscription.ack(2)
    before = dict(line.subscription.unacked)
    with pytest.raises(ProtocolError, match="Subscription not found"):
        act(line.subscription, tag)
    assert line.subscription.unacked == before


@pytest.mark.parametrize(("mode", "again"), [(AckMode.CLIENT, [b"0", b"1", b"2"]), (AckMode.CLIENT_INDIVIDUAL, [b"2"])])
def test_what_is_given_back_comes_first_in_its_order_marked_and_with_a_new_tag(
    mode: AckMode, again: list[bytes]
) -> None:
    line = Line(mode, 4)
    line.publish(*numbered(6))
    line.lease_all()
    line.subscription.nack(3, requeue=True)
    leased = line.lease_all()
    assert [event.body for event in leased.values()] == again
    assert min(leased) == 5
    assert all(event.offset in line.subscription.redelivered for event in leased.values())
    line.subscription.ack(max(leased))
    assert leased[max(leased)].offset not in line.subscription.redelivered


def test_what_is_rejected_does_not_come_again() -> None:
    line = Line(AckMode.CLIENT, 2)
    line.publish(*numbered(4))
    line.lease_all()
    line.subscription.nack(2, requeue=False)
    assert [event.body for event in line.lease_all().values()] == [b"2", b"3"]


def test_a_closed_subscription_holds_nothing_and_gives_nothing() -> None:
    line = Line(AckMode.CLIENT, 2)
    line.publish(*numbered(4))
    line.lease_all()
    line.subscription.close()
    line.publish(b"later")
    assert not line.subscription.ready
    assert line.subscription.unacked == {}
    assert line.lease() == {}


@given(
    st.sampled_from(ACKED),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["publish", "lease", "ack", "requeue", "reject"]), st.integers(0, 9))),
)
def test_whatever_happens_each_event_is_waiting_unacknowledged_or_done(
    mode: AckMode, prefetch_count: int, steps: list[tuple[str, int]]
) -> None:
    line = Line(mode, prefetch_count)
    published, done = 0, set()
    for what, number in steps:
        unacked = line.subscription.unacked
        if what == "publish":
            line.publish(b"%d" % published)
            published += 1
        elif what == "lease":
            line.lease()
        elif unacked:
            tag = sorted(unacked)[number % len(unacked)]
            tags = [each for each in unacked if each <= tag] if mode is AckMode.CLIENT else [tag]
            bodies = [unacked[each].body for each in tags]
            if what == "ack":
                line.subscription.ack(tag)
            else:
                line.subscription.nack(tag, what == "requeue")
            if what != "requeue":
                done |= set(bodies)
        assert len(line.subscription.unacked) <= prefetch_count
        assert not {event.body for event in line.subscription.unacked.values()} & done
    while line.subscription.unacked or line.subscription.ready:
        for tag in list(line.lease_all() or line.subscription.unacked):
            if line.subscription.holds(tag):
                done.add(line.subscription.unacked[tag].body)
                if mode is AckMode.CLIENT:
                    done |= {event.body for each, event in line.subscription.unacked.items() if each <= tag}
                line.subscription.ack(tag)
    assert done == set(numbered(published))


# --- watching


def test_what_is_watched_is_counted_from_then_on_and_delivered_all_the_same() -> None:
    line = Line(AckMode.CLIENT_INDIVIDUAL)
    line.publish(*numbered(3))
    assert len(line.lease()) == 3
    watched = line.subscription.watch()
    assert line.subscription.watch() is watched
    assert (watched.delivered, watched.settled, watched.settled_ms) == (0, 0, None)
    line.publish(*numbered(2))
    tags = [*line.lease()]
    line.subscription.ack(tags[0])
    line.subscription.ack(1)
    line.subscription.nack(tags[1], requeue=True)
    assert (watched.delivered, watched.settled) == (2, 2)
    assert watched.settled_ms is not None
    assert [event.offset in line.subscription.redelivered for event in line.lease().values()] == [True]
    line.subscription.unwatch()
    line.publish(b"")
    assert len(line.lease()) == 1
    assert watched.delivered == 3


def test_what_waits_is_told_watched_or_not() -> None:
    line = Line(AckMode.AUTO)
    line.publish(*numbered(4))
    assert line.subscription.lag.known == 4
    line.subscription.watch()
    line.subscription.take(1)
    assert (line.subscription.lag.known, line.subscription.lag.unread) == (3, 0)
