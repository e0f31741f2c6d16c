"""Publishers, consumers, restarts, crashes and power cuts as they come; a model says what must never happen.

For every durable subscription: what was confirmed and not settled comes; what was settled and confirmed does not come
again; what comes twice is marked; each take is in order; and no event has another's body, or another's offset.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Durable, Envelope, Event, Feed, Publish, Request, Start, StartAt
from heliograph.errors import HeliographError
from heliograph.limits import Limits
from heliograph.topic.matcher import matches
from tests.crash.stores import ForgetfulStore
from tests.engine.machine_room import abandon

#: Everything so small that each run falls behind, begins new segments and writes its journal anew.
LIMITS = Limits(
    ring_bytes_max=16_000, backlog_events_max=6, segment_bytes_max=4_096, preallocated_bytes=2_048,
    journal_bytes_min=1_024, reserved_offsets=1_000, deliveries_max=1_000_000, commit_interval_ms=1,
    commit_bytes_max=3_500,
)  # fmt: skip
PATTERNS = {"all": "#", "some": "a.#"}
WHICH = st.integers(0, 59)  #: of those there are; a multiple of all small numbers


@dataclass(eq=False)
class Published:
    key: str
    body: bytes
    confirmed: bool = False


@dataclass(eq=False)
class Consumer:
    name: str
    feed: Feed
    had: list[Event] = field(default_factory=list)


@dataclass(eq=False)
class Model:
    """Of one durable subscription, by offset."""

    pattern: tuple[str, ...]
    delivered: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)  # perhaps not on disk
    done: set[int] = field(default_factory=set)  # on disk
    unknown: set[int] = field(default_factory=set)  # settled before a crash: it may come again, or not


class CrashMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = ForgetfulStore()
        self.begun = False
        self.published: dict[int, Published] = {}  # by offset, whatever became of it
        self.models = {name: Model(tuple(pattern.split("."))) for name, pattern in PATTERNS.items()}
        self.consumers: list[Consumer] = []

    @initialize()
    def begin(self) -> None:
        self._start()
        for name in PATTERNS:
            self.consume(name)
            self.loop.run_until_complete(self._turn())

    def _start(self) -> None:
        async def start() -> None:
            self.engine = EmbeddedEngine(LIMITS, self.store)
            self.publish_to: Publish = self.engine.declare("e")
            await self.engine.start()
            self.begun = True

        self.loop.run_until_complete(start())
        self.consumers.clear()
        for model in self.models.values():
            model.unknown |= model.settled - model.done
            model.settled &= model.done

    async def _turn(self) -> None:
        stored = asyncio.Event()
        self.engine._journal.put("turn", None, lambda error: stored.set())
        self.engine.writer.commit_soon()
        await stored.wait()
        for _ in range(3):
            await asyncio.sleep(0)

    def _subscribe(self, request: Request) -> Feed:
        async def subscribe() -> Feed:
            return self.engine.subscribe(request, lambda: None, self._ended)

        return self.loop.run_until_complete(subscribe())

    @staticmethod
    def _ended(error: HeliographError) -> None:
        raise AssertionError(error)

    # --- what they do

    @rule(key=st.sampled_from(["a", "a.b", "b"]), times=st.integers(1, 12), size=st.sampled_from([0, 10, 700]))
    def publish(self, key: str, times: int, size: int) -> None:
        for _ in range(times):
            body = b"%d " % len(self.published) + b"x" * size
            event = Published(key, body)
            highest = max(self.published, default=0)
            (offset,) = self.publish_to([Envelope("e", key, {})], [body], self._confirm(event))
            assert offset > highest, "an offset is never used twice"
            self.published[offset] = event

    @staticmethod
    def _confirm(event: Published) -> Callable[[HeliographError | None], None]:
        def confirm(error: HeliographError | None) -> None:
            assert error is None
            event.confirmed = True

        return confirm

    @rule()
    def turn(self) -> None:
        self.loop.run_until_complete(self._turn())

    @precondition(lambda self: len(self.consumers) < 5)
    @rule(name=st.sampled_from(sorted(PATTERNS)))
    def consume(self, name: str) -> None:
        binding = Binding("e", self.models[name].pattern, None)
        self.consumers.append(Consumer(name, self._subscribe(Request(binding, None, Durable("p", name)))))

    @precondition(lambda self: self.consumers)
    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        consumer = self.consumers.pop(which % len(self.consumers))
        consumer.feed.close()

    @precondition(lambda self: self.consumers)
    @rule(which=WHICH, count=st.sampled_from([1, 3, 100]))
    def take(self, which: int, count: int) -> None:
        consumer = self.consumers[which % len(self.consumers)]
        events = consumer.feed.take(count, 1 << 20)
        assert len(events) <= count
        self._check(self.models[consumer.name], consumer.feed, events)
        consumer.had += events

    def _check(self, model: Model, feed: Feed, events: list[Event]) -> None:
        offsets = [event.offset for event in events]
        assert offsets == sorted(set(offsets))
        assert feed.take_gap() is None
        for event in events:
            original = self.published[event.offset]
            assert (event.envelope.key, event.body) == (original.key, original.body)
            assert matches(model.pattern, tuple(original.key.split(".")))
            assert event.offset not in model.done, "it was settled, and that was confirmed"
            assert event.offset not in model.settled, "it was settled in this run"
            if event.offset in model.delivered:
                assert event.offset in feed.redelivered
            model.delivered.add(event.offset)

    @rule(which=WHICH, count=st.integers(1, 5), receipt=st.booleans())
    def settle(self, which: int, count: int, receipt: bool) -> None:
        consumer = self._holder(which)
        if consumer is None:
            return
        model = self.models[consumer.name]
        events, consumer.had = consumer.had[:count], consumer.had[count:]
        offsets = {event.offset for event in events}

        def confirm(error: HeliographError | None) -> None:
            assert error is None
            model.done.update(offsets)

        model.settled |= offsets
        consumer.feed.settle(events, confirm if receipt else None)

    @rule(which=WHICH)
    def requeue(self, which: int) -> None:
        consumer = self._holder(which)
        if consumer is None:
            return
        events, consumer.had = consumer.had[::2], consumer.had[1::2]
        consumer.feed.requeue(events)

    def _holder(self, which: int) -> Consumer | None:
        """No precondition, for who has something depends on how quick the writer was."""
        holders = [consumer for consumer in self.consumers if consumer.had]
        return holders[which % len(holders)] if holders else None

    # --- what befalls them

    @rule(seed=st.integers(0, 1_000), how=st.sampled_from(["stop", "crash", "power cut"]))
    def restart(self, seed: int, how: str) -> None:
        if how == "stop":
            self.loop.run_until_complete(self.engine.stop())
            for model in self.models.values():
                model.done |= model.settled
        else:
            abandon(self.engine)
        if how == "power cut":
            self.store.power_cut(random.Random(seed))
        self._start()

    # --- what must be so

    @invariant()
    def nobody_has_what_another_has(self) -> None:
        for name in PATTERNS:
            had = [event.offset for consumer in self.consumers if consumer.name == name for event in consumer.had]
            assert len(had) == len(set(had))

    @rule()
    def read_history(self) -> None:
        """A replay from the first event gives every confirmed one once, in order."""
        self.turn()
        feed = self._subscribe(Request(Binding("e", ("#",), None), Start(StartAt.FIRST)))
        events = self._all(feed)
        feed.close()
        offsets = [event.offset for event in events]
        assert offsets == sorted(set(offsets))
        assert feed.take_gap() is None
        for event in events:
            assert event.body == self.published[event.offset].body
            assert event.offset < feed.replayed_before
        assert {offset for offset, event in self.published.items() if event.confirmed} <= set(offsets)

    def _all(self, feed: Feed) -> list[Event]:
        events: list[Event] = []
        quiet = 0
        while quiet < 3:
            taken = feed.take(100, 1 << 20)
            events += taken
            quiet = 0 if taken else quiet + 1
            self.loop.run_until_complete(self._turn())
        return events

    def teardown(self) -> None:
        try:
            if self.begun:
                self._everything_comes()
        finally:
            if self.begun:
                abandon(self.engine)
            self.loop.close()

    def _everything_comes(self) -> None:
        self.turn()
        while self.consumers:
            self.leave(0)
        for name, model in self.models.items():
            self.consume(name)
            consumer = self.consumers[-1]
            events = self._all(consumer.feed)
            self._check(model, consumer.feed, events)
            offsets = {event.offset for event in events} | model.settled | model.done | model.unknown
            for offset, event in self.published.items():
                if event.confirmed and matches(model.pattern, tuple(event.key.split("."))):
                    assert offset in offsets, "lost"


def run(max_examples: int, steps: int) -> None:
    run_state_machine_as_test(CrashMachine, settings=settings(max_examples=max_examples, stateful_step_count=steps))


def test_what_is_confirmed_is_kept_whatever_befalls_the_engine() -> None:
    run(max_examples=25, steps=40)


@pytest.mark.long
def test_what_is_confirmed_is_kept_whatever_befalls_the_engine_for_long() -> None:
    run(max_examples=2_000, steps=80)
