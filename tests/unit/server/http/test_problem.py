"""Every error as RFC 9457 has it."""

import msgspec
import pytest

from heliograph.directory.fault import directory_fault
from heliograph.errors import AccessError, BodyError, LimitError, LoginError, ServerError
from heliograph.server.http.problem import Refused, pointer_of, problem_of, respond


@pytest.mark.parametrize(
    ("error", "status", "pointers"),
    [
        (BodyError("Invalid body", "type: no", "/type"), 422, ["/type"]),
        (AccessError("Access refused", "no"), 403, []),
        (LimitError("Busy", "later"), 429, []),
        (ServerError("Going away", "soon"), 503, []),
        (Refused(415, "Unsupported Media Type", "JSON"), 415, []),
        (directory_fault("request", "grants[0].system", "no such"), 422, ["/grants/0/system"]),
    ],
)
def test_status_title_and_pointers(error, status: int, pointers: list[str]):
    found = msgspec.to_builtins(problem_of(error))
    assert (found["status"], [each["pointer"] for each in found.get("errors", [])]) == (status, pointers)
    assert found["title"] == ("Invalid request" if error.message == "Bad directory" else error.message)
    assert found["type"] == "urn:heliograph:problem:" + found["title"].lower().replace(" ", "-")
    assert found["detail"]


def test_a_failed_login_is_answered_without_its_login_and_with_both_challenges():
    answer = respond(problem_of(LoginError("Bad CONNECT", "Access refused for user 'maria'")))
    assert b"maria" not in answer.content
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="heliograph", Basic')


def test_who_is_to_come_again_is_told_when():
    assert respond(problem_of(ServerError("Busy", "later"))).headers["Retry-After"] == "5"
    assert "Retry-After" not in respond(problem_of(AccessError("No", "never"))).headers


def test_a_place_becomes_a_pointer():
    assert [pointer_of(place) for place in ("", "name", "grants[0].message_types[1]")] == [
        "",
        "/name",
        "/grants/0/message_types/1",
    ]
