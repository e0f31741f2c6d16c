"""Schemathesis over the OpenAPI document: whatever it says may be sent is taken, and what else there is is refused.

It runs as its command, against the real server, once for each kind of login: the coverage of each operation's fields,
random requests, and chains of requests in which one uses what another has made.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import ACME, ARCHIVER, NORTHWIND, Process, address
from tests.integration.http_client import HttpClient
from tests.integration.test_http_history import serve

#: PostgreSQL answers the same requests in the other tests here, so these many are for the long run.
DATABASES = ["sqlite", pytest.param("postgresql", marks=[pytest.mark.needs_postgresql, pytest.mark.long])]
ACME_TYPES = "/systems/acme/message-types"
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
COMMAND = Path(sys.executable).with_name("schemathesis")
SEED = "20261123"

#: What may be answered to a request that is right by the document: 2xx; 304, 404, 409 and 412, since the names, ids and
#: tags in it are random; and what else stands here.  A fault of the server never may.
SETTINGS = """
suppress-health-check = ["filter_too_much"]  # of its own random values, and depends on what it found before
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "404", "409", "412"]  # 304 and 412: by If-Match and If-None-Match
[checks.negative_data_rejection]  # 413: what is wrong may be too large besides; and never 5xx
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "429"]

[[operations]]  # an account, a camera or an event type that is not known is refused with 422, never guessed
include-tag = "ingest"
parameters = { "path.system" = "acme" }
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]

[[operations]]  # the names of types and exchanges are the directory's: 403 and 422; streams: see ``served``
include-tag = "events"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "403", "422", "429"]

[[operations]]  # a layout of keys, and a schema with a cost: JSON Schema has no words for what may be in these
include-path-regex = "^/message-types"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "404", "409", "412", "422"]

[[operations]]  # a pattern may be no pattern, a partner nobody, and some parts of a question rule out others
include-path = "/explain"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "422"]
"""


PHASES = "examples,coverage,fuzzing,stateful"
#: Which operations, and as whom.  The operator comes last, see ``for_how_long``.
PEOPLE = {
    "partner": ("--include-tag", "events", "--include-tag", "exchanges"),
    "system": ("--include-tag", "ingest"),
    "operator": ("--exclude-tag", "events", "--exclude-tag", "ingest"),
}


def for_how_long(fixture_name: str, config: pytest.Config) -> Literal["function", "module"]:
    """A server each time in the long run: an operator's requests change who there is, and so may end that stream."""
    return "function" if config.getoption("--run-long") else "module"


@pytest.fixture(scope=for_how_long, params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """A server whose only stream is taken, so that no request for another goes on for ever."""
    limits = {
        "HELIOGRAPH_LIMITS_STREAMS_MAX": "1",
        # It tries wrong credentials on every operation.
        "HELIOGRAPH_LIMITS_FAILED_LOGINS_MAX": "1000000",
        "HELIOGRAPH_LIMITS_FAILED_LOGINS_PER_ADDRESS_MAX": "1000000",
        "HELIOGRAPH_LIMITS_FAILED_LOGINS_PER_LOGIN_MAX": "1000000",
    }
    process, token = serve(tmp_path_factory.mktemp("openapi"), request, **limits)
    switched_on = HttpClient(address(process, "http")).bearer(token)("PUT", f"{ACME_TYPES}/user_v24", {})
    assert switched_on.status == 200
    place = urlsplit(address(process, "http"))
    archiver = HttpClient("").basic(*ARCHIVER.values()).authorization
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as stream:
        exchange = "acme_event_full_v24"
        head = f"GET /events/stream?exchange={exchange} HTTP/1.1\r\nHost: x\r\nAuthorization: {archiver}\r\n\r\n"
        stream.sendall(head.encode())
        assert stream.recv(4_096).startswith(b"HTTP/1.1 200 ")
        yield process, token
    process.kill()


def find_faults(served: tuple[Process, str], folder: Path, who: str, *more: str) -> str:
    """What Schemathesis says, which is that it has found nothing; else this fails.  ``more``: flags of its command."""
    server, token = served
    anybody = HttpClient(address(server, "http"))
    login = {
        "partner": anybody.basic(*NORTHWIND.values()),
        "system": anybody.basic(ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"]),
        "operator": anybody.bearer(token),
    }[who]
    (folder / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    command: list[str | Path] = [
        COMMAND, "--config-file", folder / "schemathesis.toml", "run", f"{login.url}/openapi.json",
        "--checks", "all", "--seed", SEED, "--generation-database", "none", "--continue-on-failure", "--no-color",
        "--warnings", "off", "--header", f"Authorization: {login.authorization}", *PEOPLE[who], *more,
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert not [line for line in server.errors if "[error" in line or "Traceback" in line]
    assert login("GET", "/exchanges").status == 200  # so none of it was refused for the login alone
    return found.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", PEOPLE)
def test_the_document_says_what_is_taken_and_what_is_answered(served: tuple[Process, str], tmp_path: Path, who: str):
    told = find_faults(served, tmp_path, who, "--phases", PHASES, "--max-examples", "5")
    selected = re.search(r"Tested: +(\d+)", told)
    assert selected
    assert int(selected[1]) >= {"partner": 3, "system": 3, "operator": 45}[who], told


def test_the_examples_are_stored(served: tuple[Process, str]):
    anybody = HttpClient(address(served[0], "http"))
    acme = anybody.basic(ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
    paths = anybody("GET", "/openapi.json").body["paths"]
    for resource in ("events", "faces", "users"):
        post = paths[f"/systems/{{system}}/{resource}"]["post"]
        examples = post["requestBody"]["content"]["application/json"]["examples"]
        answers = [acme("POST", f"/systems/acme/{resource}", each["value"]) for each in examples.values()]
        assert [answer.status for answer in answers] == [201, 200]
        assert [each["status"] for each in answers[1].body] == [201, 201]


@pytest.mark.long
@pytest.mark.parametrize("who", PEOPLE)
def test_the_document_says_it_of_many_requests(served: tuple[Process, str], tmp_path: Path, who: str):
    find_faults(served, tmp_path, who, "--phases", "fuzzing,stateful", "--max-examples", "100")


def test_every_operation_is_asked_for_by_somebody(served: tuple[Process, str]):
    document = HttpClient(address(served[0], "http"))("GET", "/openapi.json").body
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) >= 50
    assert {tag for each in operations for tag in each["tags"]} >= {"events", "exchanges", "ingest"}
    assert all(len(each["tags"]) == 1 for each in operations)
