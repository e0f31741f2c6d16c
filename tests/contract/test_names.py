"""NAME-1 to NAME-5 of the contract: destinations, message types and routing keys."""

import pytest

from heliograph.catalog.event_types import type_path
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES
from heliograph.catalog.routing_key import KeyFields
from heliograph.errors import DestinationError
from heliograph.topic.destination import parse_destination
from heliograph.topic.matcher import matches

EVENTS = ("event_full_v24", "event_v24")
RESOURCES = ("face_v24", "user_v24")


def test_NAME_1_a_destination_is_an_exchange_and_a_key():
    assert parse_destination("/exchange/acme_event_full_v24/123.456.32.create.objectDetected.#") == (
        "acme_event_full_v24",
        "123.456.32.create.objectDetected.#",
    )


def test_NAME_1_a_system_may_have_an_underscore():
    assert parse_destination("/exchange/acme_north_2_face_v24/7.#").exchange == "acme_north_2_face_v24"


def test_NAME_2_the_message_types():
    assert sorted(BUILT_IN_MESSAGE_TYPES) == sorted(EVENTS + RESOURCES)


@pytest.mark.parametrize("name", EVENTS)
def test_NAME_3_an_event_key_has_partner_account_camera_action_and_types(name: str):
    words = ["7", "12345", "32", "create", "objectDetected", "faceDetected"]
    expected = KeyFields(partner=7, account=12345, camera=32, action="create", event_type="faceDetected")
    assert BUILT_IN_MESSAGE_TYPES[name].parse_key(words) == expected


@pytest.mark.parametrize("action", ["update", "delete", "Create", "*"])
def test_NAME_3_the_only_action_of_events_is_create(action: str):
    with pytest.raises(DestinationError, match="Word 4, the action, must be 'create'"):
        BUILT_IN_MESSAGE_TYPES["event_full_v24"].parse_key(["7", "12345", "32", action, "vmdDetected"])


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_NAME_4_a_resource_key_has_partner_account_and_action(name: str, action: str):
    expected = KeyFields(partner=7, account=12345, camera=None, action=action, event_type=None)
    assert BUILT_IN_MESSAGE_TYPES[name].parse_key(["7", "12345", action]) == expected


def test_NAME_5_event_types_are_the_path_from_the_root():
    assert type_path("faceRecognized") == "objectDetected.faceDetected.faceRecognized"


def test_NAME_5_a_subscriber_to_a_type_receives_its_descendants():
    pattern = ["7", "12345", "32", "create", "objectDetected", "#"]
    for name in ("objectDetected", "faceDetected", "faceRecognized", "personTripwireDetected"):
        assert matches(pattern, f"7.12345.32.create.{type_path(name)}".split("."))
    assert not matches(pattern, f"7.12345.32.create.{type_path('vmdDetected')}".split("."))


@pytest.mark.parametrize("path", ["faceDetected", "faceDetected.faceRecognized", "objectDetected.faceRecognized"])
def test_NAME_5_a_part_of_the_path_is_refused(path: str):
    with pytest.raises(DestinationError, match="its path is"):
        BUILT_IN_MESSAGE_TYPES["event_full_v24"].parse_key(["7", "12345", "32", "create", *path.split(".")])
