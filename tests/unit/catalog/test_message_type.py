import msgspec
import pytest

from heliograph.catalog.bodies import EventFull
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.catalog.routing_key import FREE, KeyFields
from heliograph.errors import BodyError, DestinationError

BODIES = {
    "event_full_v24": {
        "eventId": 1,
        "type": "faceDetected",
        "source": {"type": "camera", "sourceId": 32, "accountId": 12345},
        "timestamp": "2021-05-04T07:10:03.371+0000",
    },
    "event_v24": {
        "account_id": 12345,
        "camera_id": 32,
        "event_id": 1,
        "timestamp": "2021-05-04T07:10:03.371+0000",
        "type": "faceDetected",
        "action": "create",
    },
    "face_v24": {
        "accountId": 12345,
        "faceId": "b6e27147-f649-448e-8056-792d2d9654f1",
        "timestamp": "2020-11-17T14:03:01.221+0000",
        "action": "delete",
    },
    "user_v24": {
        "accountId": 12345,
        "userId": 77,
        "timestamp": "2020-11-17T14:03:01.221+0000",
        "action": "delete",
    },
}
KEYS = {
    "event_full_v24": "7.12345.32.create.objectDetected.faceDetected",
    "event_v24": "7.12345.32.create.objectDetected.faceDetected",
    "face_v24": "7.12345.delete",
    "user_v24": "7.12345.delete",
}
names = pytest.mark.parametrize("name", BODIES)


def verify(name: str, key: str, body: object) -> None:
    message_type = BUILT_IN_MESSAGE_TYPES[name]
    message_type.verifier(message_type.parse_key(key.split("."))).check(msgspec.json.encode(body))


@names
def test_a_body_goes_with_the_key_that_it_implies(name: str):
    message_type = BUILT_IN_MESSAGE_TYPES[name]
    body = message_type.read(msgspec.json.encode(BODIES[name]))
    assert body is not None
    assert message_type.routing_key(body, partner=7) == KEYS[name]
    verify(name, KEYS[name], BODIES[name])


@pytest.mark.parametrize(
    ("name", "key", "pointer", "detail"),
    [
        (
            "event_full_v24",
            "7.12346.32.create.objectDetected.faceDetected",
            "/source/accountId",
            "source.accountId is 12345, but the routing key says 12346 (word 2).",
        ),
        (
            "event_full_v24",
            "7.12345.33.create.objectDetected.faceDetected",
            "/source/sourceId",
            "source.sourceId is 32, but the routing key says 33 (word 3).",
        ),
        (
            "event_full_v24",
            "7.12345.32.create.objectDetected",
            "/type",
            "type is 'faceDetected', but the routing key says objectDetected (word 5).",
        ),
        ("event_v24", "7.12346.32.create.objectDetected.faceDetected", "/account_id", "account_id is 12345, but"),
        ("event_v24", "7.12345.33.create.objectDetected.faceDetected", "/camera_id", "camera_id is 32, but"),
        ("event_v24", "7.12345.32.create.vmdDetected", "/type", "type is 'faceDetected', but"),
        ("face_v24", "7.12346.delete", "/accountId", "accountId is 12345, but the routing key says 12346 (word 2)."),
        ("face_v24", "7.12345.update", "/action", "action is 'delete', but the routing key says update (word 3)."),
        ("user_v24", "7.12346.delete", "/accountId", "accountId is 12345, but"),
        ("user_v24", "7.12345.update", "/action", "action is 'delete', but"),
    ],
)
def test_a_mismatch_names_the_field_both_values_and_the_right_key(name: str, key: str, pointer: str, detail: str):
    with pytest.raises(BodyError) as caught:
        verify(name, key, BODIES[name])
    assert caught.value.pointer == pointer
    assert caught.value.detail.startswith(detail)
    assert caught.value.detail.endswith(f"Correct the field, or send the body with the key {KEYS[name]}")


def test_a_mismatch_with_an_unknown_type_names_the_nearest():
    with pytest.raises(BodyError) as caught:
        verify("event_v24", KEYS["event_v24"], BODIES["event_v24"] | {"type": "faceDetectd"})
    assert caught.value.pointer == "/type"
    assert "the nearest is 'faceDetected'" in caught.value.detail


def test_a_body_with_an_unknown_type_has_no_key():
    message_type = BUILT_IN_MESSAGE_TYPES["event_full_v24"]
    body = message_type.read(msgspec.json.encode(BODIES["event_full_v24"] | {"type": "x"}))
    assert isinstance(body, EventFull)
    with pytest.raises(BodyError, match="'x' is no known event type") as caught:
        message_type.routing_key(body, 7)
    assert caught.value.pointer == "/type"


@names
def test_every_field_of_the_contract_is_required(name: str):
    for field in BODIES[name]:
        with pytest.raises(BodyError) as caught:
            verify(name, KEYS[name], {other: value for other, value in BODIES[name].items() if other != field})
        assert caught.value.pointer == f"/{field}"


def test_keys_of_built_in_types_begin_with_the_partner():
    assert all(each.has_partner and each.key_layout[0] == "partner" for each in BUILT_IN_MESSAGE_TYPES.values())


def test_a_free_type_takes_any_key_and_body():
    raw = MessageType("raw", FREE, None)
    assert (raw.name, raw.key_layout, raw.has_partner) == ("raw", ("#",), False)
    assert raw.parse_key(("any", "words")) is None
    assert raw.read(b"\xff") is None
    raw.verifier(None).check(b"\xff\0not JSON")
    with pytest.raises(DestinationError, match="free"):
        raw.routing_key(EventFull("", 1, "", None), 7)  # type: ignore[arg-type]


def test_fields_are_compared_as_they_are():
    message_type = BUILT_IN_MESSAGE_TYPES["face_v24"]
    check = message_type.verifier(KeyFields(7, 1, None, "delete", None)).check
    with pytest.raises(BodyError, match="accountId"):
        check(msgspec.json.encode(BODIES["face_v24"] | {"accountId": True}))


@names
@pytest.mark.parametrize(
    "break_it",
    [
        lambda body: body.replace(b"2021", b"\xff").replace(b"2020", b"\xff"),
        lambda body: body.replace(b"create", b"\xff").replace(b"delete", b"\xff").replace(b"camera", b"\xff", 1),
        lambda body: body[:-1] + b',"more":"\xff"}',
        lambda body: body[:-1] + b',"\xff":1}',
        lambda body: body[:-1] + b',"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        lambda body: body[:-1],
        lambda body: b"",
    ],
    ids=["utf8-in-timestamp", "utf8-in-known", "utf8-in-unknown", "utf8-in-a-name", "deep", "cut", "empty"],
)
def test_whatever_is_wrong_with_a_body_is_a_BodyError_from_the_verifier(name: str, break_it):
    message_type = BUILT_IN_MESSAGE_TYPES[name]
    check = message_type.verifier(message_type.parse_key(KEYS[name].split("."))).check
    with pytest.raises(BodyError):
        check(break_it(msgspec.json.encode(BODIES[name])))


def test_other_alphabets_pass_the_verifier():
    verify("event_full_v24", KEYS["event_full_v24"], BODIES["event_full_v24"] | {"namespace": "Haustür 玄関"})
