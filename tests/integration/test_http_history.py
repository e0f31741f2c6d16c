"""The HTTP API as a partner has it: what its events have been, page by page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.integration.conftest import ACME, ARCHIVER, CONTOSO, NORTHWIND, SERVE, Process, Start, address
from tests.integration.http_client import Answer, HttpClient
from tests.postgresql import own_database

FULL, THIN, FACE = "acme_event_full_v24", "acme_event_v24", "acme_face_v24"
EVENTS, FACES = "/systems/acme/events", "/systems/acme/faces"

DIRECTORY = """
[[systems]]
name = "acme"
secret = "producer-secret"
message_types = ["event_full_v24", "event_v24", "face_v24", "raw"]
[[systems]]
name = "beta"
secret = "beta-secret"
message_types = ["event_v24"]
[[partners]]
id = 7
name = "Northwind Alarm"
email = "ops@northwind.example"
password = "correct horse battery"
grants = [{ system = "acme", message_types = ["event_full_v24", "event_v24", "face_v24"] },
          { system = "beta", message_types = ["event_v24"] }]
accounts = [{ id = 12345 }, { id = 12346 }]
[[partners]]
id = 9
name = "Contoso Guard"
email = "desk@contoso.example"
password = "paper clip staple"
grants = [{ system = "acme", message_types = ["event_v24"] }]
accounts = [{ id = 777 }]
[[partners]]
id = 11
name = "Tailspin"
email = "ops@tailspin.example"
password = "eleven"
grants = [{ system = "acme", message_types = ["face_v24"] }]
[[message_types]]
name = "raw"
key = "#"
body = "any"
[[services]]
name = "archiver"
secret = "service-secret"
subscribe = ["/exchange/acme_event_full_v24/*.*.32.#", "/exchange/acme_raw/#"]
"""

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)]


def serve(folder: Path, request: pytest.FixtureRequest, **environment: str) -> tuple[Process, str]:
    """A server with ``DIRECTORY`` on the database of ``request.param``, and the token of its operator."""
    if request.param == "postgresql":
        environment["HELIOGRAPH_DIRECTORY_URL"] = own_database(
            request.getfixturevalue("postgresql_server"), folder.name
        )
    (folder / "directory.toml").write_text(DIRECTORY, encoding="utf-8")
    adding = Process(["operator", "add", "maria"], folder, environment)
    assert adding.ended() == 0, adding.errors
    adding.kill()
    process = Process(list(SERVE), folder, environment)
    process.line()
    return process, adding.lines[0]


@pytest.fixture(scope="module", params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    process, token = serve(tmp_path_factory.mktemp("history"), request)
    yield process, token
    process.kill()


class People:
    """Clients of one server."""

    def __init__(self, process: Process, token: str) -> None:
        anybody = HttpClient(address(process, "http"))
        self.anybody = anybody
        self.maria = anybody.bearer(token)
        self.acme = anybody.basic(ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
        self.beta = anybody.basic("beta", "beta-secret")
        self.northwind = anybody.basic(*NORTHWIND.values())
        self.contoso = anybody.basic(*CONTOSO.values())
        self.tailspin = anybody.basic("ops@tailspin.example", "eleven")
        self.archiver = anybody.basic(*ARCHIVER.values())


def event(number: int, account: int = 12345, camera: int = 32, kind: str = "faceDetected") -> dict:
    return {
        "eventId": number,
        "type": kind,
        "source": {"type": "camera", "sourceId": camera, "accountId": account},
        "timestamp": "2021-05-04T07:10:03.371+0000",
    }


#: number, account, camera and type of what is posted to acme, one request each, so that their times differ.
POSTED = [
    (1, 12345, 32, "faceDetected"),
    (2, 12345, 33, "personInAreaDetected"),
    (3, 12346, 32, "objectDetected"),
    (4, 777, 50, "faceRecognized"),
    (5, 12345, 32, "vmdDetected"),
    (6, 12345, 32, "faceRecognized"),
]


@pytest.fixture(scope="module")
def people(served: tuple[Process, str]) -> People:
    """With ``POSTED`` stored, a face, and then one event of beta."""
    found = People(*served)
    for number, account, camera, kind in POSTED:
        assert found.acme("POST", EVENTS, event(number, account, camera, kind)).status == 201
        time.sleep(0.002)
    face = {
        "accountId": 12345,
        "faceId": "b6e27147-f649-448e-8056-792d2d9654f1",
        "timestamp": "2020-11-17T14:03:01.221+0000",
        "action": "create",
    }
    assert found.acme("POST", FACES, face).status == 201
    time.sleep(0.002)
    assert found.beta("POST", "/systems/beta/events", event(70)).status == 201
    return found


def numbers(answer: Answer) -> list[int]:
    """The ids of the events."""
    assert answer.status == 200, answer.body
    bodies = [each["body"] for each in answer.body["events"]]
    return [body.get("eventId", body.get("event_id")) for body in bodies]


def next_path(answer: Answer) -> str | None:
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<(/events\?[^>]*)>; rel="next"', link)
    assert found
    return found[1]


def walk(client: HttpClient, path: str) -> list[Answer]:
    """Every page."""
    pages = []
    place: str | None = path
    while place is not None:
        pages.append(client("GET", place))
        assert len(pages) < 1_000
        place = next_path(pages[-1])
    return pages


def test_the_newest_comes_first_each_event_once_and_only_ones_own(people: People):
    answer = people.northwind("GET", "/events")
    assert numbers(answer) == [70, 6, 5, 3, 2, 1]
    assert answer.body["gaps"] == []
    assert "link" not in answer.headers
    exchanges = [each["exchange"] for each in answer.body["events"]]
    assert exchanges == ["beta_event_v24"] + [FULL] * 5, "in the fullest form that is granted"
    first = answer.body["events"][-1]
    assert first["key"] == "7.12345.32.create.objectDetected.faceDetected"
    assert first["body"] == event(1)
    assert abs(datetime.fromisoformat(first["received_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert numbers(people.contoso("GET", "/events")) == [4]
    assert people.contoso("GET", "/events").body["events"][0]["exchange"] == THIN


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("account=12346", [3]),
        ("account=777", []),  # another partner's
        ("camera=33", [2]),
        ("account=12345&camera=32", [70, 6, 5, 1]),
        ("type=objectDetected", [70, 6, 3, 2, 1]),
        ("type=faceDetected", [70, 6, 1]),
        ("type=faceRecognized", [6]),
        ("type=personDetected", [2]),
        (f"exchange={FULL}", [6, 5, 3, 2, 1]),
        (f"exchange={THIN}&camera=32", [6, 5, 3, 1]),
        ("message_type=event_v24&type=faceDetected", [70, 6, 1]),
        ("message_type=face_v24", [None]),
        ("message_type=face_v24&account=12346", []),
        ("limit=2", [70, 6]),
        ("limit=100000", [70, 6, 5, 3, 2, 1]),
    ],
)
def test_filters(people: People, query: str, expected: list):
    assert numbers(people.northwind("GET", f"/events?{query}")) == expected


def test_a_service_sees_what_its_rights_cover(people: People):
    assert numbers(people.archiver("GET", "/events")) == [6, 5, 3, 1]
    assert numbers(people.archiver("GET", "/events?account=12346")) == [3]
    answer = people.archiver("GET", "/events?exchange=acme_raw")
    assert answer.status == 422
    assert "over STOMP" in answer.body["detail"]


def test_times_are_those_of_receipt(people: People):
    found = people.northwind("GET", f"/events?exchange={FULL}").body["events"]
    at = {each["body"]["eventId"]: each["received_at"] for each in found}

    def between(**times: str) -> list[int]:
        return numbers(people.northwind("GET", f"/events?exchange={FULL}&{urlencode(times)}"))

    assert between(**{"from": at[3]}) == [6, 5, 3]
    assert between(to=at[3]) == [2, 1]
    assert between(**{"from": at[2], "to": at[5]}) == [3, 2]
    assert between(**{"from": at[2], "to": at[2]}) == []
    assert between(**{"from": "2021-05-04T07:10:03.371+0000"}) == [6, 5, 3, 2, 1]
    assert between(to="2021-05-04T07:10:04Z") == [], "the time in the body is not what is asked for"
    east = datetime.fromisoformat(at[3]).astimezone(datetime.fromisoformat("2026-01-01T00:00+05:30").tzinfo)
    unquoted = quote(east.isoformat(timespec="milliseconds"), safe=":+")
    assert numbers(people.northwind("GET", f"/events?exchange={FULL}&from={unquoted}")) == [6, 5, 3]


@pytest.mark.parametrize("query", ["", "type=objectDetected", "account=12345&camera=32"])
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_give_the_same_as_one(people: People, query: str, limit: int):
    whole = people.northwind("GET", f"/events?{query}").body["events"]
    pages = walk(people.northwind, f"/events?limit={limit}&{query}")
    assert [each for page in pages for each in page.body["events"]] == whole
    assert all(len(page.body["events"]) <= limit for page in pages)


def test_what_comes_meanwhile_does_not_move_the_pages(served: tuple[Process, str], people: People):
    client = people.northwind
    first = client("GET", f"/events?exchange={THIN}&camera=99&limit=1")
    assert numbers(first) == []
    for number in (101, 102, 103):
        people.acme("POST", EVENTS, event(number, 12346, camera=99))
    first = client("GET", f"/events?exchange={THIN}&camera=99&limit=2")
    people.acme("POST", EVENTS, event(104, 12346, camera=99))
    assert numbers(first) == [103, 102]
    assert numbers(client("GET", str(next_path(first)))) == [101]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("type=faceDetectd", 422, "faceDetected"),
        ("from=yesterday", 422, "RFC 3339"),
        ("to=2026-11-23", 422, "RFC 3339"),
        ("to=2026-11-23T09:00:00", 422, "RFC 3339"),
        ("to=2026-13-23T09:00:00Z", 422, "RFC 3339"),
        ("from=2026-11-23T09:00:01Z&to=2026-11-23T09:00:00Z", 422, "later"),
        ("account=x", 422, "account"),
        ("camera=-1", 422, "camera"),
        ("limit=0", 422, "limit"),
        ("cammera=32", 422, "no parameter 'cammera'"),
        ("camera=32&camera=33", 422, "Give it once"),
        ("message_type=face_v24&camera=32", 422, "have no camera"),
        ("message_type=face_v24&type=faceDetected", 422, "have no event type"),
        ("after=what", 422, "not given here"),
        ("after=acme_raw:5", 422, "acme_raw"),
        (f"after={FULL}:5,{FULL}:6", 422, "not given here"),
        (f"after={FULL}:{'9' * 30}", 422, "not given here"),
        ("exchange=acme_raw", 403, "no exchange"),
        ("exchange=nothing", 403, "no exchange"),
        ("message_type=user_v24", 403, "user_v24"),
    ],
)
def test_what_is_wrong_is_told(people: People, query: str, status: int, said: str):
    answer = people.northwind("GET", f"/events?{query}")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.body["detail"]


def test_who_may_not_read_events_is_told_what_to_do(people: People):
    for client, said in ((people.maria, "Make a service"), (people.acme, "publishes"), (people.tailspin, "granted")):
        for path in ("/events", "/events/stream"):
            answer = client("GET", path)
            assert answer.status == 403
            assert said in answer.body["detail"]
    assert people.anybody("GET", "/events").status == 401


def test_what_was_withdrawn_is_not_read_any_more(served: tuple[Process, str], people: People):
    made = people.maria("POST", "/partners", {"id": 21, "name": "New", "email": "new@new.example"}).body
    new = people.anybody.basic(made["login"], made["secret"])
    assert new("GET", "/events").status == 403
    assert people.maria("PUT", "/partners/21/grants/acme/event_v24").status in (200, 204)
    people.maria("POST", "/partners/21/accounts", {"id": 2100})
    people.acme("POST", EVENTS, [event(number, 2100) for number in (1, 2, 3)])
    first = new("GET", "/events?limit=2")
    assert numbers(first) == [3, 2]
    assert people.maria("DELETE", "/partners/21/grants/acme/event_v24").status == 204
    assert new("GET", str(next_path(first))).status == 403
    assert people.maria("DELETE", "/partners/21").status == 204
    assert new("GET", "/events").status == 401


# --- exchanges


def test_exchanges_say_what_they_hold(people: People):
    listed = {each["name"]: each for each in people.maria("GET", "/exchanges").body}
    assert list(listed) == sorted([FULL, THIN, FACE, "acme_raw", "beta_event_v24"])
    face = listed[FACE]
    assert (face["system"], face["message_type"], face["events"], face["first_offset"]) == ("acme", "face_v24", 1, 1)
    assert face["last_offset"] == 1
    assert face["size_bytes"] > 100
    assert face["retention"] == {"log_ms_max": 86_400_000, "log_bytes_max": 1_073_741_824}
    newest = people.northwind("GET", "/events?message_type=face_v24").body["events"][0]
    assert face["oldest_at"] == newest["received_at"]
    raw = listed["acme_raw"]
    assert (raw["events"], raw["last_offset"], raw["oldest_at"]) == (0, None, None)
    page = people.maria("GET", "/exchanges?limit=2")
    assert [each["name"] for each in page.body] == [THIN, FULL] or len(page.body) == 2
    assert 'rel="next"' in page.headers["link"]


def test_others_see_the_exchanges_that_are_theirs(people: People):
    def names(client: HttpClient) -> list[str]:
        return [each["name"] for each in client("GET", "/exchanges").body]

    assert names(people.northwind) == sorted([FULL, THIN, FACE, "beta_event_v24"])
    assert names(people.contoso) == [THIN]
    assert names(people.archiver) == [FULL, "acme_raw"]
    assert names(people.beta) == ["beta_event_v24"]
    (theirs,) = people.contoso("GET", "/exchanges").body
    assert not {"events", "size_bytes"} & theirs.keys(), "how much others get is not theirs to know"
    assert people.beta("GET", "/exchanges").body[0]["events"] == 1
    assert people.anybody("GET", "/exchanges").status == 401


def test_a_retention_of_its_own_is_told_at_once(people: People):
    place = "/systems/acme/message-types/raw"
    assert people.maria("PUT", place, {"log_ms_max": 5_000}).status == 200
    listed = {each["name"]: each["retention"] for each in people.maria("GET", "/exchanges").body}
    assert listed["acme_raw"] == {"log_ms_max": 5_000, "log_bytes_max": 1_073_741_824}
    assert people.maria("PUT", place, {}).status == 200


# --- servers of their own


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "directory.toml"
    path.write_text(DIRECTORY, encoding="utf-8")
    return path


def test_one_request_looks_at_so_much_and_the_next_goes_on(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HISTORY_SCAN_BYTES_MAX="10000")
    process.line()
    people = People(process, "")
    body = "\n".join(json.dumps(event(number)) for number in range(5_000)).encode()
    for _ in range(3):
        assert people.acme("POST", EVENTS, body, content_type="application/x-ndjson").status == 200
    people.acme("POST", EVENTS, event(1, camera=33))
    for _ in range(3):
        people.acme("POST", EVENTS, body, content_type="application/x-ndjson")
    pages = walk(people.northwind, "/events?camera=33")
    assert len(pages) > 5
    assert [number for page in pages for number in numbers(page)] == [1]
    assert numbers(pages[0]) == []


def test_a_page_of_large_bodies_is_cut_by_their_size(start: Start, directory: Path):
    process = start(*SERVE, HELIOGRAPH_LIMITS_HISTORY_PAGE_BYTES_MAX="50000")
    process.line()
    people = People(process, "")
    for number in range(10):
        people.acme("POST", EVENTS, event(number) | {"more": "x" * 20_000})
    pages = walk(people.northwind, "/events")
    assert [len(numbers(page)) for page in pages] == [3, 3, 3, 1]


def test_what_retention_has_removed_is_told(start: Start, directory: Path):
    written = directory.read_text(encoding="utf-8")
    kept = 'message_types = ["event_v24"]\nretention = { event_v24 = { log_bytes_max = 20_000 } }\n'
    directory.write_text(written.replace('message_types = ["event_v24"]\n', kept, 1), encoding="utf-8")
    process = start(*SERVE, HELIOGRAPH_LIMITS_SEGMENT_BYTES_MAX="4096")
    process.line()
    people = People(process, "")
    for number in range(60):
        people.beta("POST", "/systems/beta/events", event(number))
        people.beta("POST", "/systems/beta/events", [event(number + 1_000)] * 20)
    deadline = time.monotonic() + 20
    while (beta := people.beta("GET", "/exchanges").body[0])["size_bytes"] >= 30_000:
        assert time.monotonic() < deadline, "retention has not removed enough"
        time.sleep(0.5)
    page = walk(people.northwind, "/events?exchange=beta_event_v24")[-1]
    (gap,) = page.body["gaps"]
    assert (gap["exchange"], gap["first_offset"], gap["reason"]) == ("beta_event_v24", 1, "removed")
    last = page.body["events"][-1]
    assert gap["last_offset"] == last["offset"] - 1
    assert beta["first_offset"] == last["offset"]
    since = people.northwind("GET", f"/events?exchange=beta_event_v24&from={last['received_at']}")
    assert since.body["gaps"] == []
