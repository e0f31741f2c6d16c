"""Reading a recording, and renewing it for a loop."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.cli.trace import Trace, read_trace, timestamp
from heliograph.errors import SettingsError

LINE = '{"atMs":%d,"routingKey":"7.1.2.create.vmdDetected","event":{"eventId":%d,"timestamp":"old", "x":1.0}}'


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(LINE % (n * 100, 40 + n) for n in range(3)) + "\n\n")
    return read_trace(str(path))


def test_the_shipped_trace_is_what_the_catalogue_allows():
    trace = read_trace("site")
    assert len(trace.events) == 164
    message_type = BUILT_IN_MESSAGE_TYPES["event_full_v24"]
    for event, renewed in zip(trace.events, trace.bodies(3), strict=True):
        fields = message_type.parse_key(event.routing_key.split("."))
        for body in (bytes(event.event), renewed):
            message_type.verifier(fields).check(body)


def test_octets_are_kept(trace: Trace):
    assert bytes(trace.events[1].event) == b'{"eventId":41,"timestamp":"old", "x":1.0}'
    assert (trace.events[1].at_ms, trace.duration_ms) == (100, 200)


def test_a_loop_counts_ids_on_and_renews_times(trace: Trace):
    rounds = [json.loads(body) for n in range(3) for body in trace.bodies(n)]
    assert [body["eventId"] for body in rounds] == list(range(40, 49))
    assert all(body["timestamp"] != "old" and body["x"] == 1.0 for body in rounds)


def test_timestamps_are_those_of_the_contract():
    assert timestamp(datetime(2021, 5, 4, 7, 10, 3, 371_999, UTC)) == "2021-05-04T07:10:03.371+0000"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no events"),
        ("{}\n", "line 1: .*atMs"),
        (LINE % (1, 1) + "\nnonsense", "line 2"),
        ('{"atMs":-1,"routingKey":"7","event":{}}', "line 1: atMs is -1"),
        ('{"atMs":1,"routingKey":"7..8","event":{}}', "line 1: routingKey: .*empty"),
        ('{"atMs":1,"routingKey":"7.#","event":{}}', "line 1: routingKey: .*wildcard"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_trace(str(path))


def test_a_file_that_is_not_there():
    with pytest.raises(SettingsError, match=r"nosuch: No such file .*'site'"):
        read_trace("nosuch")


def test_what_cannot_be_renewed_cannot_be_looped(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"atMs":1,"routingKey":"a.b","event":[1]}')
    with pytest.raises(SettingsError, match="no JSON object"):
        next(read_trace(str(path)).bodies(0))
