"""POST /explain: why a pattern matches or not, who would see it, and what it would have matched."""

from __future__ import annotations

import time
from bisect import bisect_left
from datetime import datetime

import pytest

from tests.integration.conftest import ARCHIVER, CONTOSO, NORTHWIND, Operated
from tests.integration.http_client import HttpClient

FULL = "/exchange/acme_event_full_v24"
KEY = "7.12345.32.create.objectDetected.faceDetected"


def event(account: int = 12345, camera: int = 32, kind: str = "faceDetected") -> dict:
    return {
        "eventId": 1,
        "type": kind,
        "source": {"type": "camera", "sourceId": camera, "accountId": account},
        "timestamp": "2021-05-04T07:10:03.371+0000",
    }


def explained(http: HttpClient, **question: object) -> dict:
    answer = http("POST", "/explain", question)
    assert answer.status == 200, answer.body
    return answer.body


def test_a_match_says_what_each_word_took_and_that_the_partner_sees_it(operated: Operated):
    found = explained(operated.of(NORTHWIND), pattern=f"{FULL}/7.*.32.create.#", key=KEY)
    assert (found["matches"], found["visible"]) == (True, True)
    assert [step["took"] for step in found["steps"]][-1] == ["objectDetected", "faceDetected"]
    assert found["pattern_faults"] == found["access_faults"] == found["key_faults"] == found["rest"] == []
    assert found["exchange"] == "acme_event_full_v24"


def test_a_mismatch_names_the_word(operated: Operated):
    question = {"system": "acme", "message_type": "event_full_v24", "key": KEY}
    found = explained(operated.of(NORTHWIND), pattern="7.12345.32.Create.#", **question)
    assert (found["matches"], found["visible"]) == (False, False)
    assert found["summary"] == "word 4: pattern says 'Create', key has 'create'; case counts"
    assert found["steps"][-1]["fault"]
    assert found["pattern_faults"][0] == "Word 4 is the action; 'Create' is written 'create'; case counts."
    found = explained(operated.of(NORTHWIND), pattern="7.12345.32.create.objectDetected", **question)
    assert found["rest"] == ["faceDetected"]
    assert found["pattern_faults"] == []


def test_without_an_exchange_only_the_match_is_explained(operated: Operated):
    found = explained(operated.of(NORTHWIND), pattern="a.*", key="a.b")
    assert (found["matches"], found["visible"], found["exchange"], found["last_hour"]) == (True, None, None, None)


def test_an_event_implies_its_key(operated: Operated):
    question = {"pattern": f"{FULL}/#", "event": event()}
    for http in (operated.of(NORTHWIND), operated.of(ARCHIVER), operated.maria):
        found = explained(http, **question)
        assert (found["key"], found["matches"], found["visible"]) == (KEY, True, True)
    answer = operated.maria("POST", "/explain", {**question, "event": event(kind="fase")})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/event/type")
    answer = operated.maria("POST", "/explain", {**question, "event": event(account=1)})
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/event/source/accountId")


@pytest.mark.parametrize(
    ("pattern", "key", "fault"),
    [
        ("9.#", KEY, "The pattern begins with '9'; partner 7 sees only keys that begin with 7."),
        ("#", "9.777.1.create.vmdDetected", "The key begins with '9'; partner 7 sees only keys that begin with 7."),
        ("7.777.#", None, "Partner 7 has no account 777, so there are no such events."),
        ("7.778.#", None, "Partner 7 has no account 778, so there are no such events."),
        ("#", "7.777.1.create.vmdDetected", "Partner 7 has no account 777, so there are no such events."),
        ("7.12345.99.#", None, "Camera 99 is not listed for account 12345, so its events are refused. "
         "Have the operator list it."),
    ],
)  # fmt: skip
def test_what_a_partner_does_not_see_has_a_reason(operated: Operated, pattern: str, key: str | None, fault: str):
    as_itself = explained(operated.of(NORTHWIND), pattern=f"{FULL}/{pattern}", key=key)
    assert fault in as_itself["access_faults"]
    assert not as_itself["visible"]
    as_operator = explained(operated.maria, pattern=f"{FULL}/{pattern}", key=key, partner=7)
    assert as_operator["access_faults"] == as_itself["access_faults"]


def test_one_answer_for_an_exchange_that_is_not_there_and_one_that_is_not_granted(operated: Operated):
    contoso = operated.of(CONTOSO)
    granted, absent = ("acme_face_v24", "acme_fase_v24")
    answers = [explained(contoso, pattern=f"/exchange/{name}/#", key="9.777.create") for name in (granted, absent)]
    one, other = [each["access_faults"] for each in answers]
    assert [text.replace(granted, absent) for text in one] == other
    assert other == [
        "There is no exchange 'acme_fase_v24' to which 'desk@contoso.example' may subscribe. An exchange is "
        "{system}_{message_type}; ask the operator to switch the type on and to grant it. "
        "Did you mean 'acme_event_full_v24'?"
    ]
    assert all(each["visible"] is False and each["last_hour"] is None for each in answers)
    assert explained(operated.maria, pattern="/exchange/acme_face_v24/#", key="9.777.create")["visible"] is True
    assert not explained(operated.maria, pattern="/exchange/acme_face_v24/#", key="9.777.create", partner=9)["visible"]


def test_an_exchange_that_is_nearly_there_is_named(operated: Operated):
    for http in (operated.of(CONTOSO), operated.maria):
        found = explained(http, pattern="#", system="acme", message_type="event_full_v25")
        assert found["access_faults"][0].endswith(" Did you mean 'acme_event_full_v24'?")


@pytest.mark.parametrize(
    ("pattern", "faults"),
    [
        ("7.*.create", ["Word 3 is the camera, a decimal number; 'create' is none.",
                        "It has 3 words and no '#', but keys have 5 or more words: "
                        "{partner}.{account}.{camera}.{action}.{event types}. End it with .# to take whatever follows.",
                        "It fits keys of face_v24 (acme_face_v24)."]),
        ("7.*.*.create.faceDetected.#", ["Word 5 is an event type. The path of faceDetected is "
                                         "objectDetected.faceDetected: write all of it, from the root on."]),
        ("7.*.*.create.objectdetected.#", ["Word 5 is an event type. 'objectdetected' is written 'objectDetected'; "
                                           "case counts."]),
        ("7.#.personDetectd", ["'personDetectd' is no known event type; the nearest is 'personDetected'."]),
    ],
)  # fmt: skip
def test_a_pattern_that_can_match_nothing_is_told_why(operated: Operated, pattern: str, faults: list[str]):
    found = explained(operated.of(NORTHWIND), pattern=f"{FULL}/{pattern}")
    assert found["pattern_faults"] == faults
    assert (found["matches"], found["summary"], found["visible"]) == (None, None, None)


def test_what_would_have_matched_in_the_last_hour_is_counted(operated: Operated):
    batch = [event(777, 901), event(777, 901, "vmdDetected"), event(777, 902), event(12345, 32)]
    assert operated.acme("POST", "/systems/acme/events", batch).status == 200
    contoso = operated.of(CONTOSO)

    def matched(http: HttpClient, pattern: str, **more: object) -> int:
        hour = explained(http, pattern=f"{FULL}/{pattern}", **more)["last_hour"]
        assert (hour["matched"]["complete"], hour["matched"]["until"]) == (True, None)
        assert abs(time.time() - 3_600 - datetime.fromisoformat(hour["since"]).timestamp()) < 10
        return hour["matched"]["events"]

    assert matched(contoso, "*.*.901.#") == 2
    assert matched(contoso, "9.777.901.create.vmdDetected") == 1
    assert matched(operated.maria, "*.*.901.#") == 2
    assert matched(operated.maria, "*.*.901.#", partner=7) == 0
    assert matched(contoso, "#") == matched(operated.maria, "9.#") == matched(operated.maria, "#", partner=9) >= 3
    assert matched(operated.maria, "#") > matched(contoso, "#")


def test_what_matched_nothing_shows_what_there_was(operated: Operated):
    operated.acme("POST", "/systems/acme/events", [event(777, 903)])
    hour = explained(operated.of(CONTOSO), pattern=f"{FULL}/9.777.99999.#")["last_hour"]
    assert hour["matched"]["events"] == 0
    assert hour["visible"]["events"] >= 1
    assert all(key.startswith("9.777.") for key in hour["keys"])
    assert hour["keys"]


def test_a_disabled_partner_sees_nothing(operated: Operated):
    partner = operated.maria("GET", "/partners/7").body
    del partner["id"]
    try:
        assert operated.maria("PUT", "/partners/7", partner | {"disabled": True}).status == 200
        found = explained(operated.maria, pattern=f"{FULL}/#", key=KEY, partner=7)
        assert found["access_faults"] == ["Partner 7 is disabled, so it cannot log in."]
        assert (found["matches"], found["visible"]) == (True, False)
    finally:
        assert operated.maria("PUT", "/partners/7", partner).status == 200


OWN_TYPES = [
    {
        "name": "thermal_v1",
        "key": "{partner}.{account}.thermal.{event_types}",
        "body": {"type": "object"},
        "places": {"account": "/site", "event_types": "/what"},
    },
    {"name": "status_v1", "key": "status.{account}", "body": {"type": "object"}, "places": {"account": "/site"}},
    {"name": "raw_v1", "key": "#", "body": {"type": "object"}},
]


def test_message_types_and_event_types_of_an_operator_s_own_are_explained(operated: Operated):
    maria = operated.maria
    assert maria("POST", "/event-types", {"name": "smokeDetected"}).status == 201
    for each in OWN_TYPES:
        assert maria("POST", "/message-types", each).status == 201
        assert maria("PUT", f"/systems/acme/message-types/{each['name']}", {}).status == 200
    try:
        smoke = {"site": 12345, "what": "smokeDetected"}
        found = explained(maria, pattern="/exchange/acme_thermal_v1/7.*.door.smokeDetected", event=smoke)
        assert (found["key"], found["matches"]) == ("7.12345.thermal.smokeDetected", False)
        assert found["pattern_faults"] == ["Word 3 is the same in every key: it is 'thermal', never 'door'."]
        found = explained(maria, pattern=f"{FULL}/#.smokedetected")
        assert found["pattern_faults"] == ["'smokedetected' is written 'smokeDetected'; case counts."]
        found = explained(maria, pattern="/exchange/acme_status_v1/status.*", event=smoke)
        assert (found["key"], found["visible"], found["pattern_faults"]) == ("status.12345", True, [])
        found = explained(maria, pattern="/exchange/acme_status_v1/*.1")
        assert found["access_faults"] == ["Nobody has an account 1, so there are no such events."]
        for name, event_, pointer in (("raw_v1", smoke, "/event"), ("thermal_v1", {"what": "x"}, "/event/site")):
            answer = maria("POST", "/explain", {"pattern": f"/exchange/acme_{name}/#", "event": event_})
            assert (answer.status, [each["pointer"] for each in answer.body["errors"]]) == (422, [pointer])
    finally:
        for each in OWN_TYPES:
            assert maria("DELETE", f"/systems/acme/message-types/{each['name']}").status == 204
            assert maria("DELETE", f"/message-types/{each['name']}").status == 204
        assert maria("DELETE", "/event-types/smokeDetected").status == 204


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        ({}, "/pattern"),
        ({"pattern": ""}, "/pattern"),
        ({"pattern": "a*"}, "/pattern"),
        ({"pattern": "a." * 200 + "b"}, "/pattern"),
        ({"pattern": "/topic/x"}, "/pattern"),
        ({"pattern": f"{FULL}/#", "system": "acme"}, "/pattern"),
        ({"pattern": "#", "system": "acme"}, "/message_type"),
        ({"pattern": "#", "system": "acme", "message_type": "x" * 128}, "/message_type"),
        ({"pattern": "#", "key": "a..b"}, "/key"),
        ({"pattern": "#", "key": "a", "event": {}}, "/event"),
        ({"pattern": "#", "event": {}}, "/message_type"),
        ({"pattern": f"{FULL}/#", "event": {}}, None),
        ({"pattern": "#", "partner": 4}, "/partner"),
        ({"pattern": "#", "patern": "x"}, "/patern"),
    ],
)
def test_a_question_that_does_not_fit_names_its_field(operated: Operated, question: dict, pointer: str | None):
    answer = operated.maria("POST", "/explain", question)
    assert answer.status == 422
    if pointer is not None:
        assert [each["pointer"] for each in answer.body["errors"]] == [pointer]


def test_nobody_asks_for_another(operated: Operated):
    contoso = operated.of(CONTOSO)
    assert contoso("POST", "/explain", {"pattern": "#", "partner": 7}).status == 422
    assert contoso("POST", "/explain", {"pattern": "#", "partner": 9}).status == 200
    assert operated.acme("POST", "/explain", {"pattern": "#"}).status == 403
    assert HttpClient(operated.maria.url)("POST", "/explain", {"pattern": "#"}).status == 401


def test_json_that_is_nested_too_deeply_is_the_sender_s_fault(operated: Operated):
    head = f'{{"pattern": "{FULL}/#", "event": {{"eventId": '.encode()

    def status(depth: int) -> int:
        return operated.maria("POST", "/explain", head + b"[" * depth + b"]" * depth + b"}}").status

    first = bisect_left(
        range(20_000), -400, key=lambda depth: -status(depth)
    )  # read at some depth of the stack, and written at another
    assert {status(depth) for depth in range(first - 50, first + 50)} == {400, 422}
