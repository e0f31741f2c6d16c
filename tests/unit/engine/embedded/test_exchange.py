"""What is the embedded engine's own: its routes, its window, and that nothing is left of what went."""

from __future__ import annotations

import gc

import pytest

from heliograph.engine.embedded import catch_up
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.embedded.exchange import Exchange
from heliograph.engine.embedded.routes import Routes
from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.engine.interface import Binding, Envelope, Request
from heliograph.limits import Limits
from heliograph.topic.trie import Trie
from tests.crash.stores import ForgetfulStore
from tests.in_memory import make_engine, turn_engine


class House:
    """One exchange of a running engine whose event loop turns only when it is told to."""

    def __init__(self, **limits: int) -> None:
        self.engine = make_engine(Limits(**limits), "e")
        self.exchange: Exchange = self.engine._exchanges["e"]
        self.routes: Routes[TransientFeed] = self.exchange.transient

    def feed(self, pattern: str, owner: str | None = None) -> TransientFeed:
        request = Request(Binding("e", tuple(pattern.split(".")), owner))
        made = self.engine.subscribe(request, lambda: None, lambda error: None)
        assert isinstance(made, TransientFeed)
        return made

    def publish(self, key: str, body: bytes = b"") -> int:
        return self.exchange.publish([Envelope("e", key, {})], [body])[0]

    def turn(self) -> None:
        turn_engine(self.engine)


def test_offsets_begin_with_one_and_are_one_apart() -> None:
    home = House()
    assert [home.publish("a") for _ in range(3)] == [1, 2, 3]


def test_a_route_is_looked_up_once_and_again_after_a_change_of_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    home = House()
    matched: list[tuple[str, ...]] = []
    one = home.feed("a.#")
    match = Trie.match

    def counted(tree: Trie[TransientFeed], words: tuple[str, ...]) -> list[TransientFeed]:
        matched.append(words)
        return match(tree, words)

    monkeypatch.setattr(Trie, "match", counted)
    for _ in range(5):
        home.publish("a.b")
    assert len(matched) == 1
    two = home.feed("a.b")
    home.publish("a.b")
    home.publish("a.b")
    assert len(matched) == 2
    two.close()
    home.publish("a.b")
    assert len(matched) == 3
    assert (len(one.backlog), len(two.backlog)) == (8, 0)


def test_the_routes_are_bounded() -> None:
    home = House(routes_max=10)
    home.feed("#")
    for number in range(100):
        home.publish(str(number))
    assert len(home.routes.known) <= 10


def test_keys_that_reach_the_same_subscriptions_do_not_hold_a_list_of_them_each() -> None:
    """With 1 000 subscribers and routes_max keys, lists of their own would take 262 MB an exchange."""
    home = House()
    for _ in range(50):
        home.feed("#")
    for number in range(100):
        home.publish(str(number))
    assert len({id(route) for route in home.routes.known.young.values()}) == 1


def test_nothing_is_left_of_a_subscription_that_went() -> None:
    home = House()
    gone = home.feed("7.#", owner="7")
    home.publish("7.1")
    home.publish("7.2")
    gone.close()
    assert not home.routes.followers
    assert not home.routes._trees
    assert len(home.routes.known) == len(home.routes._distinct) == 0
    assert not gone.backlog


def test_an_event_lives_as_long_as_somebody_refers_to_it() -> None:
    home = House()
    one = home.feed("#")
    envelope = Envelope("e", "a", {})
    before = len(gc.get_referrers(envelope))
    home.exchange.publish([envelope], [b"x" * 1_000])
    (event,) = one.take(1, 1)
    assert event.body == b"x" * 1_000
    one.settle([event])
    del event
    home.turn()
    home.turn()  # the writer lets go of what it has told when it tells of the next
    assert not list(home.exchange.uncommitted())
    assert len(gc.get_referrers(envelope)) <= before


@pytest.mark.parametrize("body_bytes", [0, 100, 10_000])
def test_the_memory_that_a_backlog_refers_to_stays_near_ring_bytes_max(body_bytes: int) -> None:
    home = House(ring_bytes_max=500_000)
    slow = home.feed("#")
    most = 0
    for number in range(2_000):
        home.publish("a", b"x" * body_bytes)
        if number % 20 == 0:
            home.turn()
        if number % 10 == 9:  # also right before each turn
            most = max(most, sum(len(event.body) for event in slow.fresh))
    assert most <= 500_000 + 2 * 1_048_576, "and what is read ahead, once it reads the log"
    assert slow.scan is not None, "behind"
    assert slow.pending


def test_a_subscription_that_gets_little_falls_behind_when_what_it_has_is_too_old() -> None:
    home = House(ring_bytes_max=100_000)
    slow = home.feed("rare")
    offset = home.publish("rare")
    for _ in range(500):
        home.publish("often", b"x" * 1_000)
    assert slow.scan is not None
    assert not slow.backlog
    home.turn()
    assert [event.offset for event in slow.take(10, 1 << 20)] == [offset]


def test_looking_for_those_behind_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    home = House(ring_bytes_max=1_600_000)
    looks = 0
    look = Exchange._drop_references

    def counted(self: Exchange, position: int) -> None:
        nonlocal looks
        looks += 1
        look(self, position)

    monkeypatch.setattr(Exchange, "_drop_references", counted)
    for _ in range(1_000):
        home.publish("a", b"x" * 500)
    assert 10 <= looks <= 32


def test_who_catches_up_shares_what_was_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "_SLICE_S", 5.0)  # on a busy machine too, all have their turn in one
    home = House(ring_bytes_max=100_000)
    for _ in range(500):
        home.publish("a", b"x" * 500)
    feeds = [home.feed("#") for _ in range(10)]
    for _ in range(500):
        home.publish("a", b"x" * 500)
    home.turn()
    events = [feed.take(1, 1)[0] for feed in feeds]
    assert len({id(event) for event in events}) == 1


async def test_a_stopped_engine_has_let_go_of_everything() -> None:
    engine = EmbeddedEngine(Limits(), ForgetfulStore())
    engine.declare("e")
    await engine.start()
    await engine.stop()
    again = EmbeddedEngine(Limits(), engine._store)
    again.declare("e")
    await again.start()
    await again.stop()
    assert not engine.writer._thread or not engine.writer._thread.is_alive()
