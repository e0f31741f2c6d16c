"""A plain body finds its partner, its key and every message type that it is told in; what is not listed is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph.broker.broker import Broker
from heliograph.broker.ingest import Ingest
from heliograph.catalog.resources import EVENTS, FACES, USERS
from heliograph.directory.directory import Directory
from heliograph.engine.interface import Binding, Event, Request
from heliograph.errors import AccessError, BodyError
from heliograph.limits import Limits
from tests.in_memory import DIRECTORY as DIRECTORY_TEXT
from tests.in_memory import directory, face, make_engine, turn_engine

LIMITS = Limits()
DIRECTORY = directory()
FULL, THIN = "acme_event_full_v24", "acme_event_v24"


class House:
    def __init__(self, directory: Directory = DIRECTORY) -> None:
        self.engine = make_engine(LIMITS, *directory.exchanges)
        self.broker = Broker(self.engine, directory, LIMITS)
        self.ingest = Ingest(self.broker, LIMITS)
        self._feeds = [
            self.engine.subscribe(Request(Binding(name, ("#",), None)), lambda: None, lambda error: None)
            for name in directory.exchanges
        ]

    def taken(self) -> list[Event]:
        return [event for feed in self._feeds for event in feed.take(1_000, 1 << 30)]


@pytest.fixture
def house() -> House:
    return House()


def full(account: int = 12345, camera: int = 32, type: str = "faceDetected", **more: Any) -> bytes:
    source = {"type": "camera", "sourceId": camera, "accountId": account}
    event = {"eventId": 15720517375, "type": type, "source": source, "timestamp": "2021-05-04T07:10:03.371+0000"}
    return json.dumps(event | more).encode()


def test_an_event_is_stored_in_full_and_thin(house: House):
    body = full(confidence=1.0, further={"field": 1})
    confirmed: list[object] = []
    offsets = house.ingest.read("acme", EVENTS, body).publish(confirmed.append)
    turn_engine(house.engine)
    assert confirmed == [None, None]
    first, second = house.taken()
    assert (first.envelope.exchange, second.envelope.exchange) == (FULL, THIN)
    assert offsets == {FULL: first.offset, THIN: second.offset}
    assert first.envelope.key == second.envelope.key == "7.12345.32.create.objectDetected.faceDetected"
    assert first.body == body
    assert json.loads(second.body) == {
        "account_id": 12345,
        "camera_id": 32,
        "event_id": 15720517375,
        "timestamp": "2021-05-04T07:10:03.371+0000",
        "type": "faceDetected",
        "action": "create",
    }


def test_a_face_goes_to_its_own_exchange_alone(house: House):
    house.ingest.read("acme", FACES, face()).publish(lambda _: None)
    (event,) = house.taken()
    assert (event.envelope.exchange, event.envelope.key) == ("acme_face_v24", "7.12345.create")
    assert event.body == face()


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        (full(account=1), "/source/accountId", "no partner has an account 1"),
        (full(camera=99), "/source/sourceId", "account 12345 has no camera 99"),
        (full(type="faceSpotted"), "/type", "no known event type"),
        (full(timestamp="yesterday"), "/timestamp", "must be a time"),
        (b"[]", "", "JSON object"),
    ],
)
def test_what_is_not_listed_is_refused(house: House, body: bytes, pointer: str, said: str):
    with pytest.raises(BodyError, match=said) as caught:
        house.ingest.read("acme", EVENTS, body)
    assert caught.value.pointer == pointer
    assert house.taken() == []


def test_without_a_message_type_there_is_no_place_to_keep_it(house: House):
    for system, resource in (("acme", USERS), ("other", EVENTS), ("nobody", EVENTS)):
        with pytest.raises(AccessError, match="switched on"):
            house.ingest.read(system, resource, full())


def test_the_same_dedup_id_is_stored_once(house: House):
    offsets = [house.ingest.read("acme", EVENTS, full(), "id").publish(lambda _: None) for _ in range(2)]
    assert offsets[0] == offsets[1]
    assert len(house.taken()) == 2


def test_every_fault_is_told(house: House):
    body = full(camera=99, type="x", timestamp="now", eventId="1", confidence=None)
    for wrong, pointers in (
        (body, {"/eventId", "/confidence", "/timestamp", "/type", "/source/sourceId"}),
        (full(account=1, type="x"), {"/type", "/source/accountId"}),
    ):
        with pytest.raises(BodyError) as caught:
            house.ingest.read("acme", EVENTS, wrong)
        assert {pointer for pointer, _ in caught.value.faults} == pointers
    assert house.taken() == []


OWN = """
[[event_types]]
name = "carDetected"
supertype = "objectDetected"
[[message_types]]
name = "event_full_v25"
key = "{partner}.{account}.{camera}.create.{event_types}"
from = "events"
places = { account = "/owner", camera = "/source/sourceId", event_types = "/type" }
body = { type = "object", required = ["zone"], properties = { zone = { type = "string" } } }
"""
V25 = "acme_event_full_v25"


@pytest.fixture
def own() -> House:
    return House(directory(DIRECTORY_TEXT.replace('"event_v24", ', '"event_v24", "event_full_v25", ', 1) + OWN))


def test_an_own_message_type_is_told_it_as_it_came(own: House):
    body = full(type="carDetected", zone="gate", owner=12345)
    offsets = own.ingest.read("acme", EVENTS, body).publish(lambda _: None)
    assert offsets.keys() == {FULL, THIN, V25}
    found = {event.envelope.exchange: event for event in own.taken()}
    assert {event.envelope.key for event in found.values()} == {"7.12345.32.create.objectDetected.carDetected"}
    assert found[V25].body == body


@pytest.mark.parametrize(
    ("more", "pointer", "said"),
    [
        ({"owner": 12345, "zone": 7}, "/zone", 'event_full_v25: zone: 7 is not of type "string"'),
        ({"owner": 12345}, "", 'event_full_v25: The body: "zone" is a required property'),
        ({"owner": 123456, "zone": "gate"}, "/owner", "owner is 123456, but the account is 12345"),
        ({"zone": "gate"}, "/owner", "owner must be there"),
    ],
)
def test_what_an_own_message_type_does_not_allow_is_stored_nowhere(own: House, more: dict, pointer: str, said: str):
    with pytest.raises(BodyError) as caught:
        own.ingest.read("acme", EVENTS, full(**more))
    assert caught.value.pointer == pointer
    assert said in caught.value.detail
    assert own.taken() == []


def test_a_change_of_the_directory_holds_for_the_next_body(own: House):
    body = full(type="carDetected", zone="gate", owner=12345)
    assert len(own.ingest.read("acme", EVENTS, body)) == 3
    own.broker.replace_directory(DIRECTORY)
    with pytest.raises(BodyError, match="no known event type"):
        own.ingest.read("acme", EVENTS, body)
    assert len(own.ingest.read("acme", EVENTS, full())) == 2
