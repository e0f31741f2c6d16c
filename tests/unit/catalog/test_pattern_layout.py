"""Why a pattern can match no key of a message type; and that none is blamed that can."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES, free_message_type
from heliograph.catalog.pattern_layout import layout_of, numbers_in, pattern_faults
from heliograph.topic.matcher import matches
from heliograph.topic.words import canonical

FULL, FACE = BUILT_IN_MESSAGE_TYPES["event_full_v24"], BUILT_IN_MESSAGE_TYPES["face_v24"]
TYPES = {"event_full_v24": FULL, "face_v24": FACE}
KEYS = {
    "event_full_v24": [f"7.12345.32.create.{BUILT_IN_EVENT_TYPES.path(name)}".split(".") for name in
                       BUILT_IN_EVENT_TYPES],
    "face_v24": [["7", "12345", action] for action in FACE.actions],
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
    assert pattern_faults(free_message_type("raw"), ("a", "b")) == []


WORDS = st.sampled_from(["7", "32", "07", "create", "update", "objectDetected", "faceDetected", "x", "*", "#"])


@given(st.sampled_from(sorted(TYPES)), st.lists(WORDS, min_size=1, max_size=8))
def test_a_fault_is_found_where_and_only_where_no_key_can_match(name: str, words: list[str]) -> None:
    pattern = canonical(words)
    ids = sorted({word for word in pattern if word in ("7", "32")} | {"0"})
    count = sum(word.isdigit() for word in KEYS[name][0])
    keys = ([*numbers, *key[count:]] for key in KEYS[name] for numbers in product(ids, repeat=count))
    assert (pattern_faults(TYPES[name], pattern) == []) is any(matches(pattern, key) for key in keys)


def test_ids_are_named_by_the_layout() -> None:
    assert numbers_in(FULL, ("7", "*", "32", "create", "vmdDetected")) == {"partner": 7, "camera": 32}
    assert numbers_in(FULL, ("7", "#", "32")) == {"partner": 7}
    assert numbers_in(FACE, ("x", "007", "create")) == {}
    assert numbers_in(free_message_type("raw"), ("1", "2")) == {}
    assert layout_of(FACE) == "{partner}.{account}.{action}"
