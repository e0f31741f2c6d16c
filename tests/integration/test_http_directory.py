"""The HTTP API as an operator has it: the directory is read and changed while the server runs."""

from __future__ import annotations

import asyncio
import json

import pytest

from heliograph.client import ServerRefused, connect
from tests.integration.conftest import ACME, NORTHWIND, SERVE, Process, address, wait_until, write_directory
from tests.integration.http_client import HttpClient

SYSTEM = (ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
#: What paths of the directory begin with.
DIRECTORY = ("/systems", "/partners", "/services", "/operators", "/message-types", "/event-types", "/logins")
PARTNER = (NORTHWIND["HELIOGRAPH_LOGIN"], NORTHWIND["HELIOGRAPH_PASSWORD"])


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """One server for all tests here on each database, and the token of its operator."""
    environment = {"HELIOGRAPH_LIMITS_LAST_USED_INTERVAL_MS": "200"}
    if request.param == "postgresql":
        environment["HELIOGRAPH_DIRECTORY_URL"] = request.getfixturevalue("postgresql_server")
    folder = tmp_path_factory.mktemp("directory")
    write_directory(folder)
    adding = Process(["operator", "add", "maria"], folder, environment)
    assert adding.ended() == 0, adding.errors
    adding.kill()
    process = Process(list(SERVE), folder, environment)
    process.line()
    yield process, adding.lines[0]
    process.kill()


@pytest.fixture
def server(served: tuple[Process, str]) -> Process:
    return served[0]


@pytest.fixture
def maria(served: tuple[Process, str]) -> HttpClient:
    return HttpClient(address(served[0], "http")).bearer(served[1])


@pytest.mark.parametrize(
    ("collection", "key", "new", "change"),
    [
        ("/systems", "beta", {"name": "beta"}, {"message_types": ["face_v24"], "retention": {}}),
        (
            "/partners",
            "11",
            {"id": 11, "name": "Tailspin", "email": "a@tailspin.example"},
            {
                "name": "Tailspin Ltd",
                "email": "b@tailspin.example",
                "disabled": True,
                "grants": [{"system": "acme", "message_types": ["face_v24"]}],
            },
        ),
        ("/partners/9/accounts", "778", {"id": 778}, {"cameras": [1, 2]}),
        ("/services", "mailer", {"name": "mailer"}, {"subscribe": ["/exchange/acme_face_v24/#"], "publish": []}),
    ],
)
def test_an_entry_is_made_shown_changed_and_removed(
    maria: HttpClient, collection: str, key: str, new: dict, change: dict
):
    place = f"{collection}/{key}"
    assert maria("GET", place).status == 404
    made = maria("POST", collection, new)
    assert (made.status, made.headers["location"]) == (201, place)
    assert maria("POST", collection, new).status == 409
    assert maria("GET", place).body.items() >= new.items()
    assert any(each.items() >= new.items() for each in maria("GET", collection).body)
    assert maria("PUT", place, change).status == 200
    assert maria("GET", place).body.items() >= change.items()
    assert maria("DELETE", place).status == 204
    assert maria("DELETE", place).status == 404
    assert maria("PUT", place, change).status == 404


async def lets_in(server: Process, login: str, password: str) -> bool:
    try:
        async with connect(address(server), login, password):
            return True
    except Exception as refused:
        assert "Access refused" in str(refused)
        return False


async def test_a_partner_can_log_in_as_soon_as_it_is_made_and_not_once_it_is_disabled(
    server: Process, maria: HttpClient
):
    partner = {"id": 12, "name": "Fabrikam", "email": "ops@fabrikam.example"}
    made = maria("POST", "/partners", partner).body
    assert made["login"] == "ops@fabrikam.example"
    assert await lets_in(server, login=made["login"], password=made["secret"])
    del partner["id"]
    maria("PUT", "/partners/12", partner | {"disabled": True})
    assert not await lets_in(server, made["login"], made["secret"])


async def test_credentials_are_made_rotated_and_revoked(server: Process, maria: HttpClient):
    maria("POST", "/services", {"name": "reader"})
    place = "/logins/reader/credentials"
    made = maria("POST", place, {"name": "blue"}).body
    assert await lets_in(server, "reader", made["secret"])
    rotated = maria("POST", f"{place}/rotation", {"name": "blue"}).body
    assert await lets_in(server, "reader", rotated["secret"])
    assert not await lets_in(server, "reader", made["secret"])
    assert maria("DELETE", f"{place}/{rotated['id']}").status == 204
    assert not await lets_in(server, "reader", rotated["secret"])
    listed = maria("GET", place)
    assert [each["name"] for each in listed.body] == ["first", "blue", "blue"]
    assert all(secret not in json.dumps(listed.body) for secret in (made["secret"], rotated["secret"]))
    assert not any("secret" in each or "hash" in each for each in listed.body)
    assert maria("GET", "/logins/nobody/credentials").status == 404


def test_an_operator_makes_another_and_removes_them_but_not_itself(maria: HttpClient):
    made = maria("POST", "/operators", {"name": "nils"}).body
    nils = maria.bearer(made["secret"])
    assert {each["name"] for each in nils("GET", "/operators").body} == {"maria", "nils"}
    assert nils("DELETE", "/operators/nils").status == 409
    assert maria("DELETE", "/operators/nils").status == 204
    assert nils("GET", "/operators").status == 401


def test_message_types_grants_and_cameras_one_by_one(maria: HttpClient):
    assert maria("POST", "/message-types", {"name": "thumb", "key": "#", "body": "any"}).status == 201
    assert maria("PUT", "/systems/acme/message-types/thumb", {"log_ms_max": 5}).status == 200
    assert maria("GET", "/systems/acme").body["retention"]["thumb"]["log_ms_max"] == 5
    assert maria("DELETE", "/message-types/thumb").status == 409
    assert maria("PUT", "/partners/9/grants/acme/thumb").status == 409
    assert maria("DELETE", "/systems/acme/message-types/thumb").status == 204
    assert maria("DELETE", "/message-types/thumb").status == 204
    assert maria("PUT", "/partners/9/grants/acme/face_v24").status == 200
    granted = {"system": "acme", "message_types": ["event_full_v24", "face_v24"]}
    assert maria("GET", "/partners/9").body["grants"] == [granted]
    assert maria("DELETE", "/partners/9/grants/acme/face_v24").status == 204
    assert maria("DELETE", "/partners/9/grants/acme/face_v24").status == 404
    cameras = "/partners/7/accounts/12345/cameras"
    assert maria("PUT", f"{cameras}/34").body["cameras"] == [32, 33, 34]
    assert maria("DELETE", f"{cameras}/34").status == 204
    assert maria("PUT", "/partners/9/accounts/777/cameras/1").status == 409  # it has any


def test_a_list_comes_in_pages(maria: HttpClient):
    names = []
    path = "/systems?limit=1"
    maria("POST", "/systems", {"name": "zulu"})
    while path:
        answer = maria("GET", path)
        names += [each["name"] for each in answer.body]
        assert len(answer.body) == 1
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link[1:].partition(">")[0]
    assert names == ["acme", "zulu"]
    assert maria("GET", "/systems?limit=0").status == 422
    for sent in ("null", "Null", "%6eull", ""):  # which is no number, and is not absent
        assert maria("GET", f"/systems?limit={sent}").status == 422
    assert maria("DELETE", "/systems/zulu").status == 204


def test_the_audit_says_who_did_what(maria: HttpClient):
    maria("POST", "/systems", {"name": "audited"})
    maria("DELETE", "/systems/audited")
    newest, *others = maria("GET", "/audit?limit=3").body
    assert (newest["who"], newest["action"], newest["what"]) == ("maria", "remove", "system audited")
    assert {each["what"] for each in others} == {"system audited", "credential first of audited"}
    older = maria("GET", f"/audit?after={newest['id']}&limit=1").body
    assert older[0]["id"] < newest["id"]


@pytest.mark.parametrize("number", [str(2**63), "1" + "0" * 50, "9" * 5_000])
def test_numbers_that_are_too_large_are_not_there_or_wrong(maria: HttpClient, number: str):
    assert maria("GET", f"/partners/{number}").status == 404
    assert maria("PUT", f"/partners/9/accounts/{number}", {}).status == 404
    assert maria("DELETE", f"/partners/9/accounts/777/cameras/{number}").status == 404
    assert maria("GET", f"/partners?after={number}").status == 422
    assert maria("POST", "/partners/9/accounts", f'{{"id": {number}}}'.encode()).status in {400, 422}
    assert maria("GET", f"/partners?limit={number}").status in {200, 422}


@pytest.mark.parametrize(
    ("path", "body", "status", "pointers"),
    [
        ("/systems", {"name": "x", "message_types": ["fase_v24"]}, 409, ["/message_types/0"]),
        ("/systems", {"name": 5}, 422, ["/name"]),
        ("/systems", {"nmae": "x"}, 422, ["/name", "/nmae"]),
        ("/systems", {}, 422, ["/name"]),
        ("/systems", [], 422, [""]),
        ("/systems", b"{", 400, []),
        ("/systems", {"name": "archiver"}, 409, []),
        ("/systems", {"name": "a\n"}, 422, ["/name"]),
        ("/partners", {"id": 13, "name": "x\n", "email": "a@b.example"}, 422, ["/name"]),
        ("/services", {"name": "x", "subscribe": ["/exchange/acme_face_v24/a*"]}, 422, ["/subscribe/0"]),
        ("/services", {"name": "x", "subscribe": ["/exchange/acme_faces/#"]}, 409, ["/subscribe/0"]),
        ("/partners", {"id": 13, "name": "\x00", "email": "a@b.example"}, 422, ["/name"]),
        ("/partners", {"id": 7.5, "name": "x", "email": "a@b.example"}, 422, ["/id"]),
        ("/partners/9/accounts", {"id": 12345}, 409, ["/id"]),
    ],
)
def test_what_does_not_fit_is_a_problem(maria: HttpClient, path: str, body: object, status: int, pointers):
    answer = maria("POST", path, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [each["pointer"] for each in answer.body.get("errors", [])] == pointers


def test_a_body_has_a_limit_of_its_own_however_it_is_sent(maria: HttpClient):
    fitting = {"id": 16, "name": "x", "email": "a@b.example", "grants": [], "more": "x" * 1_000_000}
    assert maria("POST", "/partners", fitting).status == 422
    octets = json.dumps(fitting | {"more": "x" * 1_048_576}).encode()
    for answer in (
        maria("POST", "/partners", octets),
        maria("PUT", "/partners/7", octets),
        maria("POST", "/partners", (octets[first : first + 65_536] for first in range(0, len(octets), 65_536))),
    ):
        assert (answer.status, answer.headers["content-type"]) == (413, "application/problem+json")
        assert "http_json_bytes_max" in answer.body["detail"]


def test_only_operators_administer(maria: HttpClient):
    for method, path in (("GET", "/systems"), ("GET", "/audit"), ("DELETE", "/systems/acme")):
        assert HttpClient(maria.url)(method, path).status == 401
        assert maria.basic(*SYSTEM)(method, path).status == 403
        assert maria.basic(*PARTNER)(method, path).status == 403


def test_the_description_is_open_to_everybody(maria: HttpClient):
    anybody = HttpClient(maria.url)
    assert anybody("GET", "/openapi.json").body["paths"].keys() >= {"/systems", "/systems/{system}/events"}
    docs = anybody("GET", "/docs")
    assert docs.headers["content-type"] == "text/html; charset=utf-8"
    assert "/systems/{system}/events" in docs.body


def event(**more: object) -> dict:
    source = {"type": "camera", "sourceId": 32, "accountId": 12345}
    known = {"eventId": 1, "type": "faceDetected", "source": source, "timestamp": "2021-05-04T07:10:03.371+0000"}
    return known | more


async def test_an_own_message_type_is_used_at_once_on_open_connections(server: Process, maria: HttpClient):
    v25 = {
        "name": "event_full_v25",
        "key": "{partner}.{account}.{camera}.{action}.{event_types}",
        "from": "events",
        "places": {"account": "/source/accountId", "camera": "/source/sourceId", "event_types": "/type"},
        "body": {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string", "maxLength": 4}}},
    }
    async with connect(address(server), *SYSTEM) as producer, connect(address(server), *PARTNER) as client:
        assert maria("POST", "/event-types", {"name": "van", "supertype": "objectDetected"}).status == 201
        assert maria("POST", "/message-types", v25).status == 201
        assert maria("GET", "/message-types/event_full_v25").body.items() >= v25.items()
        assert maria("PUT", "/systems/acme/message-types/event_full_v25", {}).status == 200
        assert maria("PUT", "/partners/7/grants/acme/event_full_v25").status == 200
        destination = "/exchange/acme_event_full_v25/"
        key = "7.12345.32.create.objectDetected.van"
        async with client.subscribe(destination + "*.*.*.*.objectDetected.#") as subscription:
            messages = aiter(subscription)
            body = json.dumps(event(type="van", zone="gate", further=[1.50]), indent=1).encode()
            posted = await asyncio.to_thread(maria, "POST", "/systems/acme/events", body)
            assert posted.body["offsets"].keys() >= {"acme_event_full_v25", "acme_event_full_v24"}
            await producer.send(destination + key, body)
            for _ in range(2):
                message = await asyncio.wait_for(anext(messages), 10)
                assert (message.destination, message.body) == (destination + key, body)
            refused = await asyncio.to_thread(maria, "POST", "/systems/acme/events", event(zone="garden", type="vn"))
            assert (refused.status, [each["pointer"] for each in refused.body["errors"]]) == (422, ["/type"])
            refused = await asyncio.to_thread(maria, "POST", "/systems/acme/events", event(zone="garden"))
            assert (refused.status, [each["pointer"] for each in refused.body["errors"]]) == (422, ["/zone"])
            with pytest.raises(ServerRefused, match="but the routing key says 33"):
                await producer.send(destination + key.replace("32", "33"), body)
    del v25["name"]
    assert maria("PUT", "/message-types/event_full_v25", v25 | {"body": {"type": "object"}}).status == 200
    assert maria("POST", "/systems/acme/events", event(zone="garden")).status == 201
    assert maria("DELETE", "/message-types/event_full_v25").status == 409
    assert maria("DELETE", "/partners/7/grants/acme/event_full_v25").status == 204
    assert maria("DELETE", "/systems/acme/message-types/event_full_v25").status == 204
    assert maria("DELETE", "/message-types/event_full_v25").status == 204
    assert maria("PUT", "/event-types/van", {"supertype": None}).status == 200
    assert maria("POST", "/event-types", {"name": "redVan", "supertype": "van"}).status == 201
    assert maria("DELETE", "/event-types/van").status == 409
    assert [maria("DELETE", f"/event-types/{name}").status for name in ("redVan", "van", "van")] == [204, 204, 404]


@pytest.mark.parametrize(
    ("path", "body", "status", "pointers"),
    [
        ("/event-types", {"name": "a.b"}, 422, ["/name"]),
        ("/event-types", {"name": "x", "supertype": "nothing"}, 409, ["/supertype"]),
        ("/message-types", {"name": "x", "key": "{zone}", "body": {}}, 422, ["/key"]),
        ("/message-types", {"name": "x", "key": "#", "body": {"properties": {"a.b": {"type": 7}}}},
         422, ["/body/properties/a.b/type"]),
        ("/message-types", {"name": "x", "key": "#", "body": {"$ref": "http://127.0.0.1:1/"}}, 422, ["/body/$ref"]),
        ("/message-types", {"name": "x", "key": "{account}", "body": {}, "actions": ["a"], "places": {"account": "x"}},
         422, ["/actions", "/places/account"]),
        ("/partners", {"id": "7", "name": 1, "more": 1}, 422, ["/email", "/id", "/more", "/name"]),
        ("/partners", {"id": 70, "name": "x", "email": "no", "quota": {"connections": 0}}, 422,
         ["/email", "/quota/connections"]),
        ("/partners", {"id": 70, "name": "x", "email": "ops@acme", "grants": [{"system": "a", "message_types": []}]},
         409, ["/grants/0/system"]),
        ("/systems", {"name": "gamma", "message_types": ["a", "face_v24", "b"]},
         409, ["/message_types/0", "/message_types/2"]),
    ],
)  # fmt: skip
def test_each_field_at_fault_is_named(maria: HttpClient, path: str, body: dict, status: int, pointers: list):
    answer = maria("POST", path, body)
    assert (answer.status, sorted(each["pointer"] for each in answer.body["errors"])) == (status, pointers)


def test_each_field_of_an_event_at_fault_is_named(maria: HttpClient):
    wrong = event(eventId="1", type="nothing", timestamp=7)
    pointers = {"/eventId", "/type", "/timestamp"}
    answer = maria("POST", "/systems/acme/events", wrong)
    assert (answer.status, {each["pointer"] for each in answer.body["errors"]}) == (422, pointers)
    good, bad = maria("POST", "/systems/acme/events", [event(), wrong]).body
    assert (good["status"], bad["status"]) == (201, 422)
    assert {each["pointer"] for each in bad["problem"]["errors"]} == pointers


@pytest.mark.parametrize(
    ("collection", "key", "new", "change"),
    [
        ("/systems", "tagged", {"name": "tagged"}, {"message_types": ["face_v24"]}),
        ("/partners", "15", {"id": 15, "name": "A", "email": "a@a.example"}, {"name": "B", "email": "a@a.example"}),
        ("/partners/9/accounts", "15", {"id": 15}, {"cameras": [1]}),
        ("/services", "tagged", {"name": "tagged"}, {"subscribe": ["/exchange/acme_face_v24/#"]}),
        ("/message-types", "tagged", {"name": "tagged", "key": "#", "body": "any"}, {"key": "#", "body": {}}),
        ("/event-types", "tagged", {"name": "tagged"}, {"supertype": "objectDetected"}),
    ],
)
def test_a_change_that_somebody_has_not_seen_is_not_undone(
    maria: HttpClient, collection: str, key: str, new: dict, change: dict
):
    place = f"{collection}/{key}"
    assert maria("PUT", place, change, if_match='"x"').status == 404
    assert maria("POST", collection, new).status == 201
    old = maria("GET", place).headers["etag"]
    assert maria("GET", place).headers["etag"] == old
    unchanged = maria("GET", place, if_none_match=f'"other", W/{old}')
    assert (unchanged.status, unchanged.headers["etag"], unchanged.body) == (304, old, "")
    assert maria("PUT", place, change, if_none_match="*").status == 412
    assert maria("PUT", place, change, if_match=f"W/{old}").status == 412
    assert maria("PUT", place, change, if_match=f'"other", {old}').status == 200
    seen = maria("GET", place, if_none_match=old)
    assert (seen.status, seen.headers["etag"] != old) == (200, True)
    for refused in (maria("PUT", place, change, if_match=old), maria("DELETE", place, if_match=old)):
        assert (refused.status, refused.headers["content-type"]) == (412, "application/problem+json")
    assert maria("DELETE", place, if_match="no tag").status == 400
    assert maria("DELETE", place, if_match="").status == 400  # which is not absent
    assert maria("DELETE", place, if_match=seen.headers["etag"]).status == 204
    assert maria("DELETE", place, if_match="*").status == 404


@pytest.mark.parametrize(
    ("entry", "part", "body"),
    [
        ("/partners/9", "/grants/acme/face_v24", None),
        ("/partners/7/accounts/12345", "/cameras/77", None),
        ("/systems/acme", "/message-types/user_v24", {}),
    ],
)
def test_a_part_is_changed_as_long_as_its_entry_is_what_it_was(maria: HttpClient, entry: str, part: str, body: object):
    old = maria("GET", entry).headers["etag"]
    assert maria("PUT", entry + part, body, if_match='"x"').status == 412
    assert maria("PUT", entry + part, body, if_match=old, if_none_match="*").status == 200
    assert maria("PUT", entry + part, body, if_none_match="*").status == 412
    assert maria("DELETE", entry + part, if_match=old).status == 412
    assert maria("DELETE", entry + part, if_match=maria("GET", entry).headers["etag"]).status == 204
    assert maria("GET", entry).headers["etag"] == old, "it is what it was, on any node"


def test_a_credential_has_another_name_and_end_and_the_same_secret(maria: HttpClient):
    maria("POST", "/services", {"name": "changer"})
    made = maria("POST", "/logins/changer/credentials", {"name": "blue"}).body
    place, changer = f"/logins/changer/credentials/{made['id']}", maria.basic("changer", made["secret"])
    end_ms = made["id"] + 2**42
    old = maria("GET", place).headers["etag"]
    changed = maria("PUT", place, {"name": "green", "expires_ms": end_ms}, if_match=old)
    assert (changed.status, changed.body["name"], changed.body["expires_ms"]) == (200, "green", end_ms)
    assert maria("GET", "/audit?limit=1").body[0]["what"] == "credential blue of changer"
    assert maria("PUT", place, {"name": "green"}, if_match=old).status == 412
    assert changer("GET", "/exchanges").status == 200
    assert maria("PUT", place, {"name": "green", "expires_ms": 1}).status == 200
    assert changer("GET", "/exchanges").status == 401
    assert maria("PUT", place, {"name": "green"}).status == 404, "what has ended does not begin again"


def test_the_last_use_of_an_operators_token_is_noted(maria: HttpClient):
    made = maria("POST", "/operators", {"name": "noted"}).body
    place = "/logins/noted/credentials"
    assert maria("GET", place).body[0]["last_used_ms"] is None
    assert maria.bearer(made["secret"])("GET", "/systems").status == 200
    wait_until(lambda: maria("GET", place).body[0]["last_used_ms"] is not None)
    assert maria("DELETE", "/operators/noted").status == 204


def test_credentials_and_operators_have_tags_too(maria: HttpClient):
    credential = maria("POST", "/logins/archiver/credentials", {"name": "tagged"}).body["id"]
    maria("POST", "/operators", {"name": "tagged"})
    for place in (f"/logins/archiver/credentials/{credential}", "/operators/tagged"):
        tag = maria("GET", place).headers["etag"]
        assert maria("DELETE", place, if_match='"x"').status == 412
        assert maria("GET", place, if_none_match=tag).status == 304
        assert maria("DELETE", place, if_match=tag).status == 204
    assert maria("GET", "/operators/tagged").status == 404
    assert maria("GET", "/logins/archiver/credentials/99999").status == 404


async def test_of_changes_at_once_that_saw_the_same_one_is_made(maria: HttpClient):
    place, cameras = "/partners/9/accounts/777", [{"cameras": [number]} for number in range(1, 9)]
    tag = maria("GET", place).headers["etag"]
    calls = (asyncio.to_thread(maria, "PUT", place, body, if_match=tag) for body in cameras)
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    made = next(answer.body for answer in answers if answer.status == 200)
    assert maria("GET", place).body == made
    assert maria("PUT", place, {}).status == 200


def test_conditions_are_described(maria: HttpClient):
    paths = maria("GET", "/openapi.json").body["paths"]
    assert {"200", "304"} <= paths["/partners/{partner}"]["get"]["responses"].keys()
    assert "ETag" in paths["/partners/{partner}"]["get"]["responses"]["200"]["headers"]
    told = {
        (method, path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if any(each["name"] == "If-Match" for each in operation.get("parameters", ()))
    }
    changing = {(method, path) for path, methods in paths.items() for method in methods if method in ("put", "delete")}
    assert told == {(method, path) for method, path in changing if path.startswith(DIRECTORY)}
