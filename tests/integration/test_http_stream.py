"""Server-sent events over HTTP: what comes, where it goes on after a break, and how it ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import SERVE, Process, Start, address, wait_until
from tests.integration.http_client import HttpClient
from tests.integration.sse import EventSource, SentEvent
from tests.integration.test_http_history import DATABASES, DIRECTORY, EVENTS, FULL, THIN, People, event, serve

STREAM = "/events/stream"
BEAT_MS = 300


@pytest.fixture(scope="module", params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    limits = {"HELIOGRAPH_LIMITS_STREAM_BEAT_MS": str(BEAT_MS), "HELIOGRAPH_LIMITS_STREAMS_PER_LOGIN_MAX": "3"}
    process, token = serve(tmp_path_factory.mktemp("stream"), request, **limits)
    yield process, token
    process.kill()


@pytest.fixture
def people(served: tuple[Process, str]) -> People:
    return People(*served)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "directory.toml"
    path.write_text(DIRECTORY, encoding="utf-8")
    return path


def numbers(events: list[SentEvent]) -> list[int]:
    return [each.data["body"].get("eventId", each.data["body"].get("event_id")) for each in events]


def post(people: People, *events: dict) -> None:
    answer = people.acme("POST", EVENTS, list(events))
    assert [each["status"] for each in answer.body] == [201] * len(events)


def test_events_come_as_they_are_stored_and_only_ones_own(people: People):
    with EventSource(people.northwind, f"{STREAM}?type=objectDetected&exchange={FULL}") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        post(people, event(1), event(2, account=777), event(3, kind="vmdDetected"), event(4, kind="faceRecognized"))
        first, second = stream.events(2)
        assert numbers([first, second]) == [1, 4]
        assert first.kind == "message"
        assert first.id == f"{FULL}:{first.data['offset']}"
        assert first.data["body"] == event(1)
        listed = people.northwind("GET", f"/events?exchange={FULL}&limit=3").body["events"]
        assert second.data == listed[0]


def test_a_body_of_several_lines_comes_whole(people: People):
    body = b'{"eventId": 9,\r\n "type": "faceDetected",\r"source": {"type": "camera",\n "sourceId": 32, '
    body += b'"accountId": 12345}, "timestamp": "2021-05-04T07:10:03.371+0000"}'
    with EventSource(people.northwind, f"{STREAM}?exchange={FULL}") as stream:
        assert people.acme("POST", EVENTS, body).status == 201
        (found,) = stream.events(1)
    assert found.data["body"] == event(9)


def test_a_broken_stream_goes_on_behind_the_last_event_in_every_exchange(people: People):
    with EventSource(people.northwind, STREAM) as stream:
        post(people, event(1), event(2))
        seen = stream.events(2)
    assert {part.partition(":")[0] for part in seen[-1].id.split(",")} == {FULL, "beta_event_v24"}
    post(people, event(3), event(4))
    people.beta("POST", "/systems/beta/events", event(70))
    with EventSource(people.northwind, STREAM, seen[0].id) as stream:
        assert sorted(numbers(stream.events(4))) == [2, 3, 4, 70]
        post(people, event(5))
        assert numbers(stream.events(1)) == [5]
        assert stream.comment() == "beat", "nothing comes twice"


def test_a_beat_moves_the_place_on_where_nothing_was_asked_for(people: People):
    with EventSource(people.northwind, f"{STREAM}?camera=4711&exchange={FULL}") as stream:
        stream.comment()
        before = stream.last_id
        post(people, event(1), event(2))
        wait_until(lambda: bool(stream.comment()) and stream.last_id != before)
    extent = {each["name"]: each for each in people.maria("GET", "/exchanges").body}[FULL]
    assert stream.last_id == f"{FULL}:{extent['last_offset']}"


def test_it_may_begin_in_the_past(people: People):
    post(people, event(1, camera=50), event(2, camera=50))
    at = people.northwind("GET", f"/events?camera=50&exchange={FULL}&limit=2").body["events"][-1]["received_at"]
    with EventSource(people.northwind, f"{STREAM}?camera=50&exchange={FULL}&from={at}") as stream:
        assert numbers(stream.events(2)) == [1, 2]
        post(people, event(3, camera=50))
        assert numbers(stream.events(1)) == [3]


@pytest.mark.parametrize(
    ("query", "last_id", "status"),
    [
        ("to=2026-11-23T09:00:00Z", None, 422),
        ("type=nothing", None, 422),
        ("exchange=acme_raw", None, 403),
        ("", "acme_raw:5", 422),
        ("", "what", 422),
        (f"exchange={FULL}", f"{THIN}:1", 422),
    ],
)
def test_what_is_wrong_is_told(people: People, query: str, last_id: str | None, status: int):
    with EventSource(people.northwind, f"{STREAM}?{query}", last_id) as stream:
        assert stream.status == status
        assert stream.headers["content-type"] == "application/problem+json"
        assert stream.body()["detail"]


def test_each_login_has_so_many(people: People):
    streams = [EventSource(people.contoso, STREAM) for _ in range(3)]
    with EventSource(people.contoso, STREAM) as refused:
        assert refused.status == 429
        assert "streams_per_login_max" in refused.body()["detail"]
    with EventSource(people.northwind, STREAM) as other:
        assert other.status == 200
    for stream in streams:
        stream.__exit__()

    def let_in() -> bool:
        with EventSource(people.contoso, STREAM) as again:
            return again.status == 200

    wait_until(let_in)


@pytest.mark.parametrize("change", ["grant", "credential", "disabled"])
def test_what_is_withdrawn_ends_the_stream_and_says_so(people: People, change: str):
    maria, number = people.maria, {"grant": 31, "credential": 32, "disabled": 33}[change]
    entry = {"name": "New", "email": f"new{number}@new.example", "grants": [{"system": "acme", "message_types": [
        "event_v24", "face_v24"]}]}  # fmt: skip
    made = maria("POST", "/partners", {"id": number, **entry}).body
    maria("POST", f"/partners/{number}/accounts", {"id": number * 100})
    with EventSource(people.anybody.basic(made["login"], made["secret"]), STREAM) as stream:
        post(people, event(1, account=number * 100))
        assert numbers(stream.events(1)) == [1]
        maria("DELETE", f"/partners/{number}/grants/acme/face_v24")  # of no concern to it
        post(people, event(2, account=number * 100))
        assert numbers(stream.events(1)) == [2]
        began = time.monotonic()
        if change == "grant":
            assert maria("DELETE", f"/partners/{number}/grants/acme/event_v24").status == 204
        elif change == "credential":
            place = f"/logins/{made['login']}/credentials"
            assert maria("DELETE", f"{place}/{maria('GET', place).body[0]['id']}").status == 204
        else:
            assert maria("PUT", f"/partners/{number}", entry | {"disabled": True, "grants": []}).status == 200
        ended = stream.event()
        assert ended is not None
        assert (ended.kind, ended.data["title"], ended.data["status"]) == ("ended", "Access withdrawn", 403)
        assert stream.event() is None
        assert time.monotonic() - began < 5
    with EventSource(people.anybody.basic(made["login"], made["secret"]), STREAM) as again:
        assert again.status == (403 if change == "grant" else 401)


def test_what_retention_has_removed_is_told_first(start: Start, directory: Path):
    text = directory.read_text(encoding="utf-8")
    kept = 'message_types = ["event_v24"]\nretention = { event_v24 = { log_bytes_max = 20_000 } }\n'
    directory.write_text(text.replace('message_types = ["event_v24"]\n', kept, 1), encoding="utf-8")
    process = start(*SERVE, HELIOGRAPH_LIMITS_SEGMENT_BYTES_MAX="4096")
    process.line()
    people = People(process, "")
    for number in range(60):
        people.beta("POST", "/systems/beta/events", [event(number)] * 20)
    wait_until(lambda: people.beta("GET", "/exchanges").body[0]["first_offset"] > 5)
    for query, last_id, first in (("", "beta_event_v24:3", 4), ("&from=2020-01-01T00:00:00Z", None, 1)):
        with EventSource(people.northwind, f"{STREAM}?exchange=beta_event_v24{query}", last_id) as stream:
            gap, oldest = stream.events(2)
            told = {"exchange": "beta_event_v24", "first_offset": first, "last_offset": oldest.data["offset"] - 1}
            assert (gap.kind, gap.data) == ("gap", told)
            assert stream.event().kind == "message"  # type: ignore[union-attr]


def _resident_kib(process: Process) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_reader_that_does_not_read_costs_no_memory_and_is_cut_off(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HTTP_REQUEST_MS_MAX="4000", HELIOGRAPH_LIMITS_RING_BYTES_MAX="4194304")
    process.line()
    people = People(process, "")
    place = urlsplit(people.anybody.url)
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    stuck.settimeout(20)
    stuck.connect((str(place.hostname), place.port or 80))
    head = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: {people.northwind.authorization}\r\n\r\n"
    stuck.sendall(head.encode())
    stuck.recv(100)
    many = [event(number) | {"more": "x" * 10_000} for number in range(500)]
    with EventSource(people.northwind, f"{STREAM}?camera=33&exchange={FULL}") as control:
        post(people, *many)
        before = _resident_kib(process)
        for number in range(8):
            post(people, *many, event(number, camera=33))
            assert numbers(control.events(1)) == [number], "others are not held up"
        assert _resident_kib(process) - before < 64 * 1024
    time.sleep(5)
    with stuck:  # what was on its way is lost, and is asked for by Last-Event-ID
        came = b"".join(iter(lambda: stuck.recv(65_536), b""))
    assert len(came) < 10_000_000
    assert not came.endswith(b"0\r\n\r\n"), "it was cut off, and can see that"


def test_the_end_of_the_server_is_told(start: Start, directory: Path):
    process = start(*SERVE)
    process.line()
    people = People(process, "")
    with EventSource(people.northwind, STREAM) as stream:
        assert process.stop() == 0
        ended = stream.event()
        assert ended is not None
        assert (ended.kind, ended.data["title"]) == ("ended", "Server going away")
        assert stream.event() is None
    assert not any("Traceback" in line for line in process.errors)


def test_a_stream_outlives_the_time_of_a_request(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HTTP_REQUEST_MS_MAX="500", HELIOGRAPH_LIMITS_STREAM_BEAT_MS="200")
    process.line()
    people = People(process, "")
    with EventSource(people.northwind, STREAM) as stream:
        for _ in range(6):
            stream.comment()
        post(people, event(1))
        assert numbers(stream.events(1)) == [1]
    assert HttpClient(address(process, "http"))("GET", "/docs").status == 200
