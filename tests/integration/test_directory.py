"""The stored directory as an operator has it: restarts, credentials that come and go, apply and export."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from heliograph.client import ServerRefused, connect
from tests.integration.conftest import ACME, NORTHWIND, Process, Start, address
from tests.integration.http_client import HttpClient

OPS, PASSWORD = NORTHWIND["HELIOGRAPH_LOGIN"], NORTHWIND["HELIOGRAPH_PASSWORD"]
WITHIN_S = 20
#: From a change on one node to what another does.
NODES_S = 5


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the commands must be told: nothing, or the URL."""
    if request.param == "sqlite":
        return {}
    return {"HELIOGRAPH_DIRECTORY_URL": request.getfixturevalue("postgresql_url")}


Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(start: Start, environment: dict[str, str]) -> Run:
    """Run a command to its end: exit code, output, errors."""

    def run_command(*arguments: str) -> tuple[int, list[str], list[str]]:
        process = start(*arguments, **environment)
        return process.ended(), process.lines, process.errors

    return run_command


def serve(start: Start, environment: dict[str, str], *arguments: str) -> Process:
    server = start("serve", "--stomp-port", "0", *arguments, **environment)
    server.line()
    return server


async def lets_in(server: Process, login: str, password: str) -> bool:
    try:
        async with connect(address(server), login, password):
            return True
    except ServerRefused as refused:
        assert "Access refused" in str(refused)
        return False


async def until_in(server: Process, login: str, password: str, wanted: bool) -> None:
    """A server looks every second; wait until it has."""
    async with asyncio.timeout(WITHIN_S):
        while await lets_in(server, login, password) is not wanted:
            await asyncio.sleep(0.1)


async def test_a_restart_keeps_the_directory(
    start: Start, directory: Path, environment: dict[str, str], tmp_path: Path
):
    server = serve(start, environment, "--apply", "directory.toml")
    assert await lets_in(server, OPS, PASSWORD)
    assert server.stop() == 0
    directory.unlink()
    server = serve(start, environment)
    assert await lets_in(server, OPS, PASSWORD)
    assert not await lets_in(server, OPS, "wrong")
    assert server.stop() == 0
    text = "\n".join(server.errors)
    assert "nobody can log in" not in text
    assert (tmp_path / "data/directory.sqlite").exists() is not bool(environment)
    if not environment:
        assert stat.S_IMODE((tmp_path / "data/directory.sqlite").stat().st_mode) == 0o600


async def test_a_credential_is_rotated_without_downtime_and_the_old_one_revoked_while_the_server_runs(
    start: Start, directory: Path, environment: dict[str, str], run: Run
):
    server = serve(start, environment, "--apply", "directory.toml")
    assert await lets_in(server, OPS, PASSWORD)
    code, (secret,), errors = run("credential", "rotate", OPS, "file", "--expires", "90d")
    assert (code, errors) == (0, [])
    await until_in(server, OPS, secret, True)
    assert await lets_in(server, OPS, PASSWORD), "both are valid"
    code, (head, new, old), _ = run("credential", "list", OPS)
    assert (code, head.split()) == (0, ["ID", "NAME", "STATE", "MADE", "EXPIRES", "LAST", "USED"])
    assert [line.split()[1:3] for line in (new, old)] == [["file", "valid"]] * 2
    assert run("credential", "revoke", OPS, old.split()[0])[:2] == (0, [])
    await until_in(server, OPS, PASSWORD, False)
    assert await lets_in(server, OPS, secret)
    assert server.stop() == 0
    _, (_, new, old), _ = run("credential", "list", OPS)
    assert [line.split()[2] for line in (new, old)] == ["valid", "revoked"]
    assert "never" not in new + old, "both have an end, and were used"
    text = "\n".join(server.errors)
    assert not [each for each in (PASSWORD, secret, "argon2id") if each in text]


async def test_what_apply_changes_is_seen_by_a_server_that_runs(
    start: Start, directory: Path, environment: dict[str, str], run: Run
):
    server = serve(start, environment)
    assert any("nobody can log in" in line for line in server.errors)
    assert not await lets_in(server, ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])
    code, lines, _ = run("apply", "directory.toml", "--dry-run")
    assert code == 0
    assert "+ partner 7" in lines
    assert run("apply", "directory.toml")[:2] == (0, lines)
    assert run("apply", "directory.toml")[:2] == (0, ["nothing to change"])
    await until_in(server, ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"], True)


@pytest.mark.needs_postgresql
async def test_servers_on_one_database_see_each_others_changes_within_five_seconds(
    start: Start, directory: Path, postgresql_url: str
):
    environment = {"HELIOGRAPH_DIRECTORY_URL": postgresql_url}
    adding = start("operator", "add", "maria", **environment)
    assert adding.ended() == 0
    here = serve(start, environment, "--apply", "directory.toml", "--data-dir", "here")
    there = serve(start, environment, "--data-dir", "there")
    maria = HttpClient(address(here, "http")).bearer(adding.lines[0])
    async with (
        connect(address(there), OPS, PASSWORD) as client,
        client.subscribe("/exchange/acme_face_v24/7.#") as subscription,
    ):
        waiting = asyncio.create_task(anext(aiter(subscription)))
        await asyncio.sleep(0)
        partner = {"id": 70, "name": "Tailspin", "email": "ops@tailspin.example"}
        made = await asyncio.to_thread(maria, "POST", "/partners", partner)
        async with asyncio.timeout(NODES_S):
            while not await lets_in(there, made.body["login"], made.body["secret"]):
                await asyncio.sleep(0.05)
        assert not waiting.done()
        withdrawn = await asyncio.to_thread(maria, "DELETE", "/partners/7/grants/acme/face_v24")
        assert withdrawn.status == 204
        async with asyncio.timeout(NODES_S):
            with pytest.raises(ServerRefused, match="Access withdrawn"):
                await waiting


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)  # five commands; the store's tests have the other
def test_an_export_is_applied_again_without_a_change(directory: Path, run: Run):
    run("apply", "directory.toml")
    code, lines, errors = run("export")
    assert (code, errors) == (0, [])
    assert not [secret for secret in (PASSWORD, ACME["HELIOGRAPH_SECRET"]) if secret in "\n".join(lines)]
    directory.write_text("\n".join(lines))
    assert run("apply", "directory.toml")[:2] == (0, ["nothing to change"])
    directory.write_text("\n".join(lines).replace('"Contoso Guard"', '"Contoso"'))
    changed = ["~ partner 9", '    name: "Contoso Guard" -> "Contoso"']
    assert run("apply", "directory.toml", "--dry-run")[:2] == (0, changed)
    assert run("apply", "directory.toml")[:2] == (0, changed)


def test_a_directory_that_is_not_there_is_said_so(start: Start):
    process = start("export")
    assert process.ended() == 2
    assert process.errors == [
        "heliograph: No directory: there is no data/directory.sqlite. Name the server's with --data-dir."
    ]
    process = start("serve", "--stomp-port", "0", "--directory-url", "mysql://user:canary@host/name")
    assert process.ended() == 2
    assert "'mysql' is no database that is known here" in process.errors[-1]
    assert "canary" not in "\n".join(process.errors)


def test_a_secret_that_is_missing_is_named(start: Start, directory: Path):
    directory.write_text(directory.read_text().replace('secret = "producer-secret"\n', ""))
    process = start("apply", "directory.toml")
    assert process.ended() == 2
    assert process.errors == [
        "heliograph: Bad directory: directory.toml: systems[0].secret: this key is missing. Add it; only a login that "
        "is stored already keeps its credentials without."
    ]
