"""Why a pattern can match no key of a message type; and that none is blamed that can."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.catalog.pattern_layout import can_match, layout_of, numbers_in, pattern_faults
from heliograph.catalog.routing_key import FREE, parse_layout
from heliograph.topic.matcher import matches
from heliograph.topic.words import canonical

FULL, FACE = BUILT_IN_MESSAGE_TYPES["event_full_v24"], BUILT_IN_MESSAGE_TYPES["face_v24"]
RAW = MessageType("raw", FREE, None)
#: As an operator has them.
TREE = EventTypes({**BUILT_IN_EVENT_TYPES, "smoulderDetected": "smokeDetected", "smokeDetected": None})
THERMAL = MessageType(
    "thermal_v1", parse_layout("{partner}.{account}.thermal.{action}.{event_types}"), None, ("begin", "End"), TREE
)
STATUS = MessageType("status_v1", parse_layout("status.{account}"), None)
TYPES = {"event_full_v24": FULL, "face_v24": FACE, "thermal_v1": THERMAL, "status_v1": STATUS}
KEYS = {
    "event_full_v24": [f"7.12345.32.create.{BUILT_IN_EVENT_TYPES.path(name)}".split(".") for name in
                       BUILT_IN_EVENT_TYPES],
    "face_v24": [["7", "12345", action] for action in FACE.actions],
    "thermal_v1": [f"7.12345.thermal.{action}.{TREE.path(name)}".split(".") for action in THERMAL.actions
                   for name in TREE],
    "status_v1": [["status", "12345"]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pattern", "beginnings"),
    [
        ("event_full_v24", "7.*.*.Create.#", ["Word 4 is the action; 'Create' is written 'create'"]),
        ("event_full_v24", "7.*.*.delete.#", ["Word 4 is the action; it is 'create', never 'delete'"]),
        ("event_full_v24", "7.*.door.#", ["Word 3 is the camera, a decimal number; 'door' is none"]),
        ("event_full_v24", "northwind.#", ["Word 1 is the partner, a decimal number"]),
        ("event_full_v24", "7.*.*.create", ["It has 4 words and no '#', but keys have 5 or more words"]),
        ("event_full_v24", "7.*.*.create.facedetected", ["Word 5 is an event type. 'facedetected' is written 'faceD"]),
        (
            "event_full_v24",
            "7.*.*.create.objectDetected.FaceDetected.#",
            ["Word 6 is an event type. 'FaceDetected' is"],
        ),
        (
            "event_full_v24",
            "7.*.*.create.faceDetected",
            ["Word 5 is an event type. The path of faceDetected is object"],
        ),
        ("event_full_v24", "7.*.*.create.vmd.#", ["Word 5 is an event type. 'vmd' is no known event type"]),
        ("event_full_v24", "7.*.*.create.vmdDetected.*", ["Word 6 is one too many"]),
        ("event_full_v24", "7.*.*.create.*.*.*.*", ["Word 8 is one too many"]),
        ("event_full_v24", "#.facedetected", ["'facedetected' is written 'faceDetected'; case counts."]),
        ("event_full_v24", "#.CREATE.#", ["'CREATE' is written 'create'; case counts."]),
        ("event_full_v24", "#.faceDetected.objectDetected", ["What stands behind '#' stands in no key in this order"]),
        ("face_v24", "7.*.*.create.#", ["It has more words than a key, which has 3"]),
        ("face_v24", "07.*.create", ["Word 1 is the partner, a decimal number; '07' is none"]),
        ("face_v24", "7.*", ["It has 2 words and no '#', but keys have 3 words"]),
        ("face_v24", "7.*.*.#.*", ["It has more words than a key"]),
        ("face_v24", "#.objectDetected", ["'objectDetected' stands in no key; keys are {partner}.{account}.{action}."]),
        ("thermal_v1", "7.*.door.#", ["Word 3 is the same in every key: it is 'thermal', never 'door'."]),
        ("thermal_v1", "7.*.*.end.#", ["Word 4 is the action; 'end' is written 'End'"]),
        ("thermal_v1", "7.*.Thermal.#", ["Word 3 is the same in every key: 'Thermal' is written 'thermal'"]),
        ("thermal_v1", "#.smoulderDetected.smokeDetected", ["What stands behind '#' stands in no key in this order"]),
        ("thermal_v1", "7.*.*.begin.smoulderDetected", ["Word 5 is an event type. The path of smoulderDetected is sm"]),
        (
            "thermal_v1",
            "7.*",
            ["It has 2 words and no '#', but keys have 5 or more words: {partner}.{account}.thermal.{"],
        ),
        ("status_v1", "#.THERMAL", ["'THERMAL' stands in no key; keys are status.{account}."]),
    ],
)
def test_every_fault_is_told_in_plain_words(name: str, pattern: str, beginnings: list[str]) -> None:
    found = pattern_faults(TYPES[name], canonical(pattern.split(".")))
    assert len(found) == len(beginnings), found
    assert all(text.startswith(beginning) for text, beginning in zip(found, beginnings, strict=True)), found


@pytest.mark.parametrize("pattern", ["#", "*.#", "7.*.*.create.#", "#.faceDetected", "7.#.create.#.faceRecognized",
                                     "7.1.2.create.objectDetected", "*.*.*.*.*.*.*", "7.*.*.*.#.#"])  # fmt: skip
def test_a_pattern_that_can_match_has_no_fault(pattern: str) -> None:
    assert pattern_faults(FULL, canonical(pattern.split("."))) == []


def test_free_keys_have_no_layout_to_miss() -> None:
    assert pattern_faults(RAW, ("a", "b")) == []


WORDS = st.sampled_from(["7", "32", "07", "create", "update", "objectDetected", "faceDetected", "x", "*", "#",
                         "thermal", "begin", "smokeDetected", "smoulderDetected", "status"])  # fmt: skip


@given(st.sampled_from(sorted(TYPES)), st.lists(WORDS, min_size=1, max_size=8))
def test_a_fault_is_found_where_and_only_where_no_key_can_match(name: str, words: list[str]) -> None:
    pattern = canonical(words)
    ids = sorted({word for word in pattern if word in ("7", "32")} | {"0"})
    keys = (key for each in KEYS[name] for key in product(*(ids if word.isdigit() else [word] for word in each)))
    assert (pattern_faults(TYPES[name], pattern) == []) is any(matches(pattern, key) for key in keys)


def test_a_large_tree_and_a_long_pattern_cost_little() -> None:
    parents: dict[str, str | None] = dict(BUILT_IN_EVENT_TYPES)
    for number in range(1_000):
        parents[f"t{number}"] = f"t{number - 1}" if number % 16 else None
    large = MessageType("large", parse_layout("{partner}.{account}.{event_types}"), None, (), EventTypes(parents))
    assert not can_match(large, canonical(("#.*." * 60 + "x").split(".")))
    assert can_match(large, canonical(("#.*." * 8 + "t15").split(".")))


def test_ids_are_named_by_the_layout() -> None:
    assert numbers_in(FULL, ("7", "*", "32", "create", "vmdDetected")) == {"partner": 7, "camera": 32}
    assert numbers_in(FULL, ("7", "#", "32")) == {"partner": 7}
    assert numbers_in(FACE, ("x", "007", "create")) == {}
    assert numbers_in(RAW, ("1", "2")) == {}
    assert layout_of(FACE) == "{partner}.{account}.{action}"
