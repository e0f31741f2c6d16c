import time

import pytest

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.errors import DestinationError, SettingsError


def test_an_operator_can_add_types():
    types = EventTypes({**BUILT_IN_EVENT_TYPES, "carDetected": "objectDetected", "red-car_2": "carDetected"})
    assert types.path("red-car_2") == "objectDetected.carDetected.red-car_2"
    assert (len(types), types["carDetected"], types["objectDetected"]) == (18, "objectDetected", None)


def test_the_leaf_of_a_path():
    for name in BUILT_IN_EVENT_TYPES:
        assert BUILT_IN_EVENT_TYPES.leaf(BUILT_IN_EVENT_TYPES.path(name).split(".")) == name


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("faceDetected", "'faceDetected' is not the path of faceDetected; its path is 'objectDetected.faceDetected'"),
        ("objectDetected.vmdDetected", "its path is 'vmdDetected'"),
        ("objectDetected.objectDetected", "its path is 'objectDetected'"),
        ("objectDetected.faceDetectd", "'faceDetectd' is no known event type; the nearest is 'faceDetected'"),
        ("FACEDETECTED", "the nearest is 'faceDetected'"),
        ("vmd", "the nearest is 'vmdDetected'"),
        ("x", "is no known event type; known are audioDetected, audioCategorized, "),
        ("#", "is no known event type"),
    ],
)
def test_a_wrong_path_is_told_the_right_one(path: str, fault: str):
    with pytest.raises(DestinationError) as caught:
        BUILT_IN_EVENT_TYPES.leaf(path.split("."))
    assert fault in caught.value.detail


def test_a_path_has_words():
    with pytest.raises(DestinationError, match="missing"):
        BUILT_IN_EVENT_TYPES.leaf([])


def test_a_long_unknown_name_costs_nothing():
    start = time.perf_counter()
    with pytest.raises(DestinationError) as caught:
        BUILT_IN_EVENT_TYPES.path("faceDetected" * 80_000)
    assert time.perf_counter() - start < 0.5
    assert len(caught.value.detail) < 1_000


@pytest.mark.parametrize(
    ("parents", "fault"),
    [
        ({"": None}, "not one word"),
        ({"a.b": None}, "not one word"),
        ({"a b": None}, "not one word"),
        ({"#": None}, "not one word"),
        ({"a" * 65: None}, "not one word"),
        ({"a": "b"}, "'a' has an unknown parent, 'b'"),
        ({"a": "a"}, "'a' is its own ancestor"),
        ({"a": "b", "b": "c", "c": "a"}, "is its own ancestor"),
        ({"x": "a", "a": "b", "b": "a"}, "is its own ancestor"),
    ],
)
def test_a_tree_that_is_none(parents: dict[str, str | None], fault: str):
    with pytest.raises(SettingsError, match=fault):
        EventTypes(parents)
