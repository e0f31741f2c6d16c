"""Secrets over HTTP: whatever is tried on any path, none in an answer, in a log, or on disk."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.attacks.attacker import basic
from tests.attacks.conftest import DIRECTORY, Site, Start
from tests.attacks.http_request import Answer, ask
from tests.attacks.people import ACME, BUS, NORTHWIND, event
from tests.attacks.test_secrets import BODIES, BODYS
from tests.stored import store_at

PARTNERS, SYSTEMS, SERVICES = "canary-Xk7-partner", "canary-Qz3-system", "canary-Rt5-service"
TOKEN, DATABASE = "canary-Vb2-token-0123456789abcdefghijklmnop", "canary-Yh8-database"
RIGHT = {
    "operator": f"Bearer {TOKEN}",
    "partner": basic(NORTHWIND.login, PARTNERS),
    "system": basic(ACME.login, SYSTEMS),
    "service": basic(BUS.login, SERVICES),
}
#: Nearly right ones, and what is no Authorization at all.
WRONG = {
    "nobody's token": f"Bearer {TOKEN}x",
    "a token as Basic": f"Basic {TOKEN}",
    "a password as Bearer": f"Bearer {PARTNERS}",
    "a password without a scheme": PARTNERS,
    "another scheme": f"Negotiate {PARTNERS}",
    "no colon": "Basic " + base64.b64encode(PARTNERS.encode()).decode(),
    "no base64": f"Basic !{PARTNERS}",
    "another's password": basic(NORTHWIND.login, SYSTEMS),
    "nobody's password": basic(PARTNERS, PARTNERS),  # it stands in the wrong place
    "a longer password": basic(NORTHWIND.login, f"{PARTNERS}x"),
    "a very long password": basic(NORTHWIND.login, PARTNERS * 100),
}
#: What is no body of any resource here, with the canary in it.
SENT = (
    json.dumps({"name": "x", "secret": PARTNERS}),
    json.dumps({"password": PARTNERS, "token": TOKEN}),
    json.dumps({"id": [PARTNERS], "email": {"x": PARTNERS}}),
    json.dumps([PARTNERS]),
    f'{{"secret": "{PARTNERS}',
    f'{{"secret": {PARTNERS}}}',
)
CANARIES = {each: each for each in (PARTNERS, SYSTEMS, SERVICES, TOKEN, DATABASE)} | {
    f"{name} as Basic": value.removeprefix("Basic ") for name, value in RIGHT.items() if value.startswith("Basic ")
}
#: Those there are, so that a handler comes as far as it can; what is to be removed is not there.
PLACES = {"system": "acme", "partner": "12", "account": "12345", "camera": "32", "service": "bus", "login": "bus",
          "message_type": "raw"}  # fmt: skip


class Room:
    """A server, and everything that it has answered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.canaries = dict(CANARIES)
        self.answers = 0
        document = json.loads(ask(site.server.http, "GET", "/openapi.json").body)
        self.operations = [
            (method.upper(), self._path(method, path))
            for path, methods in document["paths"].items()
            for method in methods
        ]

    @staticmethod
    def _path(method: str, path: str) -> str:
        def place(found: re.Match[str]) -> str:
            there = PLACES.get(found[1], "1")
            return there if method != "delete" else "999" if there.isdigit() else "nothing"

        return re.sub(r"\{(\w+)\}", place, path)

    def ask(self, method: str, path: str, authorization: str = "", body: str | None = None, **more: str) -> Answer:
        """One request; its answer has no secret."""
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = body.encode() if body is not None else None
        answer = ask(self.site.server.http, method, path, headers | more, sent)
        self.answers += 1
        assert answer.status != 500
        found = self.canaries_in(f"{answer.headers} {answer.body}")
        assert not found, f"{method} {path}: {answer}"
        return answer

    def make(self, path: str, body: object) -> None:
        """What has a first secret, which is in that answer alone."""
        headers = {"Authorization": RIGHT["operator"], "Content-Type": "application/json"}
        answer = ask(self.site.server.http, "POST", path, headers, json.dumps(body).encode())
        made = json.loads(answer.body)
        self.canaries[f"the secret of {path}"] = made.get("secret") or made["token"]

    def canaries_in(self, text: str) -> list[str]:
        return [name for name, canary in self.canaries.items() if canary in text]

    def written(self) -> Iterator[tuple[str, str]]:
        """What the server has written, and shows of itself; but for the settings that the test has written for it."""
        yield "its output", self.site.server.output
        yield "cmdline", Path(f"/proc/{self.site.server.pid}/cmdline").read_text()
        for path in self.site.server.place.rglob("*"):
            if path.is_file():
                yield str(path), path.read_text(errors="replace")


def directory_in(folder: Path) -> Path:
    """That of all attacks, with the secrets above."""
    written = DIRECTORY.read_text()
    for old, new in ((NORTHWIND.passcode, PARTNERS), (ACME.passcode, SYSTEMS), (BUS.passcode, SERVICES)):
        written = written.replace(old, new)
    place = folder / "directory.toml"
    place.write_text(f'{written}\n[[operators]]\nname = "maria"\ntoken = "{TOKEN}"\n')
    return place


def attack(room: Room) -> None:
    """Everything, as anybody."""
    for path in ("/partners/12", "/events"):
        for authorization in WRONG.values():
            assert room.ask("GET", path, authorization).status == 401
    for method, path in room.operations:
        for name, authorization in {**RIGHT, "nobody": "", "somebody": WRONG["a longer password"]}.items():
            if path == "/events/stream" and name in {"partner", "service"}:
                continue  # it does not end
            for body in SENT if method in {"POST", "PUT"} and name in {"operator", "system"} else (None,):
                room.ask(method, path, authorization, body)
    for query in (f"?token={TOKEN}", f"?after={PARTNERS}", f"?limit={PARTNERS}"):
        ask(room.site.server.http, "GET", f"/systems{query}", {"Authorization": RIGHT["operator"]})
    for sent in BODIES:
        assert room.ask("POST", "/systems/acme/events", RIGHT["system"], sent).status in {400, 422}
    assert room.ask("POST", "/systems/acme/events", RIGHT["system"], event()).status == 201
    assert room.ask("GET", "/events", RIGHT["partner"]).status == 200


def make_everything(room: Room) -> None:
    """Secrets of the server's own making."""
    room.make("/systems", {"name": "new"})
    room.make("/partners", {"id": 7, "name": "New", "email": "new@new.example"})
    room.make("/services", {"name": "newer"})
    room.make("/operators", {"name": "nils"})
    room.make("/logins/newer/credentials", {"name": "second"})
    room.make("/logins/newer/credentials/rotation", {"name": "second"})


def check_written(room: Room) -> None:
    """No canary in anything, and no body in the log."""
    assert "[debug" in room.site.server.output, "this is to be shown of the most that it logs"
    assert {name: found for name, text in room.written() if (found := room.canaries_in(text))} == {}
    assert BODYS not in room.site.server.output


def test_no_secret_is_in_any_answer_nor_in_anything_that_is_written(start: Start, tmp_path: Path) -> None:
    room = Room(start(directory_in(tmp_path), http=True))
    make_everything(room)
    attack(room)
    assert room.answers > 300
    check_written(room)


@pytest.mark.needs_postgresql
def test_nor_is_the_database_s_password(postgresql_url: str, start: Start, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'directory_url = "{postgresql_url.replace("heliograph@", f"heliograph:{DATABASE}@")}"\n')
    directory = directory_in(tmp_path)
    store_at(postgresql_url, directory)
    room = Room(start(directory, ("--config", str(settings)), http=True, costly=True))
    make_everything(room)
    attack(room)
    assert not room.site.server.faults()
    name = postgresql_url.rpartition("/")[2]
    engine = create_engine(postgresql_url.replace(f"/{name}", "/postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:  # the database goes away under it
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
    answers = [room.ask("GET", path, RIGHT["operator"]).status for path in ("/systems", "/audit", "/partners")]
    assert answers == [503] * 3
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"))
    engine.dispose()
    assert room.ask("GET", "/systems", RIGHT["operator"]).status == 200
    # A look for changes may have come meanwhile, and says in the log that the database was away; the next takes another
    # connection to it.
    room.site.begin(spare_sockets=2)
    check_written(room)


def test_a_server_that_does_not_reach_its_database_does_not_say_the_password(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'directory_url = "postgresql://heliograph:{DATABASE}@127.0.0.1:1/heliograph"\n')
    command: list[str | Path] = [Path(sys.executable).with_name("heliograph"), "serve", "--config", settings,
                                 "--log-level", "debug", "--stomp-port", "0", "--no-http"]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode != 0
    assert "127.0.0.1" in ended.stderr  # it does say what happened
    assert DATABASE not in ended.stdout + ended.stderr
