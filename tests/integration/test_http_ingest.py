"""The HTTP API as a system has it: what is posted is stored, and comes to who has subscribed over STOMP."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from heliograph.client import connect
from tests.integration.conftest import ACME, NORTHWIND, SERVE, Process, Start, address, write_directory
from tests.integration.http_client import HttpClient
from tests.postgresql import own_database

SYSTEM = (ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
PARTNER = (NORTHWIND["HELIOGRAPH_LOGIN"], NORTHWIND["HELIOGRAPH_PASSWORD"])
EVENTS, FACES = "/systems/acme/events", "/systems/acme/faces"
FULL, THIN, FACE = "acme_event_full_v24", "acme_event_v24", "acme_face_v24"
NDJSON = "application/x-ndjson"


def event(number: int = 1, account: int = 12345, camera: int = 32) -> dict:
    return {
        "eventId": number,
        "type": "faceDetected",
        "source": {"type": "camera", "sourceId": camera, "accountId": account},
        "timestamp": "2021-05-04T07:10:03.371+0000",
    }


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """One server for all tests here on each database, and the token of its operator."""
    folder = tmp_path_factory.mktemp("ingest")
    environment = {"HELIOGRAPH_LIMITS_HTTP_HEAD_MS_MAX": "500"}
    if request.param == "postgresql":
        environment["HELIOGRAPH_DIRECTORY_URL"] = own_database(
            request.getfixturevalue("postgresql_server"), folder.name
        )
    write_directory(folder)
    adding = Process(["operator", "add", "maria"], folder, environment)
    assert adding.ended() == 0, adding.errors
    adding.kill()
    process = Process([*SERVE, "--log-level", "debug"], folder, environment)
    process.line()
    yield process, adding.lines[0]
    process.kill()


@pytest.fixture(scope="module")
def server(served: tuple[Process, str]) -> Process:
    return served[0]


@pytest.fixture(scope="module")
def anybody(server: Process) -> HttpClient:
    return HttpClient(address(server, "http"))


@pytest.fixture(scope="module")
def acme(anybody: HttpClient) -> HttpClient:
    return anybody.basic(*SYSTEM)


@pytest.fixture(scope="module")
def maria(served: tuple[Process, str], anybody: HttpClient) -> HttpClient:
    return anybody.bearer(served[1])


async def test_an_event_comes_to_its_partner_as_it_was_posted(server: Process, acme: HttpClient):
    body = json.dumps(event(7), indent=1).encode()
    async with (
        connect(address(server), *PARTNER) as client,
        client.subscribe(f"/exchange/{FULL}/7.12345.#") as subscription,
    ):
        answer = await asyncio.to_thread(acme, "POST", EVENTS, body)
        assert answer.status == 201
        assert answer.body["offsets"].keys() == {FULL, THIN}
        message = await asyncio.wait_for(anext(aiter(subscription)), 10)
    assert message.body == body
    assert message.destination == f"/exchange/{FULL}/7.12345.32.create.objectDetected.faceDetected"


def test_a_face_has_one_offset(acme: HttpClient):
    face = {
        "accountId": 12345,
        "faceId": "b6e27147-f649-448e-8056-792d2d9654f1",
        "timestamp": "2020-11-17T14:03:01.221+0000",
        "action": "create",
    }
    answer = acme("POST", FACES, face)
    assert (answer.status, list(answer.body["offsets"])) == (201, [FACE])


@pytest.mark.parametrize("form", ["array", "lines"])
def test_a_batch_has_an_outcome_for_each_item(maria: HttpClient, form: str):
    items = [event(1), event(2, camera=99), event(3)]
    if form == "array":
        answer = maria("POST", EVENTS, items)
        outcomes = answer.body
    else:
        body = "\n".join(map(json.dumps, items)).encode()
        answer = maria("POST", EVENTS, body, content_type=NDJSON)
        assert answer.headers["content-type"].startswith(NDJSON)
        outcomes = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.status == 200
    assert [each["status"] for each in outcomes] == [201, 422, 201]
    assert outcomes[1]["problem"]["errors"][0]["pointer"] == "/source/sourceId"
    first, last = outcomes[0]["offsets"], outcomes[2]["offsets"]
    assert first.keys() == {FULL, THIN}
    assert last[FULL] > first[FULL]


def test_a_retry_with_its_key_is_stored_once(acme: HttpClient):
    first, again, other = (acme("POST", EVENTS, event(9), idempotency_key=key) for key in ('"a-1"', "a-1", "a-2"))
    assert first.body == again.body
    assert other.body["offsets"][FULL] > first.body["offsets"][FULL]
    batches = [acme("POST", EVENTS, [event(1), event(2)], idempotency_key="b") for _ in range(2)]
    assert batches[0].body == batches[1].body
    assert batches[0].body[0] != batches[0].body[1]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (event(account=1), 422, "/source/accountId"),
        (event(camera=99), 422, "/source/sourceId"),
        (event() | {"type": "faceSpotted"}, 422, "/type"),
        (b"{", 422, ""),
        (b"[{]", 400, None),
    ],
)
def test_what_does_not_fit_is_a_problem(acme: HttpClient, body: object, status: int, pointer: str | None):
    answer = acme("POST", EVENTS, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [each["pointer"] for each in answer.body.get("errors", [])] == ([] if pointer is None else [pointer])
    assert answer.body.keys() >= {"type", "title", "status", "detail"}


def test_others_may_not_post(anybody: HttpClient, maria: HttpClient):
    assert anybody.basic(*PARTNER)("POST", EVENTS, event()).status == 403
    assert anybody.basic("archiver", "service-secret")("POST", EVENTS, event()).status == 403
    assert anybody.basic(*SYSTEM)("POST", "/systems/other/events", event()).status == 403
    assert maria("POST", "/systems/nobody/events", event()).status == 404
    assert maria("POST", "/systems/acme/users", event()).status == 403  # not switched on


def test_every_failed_login_has_the_same_answer(server: Process, anybody: HttpClient):
    strangers = [
        anybody,
        anybody.basic("acme", "canary-password"),
        anybody.basic("nobody-canary", "x"),
        anybody.bearer("canary-token"),
        HttpClient(anybody.url, "Basic %%%"),
        HttpClient(anybody.url, "Digest x"),
    ]
    answers = [stranger("POST", EVENTS, event()) for stranger in strangers]
    assert {answer.status for answer in answers} == {401}
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert all(answer.headers["www-authenticate"].startswith("Bearer ") for answer in answers)
    assert not any("canary" in line for line in server.errors)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", EVENTS, {}, 405),
        ("POST", EVENTS, {"content_type": "text/plain"}, 415),
        ("POST", EVENTS, {"idempotency_key": ""}, 400),
        ("POST", EVENTS, {"idempotency_key": '"'}, 400),
        ("POST", EVENTS, {"idempotency_key": 'a"b'}, 400),
        ("POST", EVENTS, {"idempotency_key": "\u00e9"}, 400),
        ("POST", EVENTS, {"idempotency_key": "x" * 256}, 400),
    ],
)
def test_errors_of_http_are_problems_too(acme: HttpClient, method: str, path: str, headers: dict, status: int):
    answer = acme(method, path, event() if method == "POST" else None, **headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.body["status"] == status
    assert answer.body["detail"]


def test_a_body_beyond_its_limit_is_refused(acme: HttpClient):
    assert acme("POST", EVENTS, json.dumps(event() | {"x": "y" * 1_100_000}).encode()).status == 413
    answer = acme("POST", EVENTS, [event(1), event(2) | {"x": "y" * 1_100_000}])
    assert [each["status"] for each in answer.body] == [201, 413]


@pytest.mark.parametrize(
    ("sent", "answer"), [(b"", b""), (b"POST /systems/acme/events HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 ")]
)
def test_a_head_that_does_not_come_ends_the_connection(server: Process, sent: bytes, answer: bytes):
    place = urlsplit(address(server, "http"))
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10) as stranger:
        stranger.sendall(sent)
        began = time.monotonic()
        assert stranger.recv(13) == answer
        while stranger.recv(4_000):
            pass
    assert time.monotonic() - began < 5


def test_what_is_not_http_is_a_problem(server: Process):
    place = urlsplit(address(server, "http"))
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10) as stranger:
        stranger.sendall(b"CONNECT\naccept-version:1.2\n\n\0")
        answer = stranger.recv(1_000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def test_a_request_that_hangs_does_not_hold_up_the_end(start: Start, directory: Path):
    process = start(*SERVE)
    process.line()
    anybody = HttpClient(address(process, "http"))
    assert anybody.basic(*SYSTEM)("POST", EVENTS, event()).status == 201
    place = urlsplit(anybody.url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10) as hanging:
        head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {anybody.basic(*SYSTEM).authorization}\r\n"
        hanging.sendall(f"{head}Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n".encode())
        time.sleep(0.3)
        assert process.stop(within_s=15) == 0


def test_a_request_that_takes_too_long_is_told_so(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HTTP_REQUEST_MS_MAX="2000")
    process.line()
    acme = HttpClient(address(process, "http")).basic(*SYSTEM)
    place = urlsplit(acme.url)
    line = json.dumps(event()).encode() + b"\n"
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10) as slow:
        head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {acme.authorization}\r\n"
        slow.sendall(f"{head}Content-Type: {NDJSON}\r\nContent-Length: 1000\r\n\r\n".encode() + line)
        answer = b"".join(iter(lambda: slow.recv(4_000), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"http_request_ms_max" in answer
    assert acme("POST", EVENTS, event()).body["offsets"][FULL] == 2  # what came of the slow one is stored


def test_connections_beyond_their_limit_are_told_so(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HTTP_CONNECTIONS_MAX="1")
    process.line()
    anybody = HttpClient(address(process, "http"))
    place = urlsplit(anybody.url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10):
        for _ in range(3):
            assert anybody("GET", "/docs").status == 503
    time.sleep(0.2)
    assert anybody("GET", "/docs").status == 200
