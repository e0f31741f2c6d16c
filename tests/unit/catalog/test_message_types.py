"""The built-in types as data, on real events: the recording that ships with the package."""

from importlib.resources import files

import msgspec
import pytest

from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.limits import Limits
from heliograph.topic.words import parse_key


class Line(msgspec.Struct, rename="camel"):
    at_ms: int
    routing_key: str
    event: msgspec.Raw


TRACE = [
    msgspec.json.decode(line, type=Line)
    for line in files("heliograph.traces").joinpath("site.jsonl").read_bytes().splitlines()
]


def test_every_event_of_the_recording_is_valid_and_has_its_key():
    message_type = BUILT_IN_MESSAGE_TYPES["event_full_v24"]
    for line in TRACE:
        fields = message_type.parse_key(parse_key(line.routing_key, Limits()))
        assert fields is not None
        body = bytes(line.event)
        message_type.verifier(fields).check(body)
        found = message_type.read(body)
        assert found is not None
        assert message_type.routing_key(found, fields.partner) == line.routing_key


def test_the_recording_is_whole():
    assert len(TRACE) == 164
    assert {line.routing_key.split(".")[0] for line in TRACE} == {"7", "9"}
    assert [line.at_ms for line in TRACE] == sorted(line.at_ms for line in TRACE)


def test_the_built_in_types_cannot_be_changed():
    with pytest.raises(TypeError):
        BUILT_IN_MESSAGE_TYPES["x"] = BUILT_IN_MESSAGE_TYPES["face_v24"]  # type: ignore[index]
