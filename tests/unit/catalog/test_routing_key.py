import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, type_path
from heliograph.catalog.routing_key import KeyFields, KeyLayout
from heliograph.errors import DestinationError

EVENT = KeyLayout(
    "event_full_v24", ("partner", "account", "camera", "action", "event_types"), ("create",), BUILT_IN_EVENT_TYPES
)
FACE = KeyLayout("face_v24", ("partner", "account", "action"), ("create", "update", "delete"), BUILT_IN_EVENT_TYPES)

ids = st.integers(0, 2**63 - 1)


@given(ids, ids, ids, st.sampled_from(list(BUILT_IN_EVENT_TYPES)))
def test_a_key_is_taken_apart(partner: int, account: int, camera: int, event_type: str):
    words = f"{partner}.{account}.{camera}.create.{type_path(event_type)}".split(".")
    assert EVENT.parse(words) == KeyFields(partner, account, camera, "create", event_type)


def test_the_words_of_a_key_have_the_names_of_the_layout():
    fields = EVENT.parse(["7", "12345", "32", "create", "objectDetected", "faceDetected"])
    assert [fields.word(name) for name in EVENT.words] == [7, 12345, 32, "create", "faceDetected"]


@pytest.mark.parametrize(
    "word", ["", "07", "00", "-1", "+1", "1.0", "1_0", " 1", "٣", "²", "0x1", "x", str(2**63), "*"]
)
def test_an_id_has_one_spelling(word: str):
    for index, name in enumerate(("partner", "account", "camera")):
        words = ["7", "12345", "32", "create", "vmdDetected"]
        words[index] = word
        with pytest.raises(DestinationError) as caught:
            EVENT.parse(words)
        assert f"Word {index + 1}, the {name}, must be a decimal number" in caught.value.detail
        assert repr(word) in caught.value.detail


@pytest.mark.parametrize(
    ("layout", "key", "fault"),
    [
        (EVENT, "7", "It ends after word 1; the next one is the account."),
        (EVENT, "7.1.2", "It ends after word 3; the next one is the action."),
        (EVENT, "7.1.2.create", "It ends after word 4; the next one is the event types."),
        (EVENT, "7.1.2.update.vmdDetected", "Word 4, the action, must be 'create', not 'update'."),
        (EVENT, "7.1.2.create.vmd", "'vmd' is no known event type; the nearest is 'vmdDetected'."),
        (
            EVENT,
            "7.1.2.create.faceDetected",
            "'faceDetected' is not the path of faceDetected; its path is 'objectDetected.faceDetected'.",
        ),
        (FACE, "7.1", "It ends after word 2; the next one is the action."),
        (FACE, "7.1.remove", "Word 3, the action, must be 'create' or 'update' or 'delete', not 'remove'."),
        (FACE, "7.1.create.x", "It goes on after word 3 with 'x'."),
    ],
)
def test_the_fault_and_the_layout_are_named(layout: KeyLayout, key: str, fault: str):
    with pytest.raises(DestinationError) as caught:
        layout.parse(key.split("."))
    assert caught.value.message == "Invalid routing key"
    assert caught.value.detail.startswith(fault)
    assert (
        "A routing key of event_full_v24 is {partner}.{account}.{camera}.{action}.{event types}, "
        "for example 7.12345.32.create.objectDetected.faceDetected"
        if layout is EVENT
        else "A routing key of face_v24 is {partner}.{account}.{action}, for example 7.12345.create"
    ) in caught.value.detail
