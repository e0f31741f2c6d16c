"""Publishing for one principal: the key is authorised, and the body is what the key says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from heliograph.broker.broker import Broker
from heliograph.broker.publisher import Publisher
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Event, Request
from heliograph.errors import AccessError, BodyError, ClientError, DestinationError, LimitError
from heliograph.limits import Limits
from tests.in_memory import DIRECTORY as DIRECTORY_TEXT
from tests.in_memory import PARTNER, SERVICE, SYSTEM, directory, face, make_engine, turn_engine

LIMITS = Limits()
DIRECTORY = directory()


class Letter:
    """As a SEND's head is: known by identity."""

    def __init__(self, destination: str, **headers: str) -> None:
        self.destination = destination
        self.headers: Mapping[str, str] = headers


class House(NamedTuple):
    """A broker, and all that was published through it."""

    broker: Broker
    take: Callable[[], list[Event]]

    def publisher(self, login: str) -> Publisher:
        return self.broker.publisher(DIRECTORY.principals[login])


@pytest.fixture
def house() -> House:
    engine = make_engine(LIMITS, *DIRECTORY.exchanges)
    broker = Broker(engine, DIRECTORY, LIMITS)
    feeds = [
        engine.subscribe(Request(Binding(name, ("#",), None)), lambda: None, lambda error: None)
        for name in DIRECTORY.exchanges
    ]
    return House(broker, lambda: [event for feed in feeds for event in feed.take(1_000, 1 << 30)])


def full(account: int = 12345, camera: int = 32, type: str = "faceDetected", **more: Any) -> bytes:
    return json.dumps(
        {
            "eventId": 15720517375,
            "type": type,
            "source": {"type": "camera", "sourceId": camera, "accountId": account},
            "timestamp": "2021-05-04T07:10:03.371+0000",
            **more,
        }
    ).encode()


FULL_KEY = "7.12345.32.create.objectDetected.faceDetected"


def refused(kind: type[ClientError], house: House, login: str, destination: str, body: bytes) -> ClientError:
    """The same from ``publish`` as from ``check``; nothing is published, nothing confirmed."""
    publisher, letter = house.publisher(login), Letter(destination)
    confirmed: list[object] = []
    with pytest.raises(kind) as first:
        publisher.check(letter, body)
    for _ in range(2):
        with pytest.raises(kind) as again:
            publisher.publish(letter, body, confirmed.append)
        assert (again.value.message, again.value.detail) == (first.value.message, first.value.detail)
    assert confirmed == []
    assert house.take() == []
    return first.value


def test_an_event_goes_out_as_it_came(house: House) -> None:
    body = full(unknown={"a": [1, 2.50]}) + b" \n"
    confirmed: list[object] = []
    letter = Letter(f"/exchange/acme_event_full_v24/{FULL_KEY}", foo="bar")
    offset = house.publisher("acme").publish(letter, body, confirmed.append)
    (event,) = house.take()
    assert (event.offset, event.envelope.exchange, event.envelope.key) == (offset, "acme_event_full_v24", FULL_KEY)
    assert event.body == body
    assert event.envelope.headers == {"foo": "bar"}
    assert confirmed == [], "it is not stored yet"
    engine = house.broker._engine
    assert isinstance(engine, EmbeddedEngine)
    turn_engine(engine)
    assert confirmed == [None]


def test_check_publishes_nothing(house: House) -> None:
    house.publisher("acme").check(Letter(f"/exchange/acme_event_full_v24/{FULL_KEY}"), full())
    assert house.take() == []


def test_all_connections_of_a_principal_share_a_publisher_and_others_do_not(house: House) -> None:
    assert house.publisher("acme") is house.publisher("acme")
    assert house.publisher("acme") is not house.publisher("other")


def test_what_one_may_publish_another_may_not_however_often_it_was_asked(house: House) -> None:
    letter = Letter("/exchange/acme_face_v24/7.12345.create")
    house.publisher("acme").publish(letter, face())
    for login in ("other", PARTNER[0], SERVICE[0]):
        for _ in range(2):
            with pytest.raises(AccessError):
                house.publisher(login).publish(letter, face())
    assert len(house.take()) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "part"),
    [
        (full(account=123456), "/source/accountId", "123456"),
        (full(camera=33), "/source/sourceId", "33"),
        (full(type="personDetected"), "/type", "'personDetected'"),
        (full(type="nonsense"), "/type", "nonsense"),
        (full(timestamp="2021-05-04T07:10:03Z"), "/timestamp", "2021-05-04T07:10:03Z"),
        (full(eventId="1"), "/eventId", "eventId"),
        (b"{}", "/", "must be"),
        (b"not json", "", "JSON"),
        (b"", "", "JSON"),
        (b"[" * 100_000, "", ""),
        (full().replace(b"faceDetected", b"face\xffDetected"), "", "UTF-8"),
    ],
)
def test_a_body_that_is_not_what_its_key_says_is_refused_by_field(
    house: House, body: bytes, pointer: str, part: str
) -> None:
    error = refused(BodyError, house, "acme", f"/exchange/acme_event_full_v24/{FULL_KEY}", body)
    assert isinstance(error, BodyError)
    assert error.pointer.startswith(pointer)
    assert part in error.detail


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("9.12345.create", "Partner 9 has no account 12345"),
        ("7.999.create", "Partner 7 has no account 999"),
        ("7.1.create", "Partner 7 has no account 1"),
        ("8.12345.create", "Partner 8 has no account 12345"),
        ("07.12345.create", "leading zeros"),
        ("7.12345.explode", "'explode'"),
        ("7.12345", "ends after word 2"),
        ("7.12345.create.more", "goes on after word 3"),
    ],
)
def test_a_key_must_be_of_a_partner_and_its_account(house: House, key: str, part: str) -> None:
    error = refused(DestinationError, house, "acme", f"/exchange/acme_face_v24/{key}", face())
    assert error.message == "Invalid routing key"
    assert part in error.detail


def test_an_account_with_listed_cameras_has_no_others_and_one_without_has_any(house: House) -> None:
    key = "7.12345.34.create.objectDetected.faceDetected"
    error = refused(DestinationError, house, "acme", f"/exchange/acme_event_full_v24/{key}", full(camera=34))
    assert "Account 12345 has no camera 34" in error.detail
    letter = Letter(f"/exchange/acme_event_full_v24/{key.replace('12345', '123456')}")
    house.publisher("acme").publish(letter, full(account=123456, camera=34))
    assert len(house.take()) == 1


@pytest.mark.parametrize("destination", ["/topic/x", "nowhere", "/exchange/acme_face_v24", "/exchange//x", ""])
def test_a_destination_that_is_none_is_refused(house: House, destination: str) -> None:
    assert refused(DestinationError, house, "acme", destination, face()).message == "Unknown destination"


@pytest.mark.parametrize("key", ["7.*.create", "#", "7..create", "7.12345.create ", "7.\n.create"])
def test_a_key_with_wildcards_or_without_words_is_refused(house: House, key: str) -> None:
    refused(DestinationError, house, "acme", f"/exchange/acme_face_v24/{key}", face())


def test_a_key_that_is_too_long_is_refused(house: House) -> None:
    error = refused(LimitError, house, "acme", "/exchange/acme_raw/" + "x" * 256, b"")
    assert "routing_key_bytes_max" in error.detail
    house.publisher("acme").publish(Letter("/exchange/acme_raw/" + "x" * 255), b"")


@pytest.mark.parametrize(
    ("login", "destination"),
    [
        (PARTNER[0], "/exchange/acme_face_v24/7.12345.create"),
        (PARTNER[0], "/exchange/nosuch/7.12345.create"),
        (SYSTEM[0], "/exchange/other_face_v24/7.12345.create"),
        (SYSTEM[0], "/exchange/acme_user_v24/7.12345.create"),
        (SYSTEM[0], "/exchange/nosuch/7.12345.create"),
        (SERVICE[0], "/exchange/acme_face_v24/7.12345.create"),
        (SERVICE[0], "/exchange/acme_event_full_v24/7.12345.create"),
    ],
)
def test_what_is_not_granted_is_refused_before_anything_is_told_of_it(
    house: House, login: str, destination: str
) -> None:
    assert refused(AccessError, house, login, destination, b"").message == "Access refused"


def test_a_service_publishes_what_its_patterns_cover_and_the_type_allows(house: House) -> None:
    publisher = house.publisher(SERVICE[0])
    publisher.publish(Letter("/exchange/acme_face_v24/7.12345.delete"), face(action="delete"))
    publisher.publish(Letter("/exchange/acme_raw/any.thing"), b"\0\xff")
    assert [event.body for event in house.take()] == [face(action="delete"), b"\0\xff"]
    with pytest.raises(BodyError):
        publisher.publish(Letter("/exchange/acme_face_v24/7.12345.delete"), face(action="create"))


def test_a_long_letter_is_not_kept_since_it_does_not_come_again_as_the_same_object() -> None:
    publisher = Broker(make_engine(LIMITS, *DIRECTORY.exchanges), DIRECTORY, LIMITS).publisher(
        DIRECTORY.principals["acme"]
    )
    for number in range(10):
        publisher.publish(Letter("/exchange/acme_raw/a", foo=f"{number}" * 2_000), b"")
        publisher.publish(Letter("/exchange/acme_raw/a", **{f"h{n}": str(number) for n in range(50)}), b"")
    assert len(publisher._plans) == 0


def test_the_plans_of_a_publisher_are_bounded() -> None:
    limits = Limits(routes_max=10)
    publisher = Broker(make_engine(limits, *DIRECTORY.exchanges), DIRECTORY, limits).publisher(
        DIRECTORY.principals["acme"]
    )
    for number in range(100):
        publisher.publish(Letter(f"/exchange/acme_raw/{number}"), b"")
    assert len(publisher._plans) <= 10


# --- when the directory is replaced


#: The directory without those who would be refused together with what a case takes away.
IN_FORCE = (
    DIRECTORY_TEXT[: DIRECTORY_TEXT.index("[[services]]")]
    .replace('{ system = "acme", message_types = ["event_full_v24", "face_v24"] }', "")
    .replace('{ system = "acme", message_types = ["face_v24"] }', "")
)


@pytest.mark.parametrize(
    ("old", "new", "kind", "part"),
    [
        ('"face_v24", "raw"]', '"raw"]', AccessError, "There is no exchange 'acme_face_v24'"),
        ("{ id = 12345, cameras = [32, 33] }, ", "", DestinationError, "Partner 7 has no account 12345"),
        ('name = "acme"\nsecret', 'name = "acmes"\nsecret', AccessError, "removed or disabled 'acme'"),
    ],
)
def test_a_plan_does_not_outlive_the_directory_it_was_made_by(
    house: House, old: str, new: str, kind: type[ClientError], part: str
) -> None:
    publisher, letter = house.publisher("acme"), Letter("/exchange/acme_face_v24/7.12345.create")
    publisher.publish(letter, face())
    assert len(house.take()) == 1
    text = IN_FORCE.replace(old, new)
    assert text != IN_FORCE
    house.broker.replace_directory(directory(text))
    for _ in range(2):
        with pytest.raises(kind) as caught:
            publisher.publish(letter, face())
        assert part in caught.value.detail
    assert house.take() == []
    house.broker.replace_directory(DIRECTORY)
    house.publisher("acme").publish(letter, face())
    assert len(house.take()) == 1


def test_a_publisher_stays_the_same_one_as_long_as_its_principal_is_there(house: House) -> None:
    publisher = house.publisher("acme")
    house.broker.replace_directory(directory(IN_FORCE.replace('"face_v24", "raw"]', '"face_v24"]')))
    assert house.publisher("acme") is publisher
    house.broker.replace_directory(directory(""))
    house.broker.replace_directory(DIRECTORY)
    assert house.publisher("acme") is not publisher
