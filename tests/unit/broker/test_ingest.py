"""A plain body finds its partner, its key and every message type that it is told in; what is not listed is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph.broker.broker import Broker
from heliograph.broker.ingest import Ingest
from heliograph.catalog.resources import EVENTS, FACES, USERS
from heliograph.engine.interface import Binding, Event, Request
from heliograph.errors import AccessError, BodyError
from heliograph.limits import Limits
from tests.in_memory import directory, face, make_engine, turn_engine

LIMITS = Limits()
DIRECTORY = directory()
FULL, THIN = "acme_event_full_v24", "acme_event_v24"


class House:
    def __init__(self) -> None:
        self.engine = make_engine(LIMITS, *DIRECTORY.exchanges)
        self.ingest = Ingest(Broker(self.engine, DIRECTORY, LIMITS), LIMITS)
        self._feeds = [
            self.engine.subscribe(Request(Binding(name, ("#",), None)), lambda: None, lambda error: None)
            for name in DIRECTORY.exchanges
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
