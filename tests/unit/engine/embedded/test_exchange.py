"""What is the embedded engine's own: its routes, its window, and that nothing is left of what went."""

from __future__ import annotations

import gc

import pytest

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.embedded.exchange import Exchange
from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.engine.interface import Binding, Envelope
from heliograph.errors import HeliographError
from heliograph.limits import Limits


def exchange(**limits: int) -> Exchange:
    return Exchange("e", 100, Limits(**limits))


def feed(
    home: Exchange, pattern: str, owner: str | None = None, ended: list[HeliographError] | None = None
) -> TransientFeed:
    told = [] if ended is None else ended
    made = TransientFeed(home, Binding("e", tuple(pattern.split(".")), owner), lambda: None, told.append)
    home.bind(made)
    return made


def publish(home: Exchange, key: str, body: bytes = b"") -> int:
    return home.publish(Envelope("e", key, {}), body)


def test_offsets_begin_where_they_are_told_to_and_are_one_apart() -> None:
    home = exchange()
    assert [publish(home, "a") for _ in range(3)] == [100, 101, 102]


def test_two_starts_never_give_the_same_offset() -> None:
    """The start-up time in microseconds is what ``lifecycle`` gives."""
    earlier, later = EmbeddedEngine(Limits(), 1_000_000), EmbeddedEngine(Limits(), 2_000_000)
    assert earlier.declare("e")(Envelope("e", "a", {}), b"") < later.declare("e")(Envelope("e", "a", {}), b"")


def test_a_route_is_looked_up_once_and_again_after_a_change_of_bindings(monkeypatch: pytest.MonkeyPatch) -> None:
    home = exchange()
    matched: list[tuple[str, ...]] = []
    one = feed(home, "a.#")
    match = home._trees[None].match

    def counted(tree: object, words: tuple[str, ...]) -> list[TransientFeed]:
        matched.append(words)
        return match(words)

    monkeypatch.setattr(type(home._trees[None]), "match", counted)
    for _ in range(5):
        publish(home, "a.b")
    assert len(matched) == 1
    two = feed(home, "a.b")
    publish(home, "a.b")
    publish(home, "a.b")
    assert len(matched) == 2
    two.close()
    publish(home, "a.b")
    assert len(matched) == 3
    assert (len(one.backlog), len(two.backlog)) == (8, 0)


def test_the_routes_are_bounded() -> None:
    home = exchange(routes_max=10)
    feed(home, "#")
    for number in range(100):
        publish(home, str(number))
    assert len(home._routes) <= 10


def test_keys_that_reach_the_same_subscriptions_do_not_hold_a_list_of_them_each() -> None:
    """With 1 000 subscribers and routes_max keys, lists of their own would take 262 MB an exchange."""
    home = exchange()
    for _ in range(50):
        feed(home, "#")
    for number in range(100):
        publish(home, str(number))
    assert len({id(route) for route in home._routes.young.values()}) == 1


def test_nothing_is_left_of_a_subscription_that_went() -> None:
    home = exchange()
    gone = feed(home, "7.#", owner="7")
    publish(home, "7.1")
    publish(home, "7.2")
    gone.close()
    assert not home._feeds
    assert not home._trees
    assert len(home._routes) == len(home._distinct) == 0
    assert not gone.backlog


def test_an_event_lives_as_long_as_somebody_refers_to_it() -> None:
    home = exchange()
    one = feed(home, "#")
    envelope = Envelope("e", "a", {})
    before = len(gc.get_referrers(envelope))
    home.publish(envelope, b"x" * 1_000)
    (event,) = one.take(1, 1)
    assert event.body == b"x" * 1_000
    one.settle([event])
    del event
    assert len(gc.get_referrers(envelope)) <= before


@pytest.mark.parametrize("body_bytes", [0, 100, 10_000])
def test_the_memory_that_a_backlog_refers_to_stays_near_ring_bytes_max(body_bytes: int) -> None:
    ended: list[HeliographError] = []
    home = exchange(ring_bytes_max=500_000)
    slow = feed(home, "#", ended=ended)
    most = 0
    for _ in range(2_000):
        publish(home, "a", b"x" * body_bytes)
        most = max(most, sum(len(event.body) for event in slow.backlog))
        if ended:
            break
    assert len(ended) == 1
    assert most <= 500_000


def test_a_subscription_that_gets_little_falls_when_what_it_has_is_too_old() -> None:
    ended: list[HeliographError] = []
    home = exchange(ring_bytes_max=100_000)
    slow = feed(home, "rare", ended=ended)
    publish(home, "rare")
    for _ in range(500):
        publish(home, "often", b"x" * 1_000)
    assert len(ended) == 1
    assert not slow.backlog


def test_looking_for_the_fallen_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    home = exchange(ring_bytes_max=1_600_000)
    looks = 0
    look = Exchange._drop_the_fallen

    def counted(self: Exchange) -> None:
        nonlocal looks
        looks += 1
        look(self)

    monkeypatch.setattr(Exchange, "_drop_the_fallen", counted)
    for _ in range(1_000):
        publish(home, "a", b"x" * 500)
    assert 10 <= looks <= 32


async def test_a_stopped_engine_has_no_exchanges() -> None:
    engine = EmbeddedEngine(Limits(), 0)
    engine.declare("e")
    await engine.start()
    await engine.stop()
    with pytest.raises(KeyError):
        engine.subscribe(Binding("e", ("#",), None), lambda: None, lambda error: None)
