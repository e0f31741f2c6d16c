"""A durable subscription whose owner has fewer rights than when it was delivered to."""

from __future__ import annotations

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Durable, Envelope, Feed, Request
from heliograph.errors import HeliographError
from heliograph.limits import Limits
from tests.in_memory import make_engine, turn_engine

DURABLE = Durable("service archiver", "q")


def consumer(engine: EmbeddedEngine, *rights: str) -> Feed:
    binding = Binding("e", ("#",), None, tuple(tuple(right.split(".")) for right in rights))

    def ended(error: HeliographError) -> None:
        raise error

    return engine.subscribe(Request(binding, None, DURABLE), lambda: None, ended)


def taken(engine: EmbeddedEngine, feed: Feed) -> list[str]:
    """The keys that come now."""
    keys = []
    for _ in range(3):
        turn_engine(engine)
        while events := feed.take(100, 1 << 20):
            keys += [event.envelope.key for event in events]
    return keys


def test_what_another_consumer_still_holds_is_not_given_to_one_with_fewer_rights() -> None:
    engine = make_engine(Limits(), "e")
    publish = engine.declare("e")
    old = consumer(engine, "7.#", "9.#")
    for key in ("7.a", "9.a", "7.b", "9.b"):
        publish([Envelope("e", key, {})], [b""])
    assert taken(engine, old) == ["7.a", "9.a", "7.b", "9.b"]
    new = consumer(engine, "7.#")
    assert taken(engine, new) == []
    old.close()
    assert taken(engine, new) == ["7.a", "7.b"]


def test_what_has_come_back_and_waits_is_not_given_to_one_with_fewer_rights() -> None:
    engine = make_engine(Limits(), "e")
    publish = engine.declare("e")
    old = consumer(engine, "7.#", "9.#")
    for key in ("9.a", "7.a", "9.b"):
        publish([Envelope("e", key, {})], [b""])
    turn_engine(engine)
    events = old.take(2, 1 << 20)
    old.requeue(events)
    new = consumer(engine, "7.#")
    assert taken(engine, new) == ["7.a"]


def test_dead_letters_are_read_within_the_rights_of_now() -> None:
    engine = make_engine(Limits(), "e")
    publish = engine.declare("e")
    feed = consumer(engine, "7.#", "9.#")
    for key in ("7.a", "9.a"):
        publish([Envelope("e", key, {})], [b""])
    turn_engine(engine)
    feed.reject(feed.take(2, 1 << 20))
    binding = Binding("e", ("#",), None, (("7", "#"),))
    durable = Durable(DURABLE.principal, DURABLE.name, dead_letters=True)
    dead = engine.subscribe(Request(binding, None, durable), lambda: None, lambda error: None)
    assert [event.envelope.key for event in dead.take(10, 1 << 20)] == ["7.a"]
