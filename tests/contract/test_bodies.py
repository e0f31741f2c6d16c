"""BODY-1 to BODY-5 of the contract: what a body may be, and that it must be what its key says."""

from datetime import UTC, datetime

import msgspec
import pytest

from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.errors import BodyError

EVENT_KEY = "7.12345.32.create.objectDetected.faceDetected"
EVENT = {
    "eventId": 15720517375,
    "type": "faceDetected",
    "source": {"type": "camera", "sourceId": 32, "accountId": 12345},
    "timestamp": "2021-05-04T07:10:03.371+0000",
    "namespace": "",
    "boundingBox": [0.21, 0.1, 0.35, 0.4],
    "confidence": 1.0,
}
FACE = {
    "accountId": 12345,
    "faceId": "b6e27147-f649-448e-8056-792d2d9654f1",
    "timestamp": "2020-11-17T14:03:01.221+0000",
    "action": "create",
}


def verify(name: str, key: str, body: object) -> None:
    message_type = BUILT_IN_MESSAGE_TYPES[name]
    message_type.verifier(message_type.parse_key(key.split("."))).check(msgspec.json.encode(body))


def test_BODY_1_the_example():
    verify("event_full_v24", EVENT_KEY, EVENT)


@pytest.mark.parametrize("field", ["namespace", "boundingBox", "confidence"])
def test_BODY_1_detection_fields_are_present_where_the_type_has_them(field: str):
    verify("event_full_v24", EVENT_KEY, {name: value for name, value in EVENT.items() if name != field})


@pytest.mark.parametrize("field", ["eventId", "type", "source", "timestamp"])
def test_BODY_1_what_every_event_has(field: str):
    with pytest.raises(BodyError, match=f"{field} must be .*; it is missing") as caught:
        verify("event_full_v24", EVENT_KEY, {name: value for name, value in EVENT.items() if name != field})
    assert caught.value.pointer == f"/{field}"


def test_BODY_1_further_fields_are_allowed():
    gps = {"latitude": 59.9, "longitude": 10.7, "heading": 359.9, "altitude": 12}
    verify("event_full_v24", EVENT_KEY, EVENT | {"duration": 1.5, "gps": gps, "attributes": {"zone": ["Tür", None]}})


@pytest.mark.parametrize("time", ["2021-05-04T07:10:03.371+0000", "2024-02-29T23:59:59.999-0330"])
def test_BODY_2_the_zone_has_no_colon(time: str):
    verify("event_full_v24", EVENT_KEY, EVENT | {"timestamp": time})


@pytest.mark.parametrize(
    "time",
    [
        "2021-05-04T07:10:03.371+00:00",
        "2021-05-04T07:10:03.371Z",
        "2021-05-04T07:10:03.371",
        "2021-05-04T07:10:03+0000",
        "2021-05-04T07:10:03.3710+0000",
        "2021-05-04 07:10:03.371+0000",
        "2021-13-04T07:10:03.371+0000",
        "2021-05-32T07:10:03.371+0000",
        "2021-05-04T24:10:03.371+0000",
        "2021-05-04T07:60:03.371+0000",
        "2021-05-04T07:10:03.371+0000\n",
        "２021-05-04T07:10:03.371+0000",
        "",
    ],
)
def test_BODY_2_other_forms_are_refused(time: str):
    for name, key, body in (("event_full_v24", EVENT_KEY, EVENT), ("face_v24", "7.12345.create", FACE)):
        with pytest.raises(BodyError, match="timestamp must be a time like") as caught:
            verify(name, key, body | {"timestamp": time})
        assert caught.value.pointer == "/timestamp"


def test_BODY_3_the_example():
    verify("face_v24", "7.12345.create", FACE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accountId", "12345"),
        ("accountId", -1),
        ("faceId", "b6e27147f649448e8056792d2d9654f1"),
        ("faceId", "b6e27147-f649-448e-8056-792d2d9654f1\n"),
        ("faceId", 7),
        ("action", "remove"),
        ("action", None),
    ],
)
def test_BODY_3_each_field_has_its_type(field: str, value: object):
    with pytest.raises(BodyError) as caught:
        verify("face_v24", "7.12345.create", FACE | {field: value})
    assert caught.value.pointer == f"/{field}"


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_BODY_4_the_action_is_that_of_the_key(action: str):
    verify("face_v24", f"7.12345.{action}", FACE | {"action": action})
    other = "update" if action == "create" else "create"
    with pytest.raises(BodyError, match=f"action is '{action}', but the routing key says {other}") as caught:
        verify("face_v24", f"7.12345.{other}", FACE | {"action": action})
    assert caught.value.pointer == "/action"


def test_BODY_5_a_greater_id_may_have_an_older_time():
    message_type = BUILT_IN_MESSAGE_TYPES["event_full_v24"]
    check = message_type.verifier(message_type.parse_key(EVENT_KEY.split("."))).check
    for number, second in ((1, 30), (2, 10), (3, 20), (-(2**63), 59), (2**63 - 1, 0)):
        at = datetime(2021, 5, 4, 7, 10, second, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.000%z")
        check(msgspec.json.encode(EVENT | {"eventId": number, "timestamp": at}))
