"""Publishing for one principal: the key is authorised, and the body is what the key says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.broker.broker import Broker
from heliograph.broker.publisher import Publisher
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Confirm, Event, Request
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
    """The same each time; nothing is published."""
    publisher, letter = house.publisher(login), Letter(destination)
    found = [publisher.plan([letter], [body]) for _ in range(3)]
    for runs, count, fault in found:
        assert (runs, count) == ([], 0)
        assert isinstance(fault, kind)
    first, *others = [(fault.message, fault.detail) for *_, fault in found if fault]
    assert others == [first, first]
    assert house.take() == []
    fault = found[0][2]
    assert fault is not None
    return fault


def publish(publisher: Publisher, letter: Letter, body: bytes, confirm: Confirm | None = None) -> None:
    """Publish one event; raises what is wrong with it."""
    runs, count, fault = publisher.plan([letter], [body])
    if fault is not None:
        raise fault
    assert count == 1
    publisher.publish(runs, confirm)


def test_an_event_goes_out_as_it_came(house: House) -> None:
    body = full(unknown={"a": [1, 2.50]}) + b" \n"
    confirmed: list[object] = []
    letter = Letter(f"/exchange/acme_event_full_v24/{FULL_KEY}", foo="bar")
    publish(house.publisher("acme"), letter, body, confirmed.append)
    (event,) = house.take()
    assert (event.envelope.exchange, event.envelope.key) == ("acme_event_full_v24", FULL_KEY)
    assert event.body == body
    assert event.envelope.headers == {"foo": "bar"}
    assert confirmed == [], "it is not stored yet"
    engine = house.broker._engine
    assert isinstance(engine, EmbeddedEngine)
    turn_engine(engine)
    assert confirmed == [None]


def test_a_plan_publishes_nothing(house: House) -> None:
    runs, count, fault = house.publisher("acme").plan([Letter(f"/exchange/acme_event_full_v24/{FULL_KEY}")], [full()])
    assert (len(runs), count, fault) == (1, 1, None)
    assert house.take() == []


# --- several events at once

FULL = Letter(f"/exchange/acme_event_full_v24/{FULL_KEY}")
OTHER_FULL = Letter("/exchange/acme_event_full_v24/7.12345.33.create.objectDetected.personDetected")
FACE = Letter("/exchange/acme_face_v24/7.12345.create")


def bodies_of(events: list[Event], exchange: str) -> list[bytes]:
    return [event.body for event in events if event.envelope.exchange == exchange]


@pytest.mark.parametrize("planned_before", [False, True])
def test_events_of_several_keys_and_exchanges_go_out_in_order_within_each(house: House, planned_before: bool) -> None:
    publisher = house.publisher("acme")
    letters = [FULL, FACE, OTHER_FULL, FULL, FACE]
    bodies = [full(), face(), full(camera=33, type="personDetected"), full(eventId=2), face(number=1)]
    if planned_before:
        publisher.plan(letters, bodies)
    runs, count, fault = publisher.plan(letters, bodies)
    assert (count, fault) == (5, None)
    confirmed: list[object] = []
    publisher.publish(runs, confirmed.append)
    events = house.take()
    assert bodies_of(events, "acme_event_full_v24") == [bodies[0], bodies[2], bodies[3]]
    assert bodies_of(events, "acme_face_v24") == [bodies[1], bodies[4]]
    assert [event.envelope.key for event in events] == [
        (letters[bodies.index(event.body)].destination.rpartition("/")[2]) for event in events
    ]
    turn_engine(cast("EmbeddedEngine", house.broker._engine))
    assert confirmed == [None], "once for all"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("exchanges", [1, 2])
def test_what_stands_before_a_fault_is_planned_and_what_stands_behind_is_not(
    house: House, place: int, exchanges: int
) -> None:
    publisher = house.publisher("acme")
    letters = [FULL, FULL, FACE if exchanges == 2 else FULL, FULL]
    bodies = [full(eventId=1), full(eventId=2), face() if exchanges == 2 else full(eventId=3), full(eventId=4)]
    publisher.plan(letters, bodies)
    wrong = [*bodies[:place], b"{}", *bodies[place + 1 :]]
    runs, count, fault = publisher.plan(letters, wrong)
    assert count == place
    assert isinstance(fault, BodyError)
    publisher.publish(runs)
    assert sorted(event.body for event in house.take()) == sorted(bodies[:place])


def test_no_events_are_confirmed_at_once(house: House) -> None:
    confirmed: list[object] = []
    house.publisher("acme").publish([], confirmed.append)
    assert confirmed == [None]


OFTEN = st.sampled_from(
    [full(), full(camera=33), full(account=1), full(type="personDetected"), full(name="Tür"), b"{}", b"\xff"]
    + [full(timestamp=stamp) for stamp in ("2021-05-04T07:10:03.372+0000", "2021-13-04T07:10:03.371+0000", "")]
)


@given(st.lists(OFTEN, max_size=6))
def test_bodies_agree_just_where_each_by_itself_has_no_fault(bodies: list[bytes]) -> None:
    message_type = DIRECTORY.exchanges["acme_event_full_v24"].message_type
    agree, expected, check = message_type.verifier(message_type.parse_key(FULL_KEY.split(".")))
    right = []
    for body in bodies:
        try:
            check(body)
            right.append(True)
        except BodyError:
            right.append(False)
    assert agree(bodies, [expected] * len(bodies)) == all(right)


def test_all_connections_of_a_principal_share_a_publisher_and_others_do_not(house: House) -> None:
    assert house.publisher("acme") is house.publisher("acme")
    assert house.publisher("acme") is not house.publisher("other")


def test_what_one_may_publish_another_may_not_however_often_it_was_asked(house: House) -> None:
    letter = Letter("/exchange/acme_face_v24/7.12345.create")
    publish(house.publisher("acme"), letter, face())
    for login in ("other", PARTNER[0], SERVICE[0]):
        for _ in range(2):
            with pytest.raises(AccessError):
                publish(house.publisher(login), letter, face())
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
    publish(house.publisher("acme"), letter, full(account=123456, camera=34))
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
    publish(house.publisher("acme"), Letter("/exchange/acme_raw/" + "x" * 255), b"")


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
    publish(publisher, Letter("/exchange/acme_face_v24/7.12345.delete"), face(action="delete"))
    publish(publisher, Letter("/exchange/acme_raw/any.thing"), b"\0\xff")
    assert [event.body for event in house.take()] == [face(action="delete"), b"\0\xff"]
    with pytest.raises(BodyError):
        publish(publisher, Letter("/exchange/acme_face_v24/7.12345.delete"), face(action="create"))


def test_a_long_letter_is_not_kept_since_it_does_not_come_again_as_the_same_object() -> None:
    publisher = Broker(make_engine(LIMITS, *DIRECTORY.exchanges), DIRECTORY, LIMITS).publisher(
        DIRECTORY.principals["acme"]
    )
    for number in range(10):
        publish(publisher, Letter("/exchange/acme_raw/a", foo=f"{number}" * 2_000), b"")
        publish(publisher, Letter("/exchange/acme_raw/a", **{f"h{n}": str(number) for n in range(50)}), b"")
    assert len(publisher._plans) == 0


def test_the_plans_of_a_publisher_are_bounded() -> None:
    limits = Limits(routes_max=10)
    publisher = Broker(make_engine(limits, *DIRECTORY.exchanges), DIRECTORY, limits).publisher(
        DIRECTORY.principals["acme"]
    )
    for number in range(100):
        publish(publisher, Letter(f"/exchange/acme_raw/{number}"), b"")
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
    publish(publisher, letter, face())
    assert len(house.take()) == 1
    text = IN_FORCE.replace(old, new)
    assert text != IN_FORCE
    house.broker.replace_directory(directory(text))
    for _ in range(2):
        with pytest.raises(kind) as caught:
            publish(publisher, letter, face())
        assert part in caught.value.detail
    assert house.take() == []
    house.broker.replace_directory(DIRECTORY)
    publish(house.publisher("acme"), letter, face())
    assert len(house.take()) == 1


def test_a_publisher_stays_the_same_one_as_long_as_its_principal_is_there(house: House) -> None:
    publisher = house.publisher("acme")
    house.broker.replace_directory(directory(IN_FORCE.replace('"face_v24", "raw"]', '"face_v24"]')))
    assert house.publisher("acme") is publisher
    house.broker.replace_directory(directory(""))
    house.broker.replace_directory(DIRECTORY)
    assert house.publisher("acme") is not publisher
