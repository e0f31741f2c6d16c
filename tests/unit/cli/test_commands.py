"""The commands as far as they go without a server: help, faults, exit codes."""

import re
from importlib import resources

import pytest

from heliograph.cli.app import run
from heliograph.cli.demo import _CONTOSO, _EXCHANGE, _NORTHWIND, _SYSTEM
from heliograph.directory.build import build_directory
from heliograph.directory.file import read_directory_file

COMMANDS = ("serve", "play", "subscribe", "explain", "demo")
GROUPS = ("operator", "credential")
KEY = "7.12345.32.create.objectDetected.faceDetected"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_short_and_has_an_example(command: str, capsys: pytest.CaptureFixture[str]):
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: heliograph {command} " in text
    assert len(text.splitlines()) < 50


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]):
    assert run([]) == 0
    text = capsys.readouterr().out
    assert all(f" {command} " in text for command in (*COMMANDS, *GROUPS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sreve"], "serve"),
        (["serve", "--stmp-port", "1"], "--stomp-port.*heliograph serve --help"),
        (["serve", "--stomp-port", "x"], "--stomp-port"),
        (["serve", "--stomp-port", "65536"], "--stomp-port: 65536 is no port"),
        (["explain", "7"], "KEY"),
        (["explain", "7..8", "7"], "Word 2"),
        (["explain", "7", "7.#"], "wildcard"),
        (["explain", "/exchange/acme_x/7.#", "7"], "'7.#'"),
        (["subscribe", "acme_x", "#"], "No login"),
        (["subscribe", "acme_x", "a*", "--login", "x", "--password", "y"], "wildcard"),
        (["subscribe", "acme/x", "#", "--login", "x", "--password", "y"], "destination"),
        (["subscribe", "acme_x", "#", "--login", "a:b", "--password", "y"], "':'"),
        (["subscribe", "acme_x", "#", "--login", "x", "--password", "y", "--url", "http://x"], "WebSocket URL"),
        (["subscribe", "acme_x", "#", "--login", "x", "--password", "y", "--count", "0"], "--count"),
        (["subscribe", "acme_x", "#", "--login", "x"], "No password"),
        (["play", "nosuch.jsonl", "--system", "acme"], "nosuch.jsonl: No such file"),
        (["play", "site"], "No system"),
        (["play", "site", "--system", "acme"], "No secret"),
        (["play", "site", "--system", "acme", "--speed", "-1"], "--speed"),
        (["play", "site", "--system", "acme", "--speed", "nan"], "--speed"),
        (["demo", "--seconds", "0"], "--seconds"),
    ],
)
def test_bad_input_is_exit_code_2_and_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name in ("LOGIN", "PASSWORD", "SYSTEM", "SECRET", "URL"):
        monkeypatch.delenv(f"HELIOGRAPH_{name}", raising=False)
    assert run(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("heliograph: ")
    assert re.search(message, output.err)


def test_a_server_that_is_not_there_is_exit_code_1(capsys: pytest.CaptureFixture[str]):
    arguments = ["subscribe", "acme_x", "#", "--login", "x", "--password", "y", "--url", "ws://127.0.0.1:1/ws"]
    assert run(arguments) == 1
    assert capsys.readouterr().err == (
        "heliograph: Cannot connect: Nothing listens at ws://127.0.0.1:1/ws. Is the server running?\n"
    )


def test_ctrl_c_at_a_prompt_is_exit_code_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", interrupted)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(["play", "site", "--system", "acme"]) == 130
    assert capsys.readouterr().err == ""


def test_explain_a_match(capsys: pytest.CaptureFixture[str]):
    assert run(["explain", "7.*.32.#", KEY]) == 0
    assert capsys.readouterr().out == (
        "1  7   7\n"
        "2  *   12345\n"
        "3  32  32\n"
        "4  #   create.objectDetected.faceDetected\n"
        "pattern matches: word 4: '#' takes create.objectDetected.faceDetected\n"
    )


def test_explain_a_word_that_differs(capsys: pytest.CaptureFixture[str]):
    assert run(["explain", "7.*.33.#", KEY]) == 1
    assert capsys.readouterr().out == (
        "1  7   7\n"
        "2  *   12345\n"
        "3  33  -      pattern says '33', key has '32'\n"
        "no match: word 3: pattern says '33', key has '32'\n"
    )


def test_explain_a_pattern_that_ends_early(capsys: pytest.CaptureFixture[str]):
    assert run(["explain", "7.*.32.create.objectDetected", KEY]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "   -               faceDetected    the pattern has ended",
        "no match: key goes on with 'faceDetected' - add .# to match sub-types",
    ]


def test_the_demo_says_what_its_directory_holds():
    with resources.as_file(resources.files("heliograph.cli") / "demo.toml") as path:
        file = read_directory_file(path)
    assert _EXCHANGE in build_directory(file).exchanges
    secrets = {login: secret.reveal() for login, secret in file.secrets().items()}
    assert {_SYSTEM, _NORTHWIND, _CONTOSO} <= set(secrets.items())
