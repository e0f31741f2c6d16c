"""The contract's sixteen event types and their tree."""

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, type_path

PATHS = {
    "audioDetected",
    "audioDetected.audioCategorized",
    "vmdDetected",
    "pirDetected",
    "doorbellDetected",
    "cameraOnline",
    "cameraOffline",
    "objectDetected",
    "objectDetected.objectInAreaDetected",
    "objectDetected.objectTripwireDetected",
    "objectDetected.personDetected",
    "objectDetected.personDetected.personInAreaDetected",
    "objectDetected.personDetected.personTripwireDetected",
    "objectDetected.animalDetected",
    "objectDetected.faceDetected",
    "objectDetected.faceDetected.faceRecognized",
}


def test_there_are_sixteen_event_types_each_with_its_path():
    assert len(BUILT_IN_EVENT_TYPES) == 16
    assert {type_path(name) for name in BUILT_IN_EVENT_TYPES} == PATHS
