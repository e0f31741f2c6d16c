"""A body against an operator's schema: all its faults, the words of its key, and no more work than is allowed."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.directory.schema_cost import SchemaFault
from heliograph.directory.schema_shape import SchemaShape
from heliograph.errors import BodyError
from heliograph.limits import Limits

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id", "source"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "source": {"type": "object"},
        "zones": {"type": "array", "items": {"type": "integer"}},
    },
}
POINTERS = {"account": "/source/account", "event_types": "/source/kinds/0"}
SHAPE = SchemaShape(SCHEMA, POINTERS, Limits())
GOOD = {"id": 1, "source": {"account": 12345, "kinds": ["vmdDetected"]}, "more": {"x": None}}


def fault(body: object, shape: SchemaShape = SHAPE) -> BodyError:
    with pytest.raises(BodyError) as caught:
        shape.read(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return caught.value


def test_a_good_body_says_what_its_key_is():
    assert SHAPE.implied(SHAPE.read(msgspec.json.encode(GOOD))) == (12345, "vmdDetected")


def test_every_fault_has_a_pointer_and_a_sentence():
    error = fault({"id": "7", "name": "Ä", "zones": [1, "2", 3, None]})
    assert dict(error.faults) == {
        "": 'The body: "source" is a required property.',
        "/id": 'id: "7" is not of type "integer".',
        "/name": 'name: "Ä" does not match "^[a-z]+$".',
        "/zones/1": 'zones.1: "2" is not of type "integer".',
        "/zones/3": 'zones.3: null is not of type "integer".',
    }
    assert error.pointer in dict(error.faults)


def test_of_many_faults_some_are_told_and_none_at_length():
    assert len(fault({"zones": ["x"] * 100}).faults) == 32
    (told,) = fault({"id": 1, "source": {}, "zones": ["x"] * 5_000}).faults
    assert told[0] == "/zones/0"
    assert len(fault({"id": "x" * 10_000, "source": {}}).detail) < 300


@pytest.mark.parametrize(
    ("source", "pointer", "sentence"),
    [
        ({}, "/source/account", "must be there"),
        ({"account": "12345"}, "/source/account", "an integer from 0 to 2"),
        ({"account": 12345.0}, "/source/account", "an integer"),
        ({"account": True}, "/source/account", "an integer"),
        ({"account": -1}, "/source/account", "an integer"),
        ({"account": 2**63}, "/source/account", "an integer"),
        ({"account": 1, "kinds": []}, "/source/kinds/0", "must be there"),
        ({"account": 1, "kinds": {"1": "x"}}, "/source/kinds/0", "must be there"),
        ({"account": 1, "kinds": [7]}, "/source/kinds/0", "must be a string"),
    ],
)
def test_a_word_of_the_key_must_be_there(source: dict, pointer: str, sentence: str):
    found = SHAPE.read(msgspec.json.encode(GOOD | {"source": source}))
    with pytest.raises(BodyError, match=sentence) as caught:
        SHAPE.implied(found)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"id":NaN}', "not valid JSON"),
        (b'{"id":1,"x":"\xff"}', "not UTF-8"),
        (b'{"id":1,"x":1e999}', "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"id":1,"source":{},"x":' + b"[" * 500 + b"]" * 500 + b"}", None),
        (b"[]", "not of type"),
    ],
)
def test_what_is_no_such_body_is_a_BodyError(body: bytes, sentence: str | None):
    if sentence is None:
        SHAPE.read(body)
    else:
        assert sentence in fault(body).detail


@given(
    st.binary()
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10)
)
def test_any_body_is_read_or_a_BodyError(value: object):
    fault(value)


def test_bodies_agree_where_each_is_valid_and_says_what_is_expected():
    right, said = msgspec.json.encode(GOOD), (12345, "vmdDetected")
    other = msgspec.json.encode(GOOD | {"id": 2, "source": {"account": 1, "kinds": ["x"]}})
    assert SHAPE.agree([], [])
    assert SHAPE.agree([right, right], [said, said])
    assert not SHAPE.agree([right, other], [said, said])
    assert SHAPE.agree([right, other], [said, (1, "x")])
    assert not SHAPE.agree([right, b"{}"], [said, said])


@pytest.mark.parametrize(
    ("schema", "path", "sentence"),
    [
        ({"type": "strin"}, ("type",), "it is no JSON Schema"),
        ({"properties": {"a": {"minLength": "x"}}}, ("properties", "a", "minLength"), "it is no JSON Schema"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, ("properties", "a", "pattern"), "Lookaround"),
        ({"items": {"pattern": "(a{999}){999}"}}, ("items", "pattern"), "patterns over"),
        ({"items": {"$ref": "http://127.0.0.1/x"}}, ("items", "$ref"), "nothing is fetched"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            ("$schema",),
            "only https://json-schema.org/draft/2020",
        ),
        ({"enum": ["x" * 70_000]}, (), "schema_bytes_max"),
        ({"const": float("inf")}, (), "not JSON"),
        ({"items": {"anyOf": [{"anyOf": [{"anyOf": [{"enum": list(range(5_000))}]}]}]}}, (), "schema_cost_max"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_by_its_place(schema: dict, path: tuple, sentence: str):
    with pytest.raises(SchemaFault) as caught:
        SchemaShape(schema, {}, Limits())
    assert caught.value.path == path
    assert sentence in caught.value.sentences


def test_a_body_may_ask_for_so_many_steps():
    shape = SchemaShape({"type": "object"}, {}, Limits(schema_steps_max=100))
    shape.read(b'{"a":"%s"}' % (b"x" * 30))
    assert "may have" in fault(b'{"a":"%s"}' % (b"x" * 100), shape).detail


@pytest.mark.parametrize(
    ("schema", "unit"),
    [
        ({"items": {"anyOf": [{"anyOf": [{"type": "string"}, {"minimum": n}]} for n in range(10)]}}, b"1,"),
        ({"items": {"oneOf": [{"const": n} for n in range(20)]}}, b"1,"),
        ({"items": {"pattern": r"([ab]*a[ab]{200})+c"}}, b'"' + b"ab" * 50_000 + b'",'),
        ({"items": {"pattern": "(x+x+)+y"}}, b'"' + b"x" * 100_000 + b'",'),
        ({"uniqueItems": True}, b"{},"),
        (
            {"uniqueItems": True, "items": {"unevaluatedProperties": False, "anyOf": [{"properties": {"a": True}}]}},
            b"{},",
        ),
    ],
)
def test_the_largest_body_that_is_allowed_takes_no_time_to_speak_of(schema: dict, unit: bytes):
    shape = SchemaShape(schema, {}, Limits())
    count = min(shape._bytes_max, Limits().body_bytes_max) // len(unit) - 2
    body = b"[" + unit * count + b"1]"
    began = time.perf_counter()
    try:
        shape.read(body)
    except BodyError:
        pass
    assert time.perf_counter() - began < 3
