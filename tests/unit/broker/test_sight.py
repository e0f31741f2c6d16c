"""Whether somebody would see an event, and why not."""

from __future__ import annotations

import pytest

from heliograph.broker.sight import Sight, look
from tests.in_memory import PARTNER, SERVICE, SYSTEM, directory

DIRECTORY = directory()
KEY = "7.12345.32.create.vmdDetected"
FULL, FACE, RAW = "acme_event_full_v24", "acme_face_v24", "acme_raw"


def seen(login: str | None, exchange: str, pattern: str, key: str | None = None) -> Sight:
    principal = None if login is None else DIRECTORY.principals[login]
    return look(DIRECTORY, principal, exchange, tuple(pattern.split(".")), key.split(".") if key else None)


@pytest.mark.parametrize(
    ("login", "exchange", "pattern", "key"),
    [
        (PARTNER[0], FULL, "#", KEY),
        (PARTNER[0], FULL, "*.12345.33.#", KEY),
        (PARTNER[0], FULL, "7.123456.99.#", "7.123456.98.create.vmdDetected"),
        (SERVICE[0], RAW, "a.*", "a.b"),
        (SERVICE[0], FACE, "#", "9.999.delete"),
        (None, FULL, "#", KEY),
        (None, "other_face_v24", "9.999.update", None),
    ],
)
def test_what_is_allowed_has_no_fault(login: str | None, exchange: str, pattern: str, key: str | None) -> None:
    found = seen(login, exchange, pattern, key)
    assert found.binding is not None
    assert (found.pattern_faults, found.access_faults, found.key_faults) == ([], [], [])


@pytest.mark.parametrize(
    ("login", "exchange", "pattern", "key", "faults"),
    [
        (PARTNER[0], FULL, "9.#", None, ["The pattern begins with '9'"]),
        (
            PARTNER[0],
            FULL,
            "#",
            "9.999.1.create.vmdDetected",
            ["The key begins with '9'", "Partner 7 has no account 999"],
        ),
        (PARTNER[0], FULL, "7.1.#", KEY, ["Partner 7 has no account 1,"]),
        (PARTNER[0], FULL, "7.12345.34.#", None, ["Camera 34 is not listed for account 12345"]),
        (None, FULL, "7.999.#", None, ["Partner 7 has no account 999"]),
        (None, FULL, "*.1.#", None, ["Nobody has an account 1,"]),
        (SERVICE[0], FACE, "7.*.delete", None, ["No right of this service has a key in common"]),
        (SERVICE[0], FACE, "#", "7.12345.delete", ["No right of this service covers the key"]),
    ],
)
def test_what_is_not_seen_has_a_reason(
    login: str | None, exchange: str, pattern: str, key: str | None, faults: list[str]
) -> None:
    found = seen(login, exchange, pattern, key).access_faults
    assert len(found) == len(faults), found
    assert all(text.startswith(beginning) for text, beginning in zip(found, faults, strict=True)), found


@pytest.mark.parametrize(
    ("login", "exchange"), [(PARTNER[0], RAW), (PARTNER[0], "nosuch"), (SYSTEM[0], FULL), (None, "x")]
)
def test_where_a_subscribe_would_be_refused_nothing_else_is_told(login: str | None, exchange: str) -> None:
    found = seen(login, exchange, "a.b", "b.c")
    assert (found.binding, found.pattern_faults, found.key_faults) == (None, [], [])
    assert len(found.access_faults) == 1


def test_a_key_that_cannot_be_has_its_reason() -> None:
    (fault,) = seen(None, FULL, "#", "7.12345.32.create.nosuch").key_faults
    assert "'nosuch' is no known event type" in fault


def test_a_pattern_for_another_message_type_names_it_where_the_subscriber_may_see_it() -> None:
    assert seen(PARTNER[0], FULL, "7.*.update").pattern_faults[-1] == "It fits keys of face_v24 (acme_face_v24)."
    others = seen(None, FACE, "7.*.*.create.vmdDetected").pattern_faults
    assert {"It fits keys of event_full_v24 (acme_event_full_v24).", "It fits keys of event_v24 (acme_event_v24)."} <= {
        *others
    }
    assert not any(
        "fits" in fault for fault in seen("ops@southwind.example", FACE, "9.*.*.create.vmdDetected").pattern_faults
    )
