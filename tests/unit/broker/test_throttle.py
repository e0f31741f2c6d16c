"""No faster than the quota, in turns, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heliograph.broker.subscription import AckMode, Subscription
from heliograph.broker.throttle import Throttle
from heliograph.directory.quota import Quota
from heliograph.engine.interface import Binding, Envelope, Event, Request
from heliograph.limits import Limits
from tests.in_memory import make_engine

PLENTY = 1 << 30
BINDING = Binding("e", ("#",), None)


class Time:
    """Monotonic seconds, and what is to be done later."""

    def __init__(self) -> None:
        self.now_s = 10.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.now_s

    def later(self, delay: float, callback: Callable[[], None], /) -> None:
        self._due.append((self.now_s + delay, callback))

    def pass_s(self, seconds: float) -> None:
        until = self.now_s + seconds
        while self._due and min(self._due)[0] <= until:
            due = min(self._due, key=lambda each: each[0])
            self._due.remove(due)
            self.now_s = due[0]
            due[1]()
        self.now_s = until

    @property
    def idle(self) -> bool:
        return not self._due


class Line:
    """A throttled subscription that takes whatever it can as soon as it is woken, as its connection does."""

    def __init__(self, engine, throttle: Throttle | None, mode: AckMode = AckMode.AUTO, prefetch: int = 1_000) -> None:
        self.got: list[Event] = []
        self.tag = 1
        feed = engine.subscribe(Request(BINDING), self.wake, lambda error: None)
        self.subscription = Subscription(feed, BINDING, mode, prefetch, Limits(), self.wake)
        self.subscription.hold_back(throttle)

    def wake(self) -> None:
        self.pull()

    def pull(self) -> None:
        while self.subscription.ready:
            if self.subscription.ack_mode is AckMode.AUTO:
                self.got += self.subscription.take(PLENTY)
            else:
                events = self.subscription.lease(self.tag, PLENTY)
                self.tag += len(events)
                self.got += events

    def bodies(self) -> list[bytes]:
        return [event.body for event in self.got]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def engine():
    return make_engine(Limits(), "e")


def publish(engine, *bodies: bytes) -> None:
    for body in bodies:
        engine.declare("e")([Envelope("e", "k", {})], [body])


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def throttle(time: Time, **quota: int) -> Throttle:
    return Throttle(Quota(**quota), time.now, time.later)


@pytest.mark.parametrize("mode", AckMode)
def test_messages_come_no_faster_than_the_quota_and_all_of_them_in_order(engine, time: Time, mode: AckMode) -> None:
    line = Line(engine, throttle(time, messages_per_s=10), mode)
    publish(engine, *numbered(45))
    line.pull()
    assert len(line.got) == 10  # what was kept while nothing came
    for second in range(1, 4):
        time.pass_s(1)
        assert len(line.got) in (10 + 10 * second, 10 + 10 * second - 1)
    time.pass_s(1)
    assert line.bodies() == numbered(45)
    time.pass_s(1)
    assert time.idle


def test_octets_come_no_faster_than_the_quota_and_one_larger_than_it_comes_too(engine, time: Time) -> None:
    line = Line(engine, throttle(time, bytes_per_s=1_000))
    publish(engine, *[b"x" * 100] * 50, b"y" * 5_000, b"z")
    line.pull()
    assert 1_000 <= sum(map(len, line.bodies())) <= 1_100
    time.pass_s(2)
    assert 2_900 <= sum(map(len, line.bodies())) <= 3_200
    time.pass_s(3)
    assert line.bodies()[-1] == b"y" * 5_000
    time.pass_s(4)
    assert line.bodies()[-1] == b"y" * 5_000  # it is paid for
    time.pass_s(2)
    assert line.bodies()[-1] == b"z"


def test_a_rate_below_one_a_second_is_kept_too(engine, time: Time) -> None:
    line = Line(engine, throttle(time, messages_per_s=1))
    publish(engine, *numbered(5))
    line.pull()
    for count in range(1, 6):
        assert len(line.got) == count
        time.pass_s(1)


def test_the_subscriptions_of_a_partner_share_it_in_turns(engine, time: Time) -> None:
    shared = throttle(time, messages_per_s=5)
    lines = [Line(engine, shared) for _ in range(3)]
    publish(engine, *numbered(100))
    for line in lines:
        line.pull()
    time.pass_s(11)
    counts = [len(line.got) for line in lines]
    assert 50 <= sum(counts) <= 60
    assert max(counts) - min(counts) <= 6


def test_who_has_no_credit_or_has_gone_keeps_nobody_waiting(engine, time: Time) -> None:
    shared = throttle(time, messages_per_s=10)
    stuck = Line(engine, shared, AckMode.CLIENT, prefetch=1)
    gone, going_on = Line(engine, shared), Line(engine, shared)
    publish(engine, *numbered(100))
    for line in (stuck, gone, going_on):
        line.pull()
    gone.subscription.close()
    assert len(stuck.got) == 1
    time.pass_s(5)
    assert len(going_on.got) >= 40
    stuck.subscription.ack(1)
    stuck.pull()
    time.pass_s(1)
    assert len(stuck.got) == 2


def test_it_is_given_changed_and_taken_away_while_events_wait(engine, time: Time) -> None:
    slow, fast = throttle(time, messages_per_s=1), throttle(time, messages_per_s=20)
    line = Line(engine, None)
    line.subscription.hold_back(slow)
    publish(engine, *numbered(100))
    line.pull()
    assert len(line.got) == 1
    line.subscription.hold_back(fast)
    assert len(line.got) == 21
    line.subscription.hold_back(None)
    assert line.bodies() == numbered(100)
    time.pass_s(5)
    assert time.idle
