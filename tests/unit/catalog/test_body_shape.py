import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.catalog.bodies import EventFull, User
from heliograph.catalog.body_shape import BodyShape, Place, spoken
from heliograph.errors import BodyError

ACCOUNT = Place("source.account_id", "/source/accountId")
EVENT = BodyShape(EventFull, {"account": ACCOUNT, "event_types": Place("type", "/type")})
USER = BodyShape(User, {"account": Place("account_id", "/accountId"), "action": Place("action", "/action")})

BODY = (
    b'{"eventId":1,"type":"vmdDetected","source":{"type":"camera","sourceId":32,"accountId":12345},'
    b'"timestamp":"2021-05-04T07:10:03.371+0000","duration":2,"boundingBox":[0,0.5,1,1],'
    b'"gps":{"latitude":1,"longitude":2,"heading":3},"more":{"text":"here"}}'
)


def fault(shape: BodyShape, body: bytes) -> BodyError:
    with pytest.raises(BodyError) as caught:
        shape.read(body)
    assert caught.value.message == "Invalid body"
    return caught.value


def test_a_body_says_what_its_key_is():
    found = EVENT.read(BODY)
    assert isinstance(found, EventFull)
    assert EVENT.implied(found) == (12345, "vmdDetected")


@pytest.mark.parametrize(
    ("old", "new", "pointer", "detail"),
    [
        (b"12345}", b'"12345"}', "/source/accountId", "an integer from 0 to 2^63-1; it is a string."),
        (b"12345}", b"12345.0}", "/source/accountId", "it is a number with a fraction or an exponent."),
        (b"12345}", b"true}", "/source/accountId", "it is a boolean."),
        (b"12345}", b"null}", "/source/accountId", "it is null."),
        (b"12345}", b"-1}", "/source/accountId", "its value is not allowed."),
        (b"12345}", b"9223372036854775808}", "/source/accountId", "its value is not allowed."),
        (b"12345}", b"9" * 4_999 + b"}", "/source/accountId", "its value is not allowed."),
        (
            b',"accountId":12345',
            b"",
            "/source/accountId",
            "source.accountId must be an integer from 0 to 2^63-1; it is",
        ),
        (b'"eventId":1', b'"eventId":-9223372036854775809', "/eventId", "eventId must be an integer of 64 bits; its"),
        (b'"camera"', b'"door"', "/source/type", "source.type must be 'camera'; it is 'door'."),
        (b'"camera"', b'"a - at `$.x`"', "/source/type", "it is 'a - at `$.x`'."),
        (b'"camera"', b"[]", "/source/type", "it is an array."),
        (
            b'{"type":"camera"',
            b'["camera"],"s":{"type":"camera"',
            "/source",
            "source must be an object with type, sourceId",
        ),
        (
            b'"type":"vmdDetected"',
            b'"type":7',
            "/type",
            "type must be an event type's name, a string; it is an integer.",
        ),
        (b"[0,", b"[", "/boundingBox", "boundingBox must be an array of four finite numbers: left, top, right, bottom"),
        (b"[0,", b"[0,0,", "/boundingBox", "its value is not allowed."),
        (b"[0,", b'["0",', "/boundingBox/0", "boundingBox.0 must be a finite number; it is a string."),
        (b"[0,", b"[1e999,", "/boundingBox/0", "its value is not allowed."),
        (b"[0,", b"[NaN,", None, "not valid JSON"),
        (b"[0,0.5,1,1]", b"null", "/boundingBox", "it is null."),
        (b'"duration":2', b'"duration":-0.1', "/duration", "a number of seconds, 0 or more; its value"),
        (b'"latitude":1', b'"latitude":90.1', "/gps/latitude", "gps.latitude must be a number from -90 to 90;"),
        (b'"longitude":2', b'"longitude":-181', "/gps/longitude", "a number from -180 to 180;"),
        (b'"heading":3', b'"heading":360', "/gps/heading", "a number from 0 to below 360;"),
        (b'"heading":3', b'"heading":-1', "/gps/heading", "its value is not allowed."),
        (b'"latitude":1,', b"", "/gps/latitude", "it is missing."),
        (b"2021-05-04T", b"yesterday ", "/timestamp", "it is 'yesterday 07:10:03.371+0000'."),
    ],
)
def test_a_fault_has_a_pointer_and_a_sentence(old: bytes, new: bytes, pointer: str | None, detail: str):
    assert BODY.count(old) == 1
    error = fault(EVENT, BODY.replace(old, new))
    assert detail in error.detail
    assert error.pointer == (pointer or "")
    assert "`" not in error.detail.replace("`$.x`", "")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (BODY + b" {}", "not valid JSON"),
        (b"not JSON", "not valid JSON"),
        (b"[]", "The body must be a JSON object; it is an array."),
        (b"null", "The body must be a JSON object; it is null."),
        (b'"text"', "The body must be a JSON object; it is a string."),
        (b"\0", "not valid JSON"),
    ],
)
def test_a_body_is_a_json_object(body: bytes, detail: str):
    error = fault(EVENT, body)
    assert detail in error.detail
    assert error.pointer == ""


@pytest.mark.parametrize("octets", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_octets_that_are_not_utf_8_are_seen_in_fields_that_nobody_reads(octets: bytes):
    for old in (b"here", b"text", b"vmdDetected"):
        body = BODY.replace(old, octets)
        assert f"not UTF-8: octet {body.index(octets)} " in fault(EVENT, body).detail


def test_other_alphabets_are_welcome():
    EVENT.read(BODY.replace(b"here", "Haustür 玄関".encode()))


def test_a_lone_surrogate_is_no_character():
    assert "not valid JSON" in fault(EVENT, BODY.replace(b"here", b"\\ud800 and more")).detail


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_deep_body_is_a_BodyError(opening: bytes, closing: bytes):
    deep = opening * 100_000 + b"1" + closing * 100_000
    assert "nested too deeply" in fault(EVENT, BODY.replace(b'"here"', deep)).detail


def test_a_union_is_one_field():
    body = b'{"accountId":1,"userId":null,"timestamp":"2021-05-04T07:10:03.371+0000","action":"create"}'
    error = fault(USER, body)
    expected = "userId must be an integer from 0 to 2^63-1, or a string of 1 to 255 characters; it is"
    assert (error.pointer, error.detail[: len(expected)]) == ("/userId", expected)


def test_an_error_does_not_repeat_a_megabyte():
    for old in (b"camera", b"2021-05-04T07:10:03.371+0000"):
        assert len(fault(EVENT, BODY.replace(old, b"x" * 1_000_000)).detail) < 1_000


@given(
    st.binary()
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10)
)
def test_any_body_is_read_or_a_BodyError(value):
    fault(EVENT, value if isinstance(value, bytes) else msgspec.json.encode(value))


@given(st.integers(0, len(BODY) - 1), st.binary(max_size=3))
def test_any_change_is_read_or_a_BodyError(index: int, octets: bytes):
    try:
        EVENT.read(BODY[:index] + octets + BODY[index + 1 :])
    except BodyError as error:
        assert error.detail


def test_spoken():
    assert [spoken(each) for each in ("", "/type", "/source/accountId")] == ["The body", "type", "source.accountId"]
