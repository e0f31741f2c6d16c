"""The HTTP API as an operator has it: the directory is read and changed while the server runs."""

from __future__ import annotations

import json

import pytest

from heliograph.client import connect
from tests.integration.conftest import ACME, NORTHWIND, SERVE, Process, address, write_directory
from tests.integration.http_client import HttpClient

SYSTEM = (ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
PARTNER = (NORTHWIND["HELIOGRAPH_LOGIN"], NORTHWIND["HELIOGRAPH_PASSWORD"])


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """One server for all tests here on each database, and the token of its operator."""
    environment = {}
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
    assert [each["name"] for each in listed.body] == ["file", "blue", "blue"]
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
    assert maria("DELETE", "/systems/zulu").status == 204


def test_the_audit_says_who_did_what(maria: HttpClient):
    maria("POST", "/systems", {"name": "audited"})
    maria("DELETE", "/systems/audited")
    newest, *others = maria("GET", "/audit?limit=3").body
    assert (newest["who"], newest["action"], newest["what"]) == ("maria", "remove", "system audited")
    assert {each["what"] for each in others} == {"system audited", "credential file of audited"}
    older = maria("GET", f"/audit?after={newest['id']}&limit=1").body
    assert older[0]["id"] < newest["id"]


@pytest.mark.parametrize(
    ("path", "body", "status", "pointers"),
    [
        ("/systems", {"name": "x", "message_types": ["fase_v24"]}, 409, ["/message_types/0"]),
        ("/systems", {"name": 5}, 422, ["/name"]),
        ("/systems", {"nmae": "x"}, 422, ["/nmae"]),
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
