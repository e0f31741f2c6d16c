"""Which exchanges and keys somebody gets to see who names neither."""

from __future__ import annotations

import pytest

from heliograph.broker.selection import Wanted, readable, select
from heliograph.errors import AccessError, DestinationError, HeliographError, LimitError
from heliograph.limits import Limits
from tests.in_memory import DIRECTORY, OTHER_PARTNER, PARTNER, SERVICE, SYSTEM, directory

GRANTED = 'message_types = ["event_full_v24", "face_v24"] }]\naccounts = [{ id = 12345'
assert GRANTED in DIRECTORY


def selected(wanted: Wanted, who: tuple[str, str] = PARTNER, text: str = DIRECTORY, **limits: int) -> dict[str, str]:
    """Pattern by exchange."""
    built = directory(text)
    found = select(built, built.principals[who[0]], wanted, Limits(**limits))
    return {each.exchange: ".".join(each.pattern) for each in found}


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        ('"event_full_v24", "face_v24"', ["acme_event_full_v24"]),
        ('"event_v24", "event_full_v24"', ["acme_event_full_v24"]),
        ('"event_v24", "face_v24"', ["acme_event_v24"]),
    ],
)
def test_an_event_comes_once_in_the_fullest_form_that_is_granted(granted: str, expected: list[str]):
    text = DIRECTORY.replace(GRANTED, GRANTED.replace('"event_full_v24", "face_v24"', granted))
    assert list(selected(Wanted(), text=text)) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), {"acme_event_full_v24": "7.*.*.*.#"}),
        (Wanted(account=5), {"acme_event_full_v24": "7.5.*.*.#"}),
        (
            Wanted(camera=32, event_type="faceDetected"),
            {"acme_event_full_v24": "7.*.32.*.objectDetected.faceDetected.#"},
        ),
        (Wanted(message_type="face_v24", account=5), {"acme_face_v24": "7.5.*.#"}),
        (Wanted(exchange="acme_face_v24"), {"acme_face_v24": "7.*.*.#"}),
    ],
)
def test_filters_become_patterns(wanted: Wanted, expected: dict[str, str]):
    assert selected(wanted) == expected


@pytest.mark.parametrize(
    ("who", "wanted", "error"),
    [
        (OTHER_PARTNER, Wanted(), AccessError),  # it has faces alone
        (OTHER_PARTNER, Wanted(exchange="acme_event_full_v24"), AccessError),
        (OTHER_PARTNER, Wanted(exchange="other_face_v24"), AccessError),
        (OTHER_PARTNER, Wanted(message_type="user_v24"), AccessError),
        (SYSTEM, Wanted(), AccessError),
        (SYSTEM, Wanted(exchange="acme_face_v24"), AccessError),
        (PARTNER, Wanted(event_type="nothing"), DestinationError),
        (PARTNER, Wanted(message_type="face_v24", camera=1), DestinationError),
        (SERVICE, Wanted(exchange="acme_raw"), DestinationError),
    ],
)
def test_what_cannot_be_seen_is_refused(who: tuple[str, str], wanted: Wanted, error: type[HeliographError]):
    with pytest.raises(error):
        selected(wanted, who)


def test_a_service_keeps_its_rights_beside_the_pattern():
    built = directory()
    (found,) = select(built, built.principals[SERVICE[0]], Wanted(message_type="face_v24", account=5), Limits())
    assert (found.owner, found.pattern) == (None, ("*", "5", "*", "#"))
    assert found.rights == (("*", "*", "create"), ("9", "#"))


def test_there_are_only_so_many_exchanges_at_once():
    grants = 'grants = [{ system = "acme", message_types = ["face_v24"] }'
    both = DIRECTORY.replace(grants, grants + ', { system = "other", message_types = ["face_v24"] }')
    with pytest.raises(LimitError, match="history_exchanges_max"):
        selected(Wanted(message_type="face_v24"), OTHER_PARTNER, both, history_exchanges_max=1)


@pytest.mark.parametrize(
    ("who", "names"),
    [
        (PARTNER, ["acme_event_full_v24", "acme_face_v24"]),
        (SERVICE, ["acme_face_v24", "acme_raw"]),
        (("other", ""), ["other_face_v24"]),
    ],
)
def test_readable_exchanges(who: tuple[str, str], names: list[str]):
    built = directory()
    assert [each.name for each in readable(built, built.principals[who[0]])] == names
