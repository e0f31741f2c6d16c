"""``heliograph credential``, on a stored directory without a server."""

from __future__ import annotations

import io
import re
from importlib import resources
from pathlib import Path

import pytest

from heliograph.cli.app import run
from tests.hashing import CHEAP
from tests.stored import store_directory

ADD = ["credential", "add", "acme", "blue"]


@pytest.fixture(autouse=True)
def _stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("heliograph.directory.store.store.PasswordHasher", lambda: CHEAP)
    with resources.as_file(resources.files("heliograph.cli") / "demo.toml") as path:
        store_directory(path, tmp_path / "data")


@pytest.fixture
def done(capsys: pytest.CaptureFixture[str]):
    """What a command prints that must succeed."""

    def run_command(*arguments: str) -> list[str]:
        assert run(["credential", *arguments]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        return output.out.splitlines()

    return run_command


def type_in(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))


def test_several_of_one_login_each_with_name_end_and_last_use(done):
    secret, other = done("add", "acme", "blue")[0], done("rotate", "acme", "blue", "--overlap", "0s")[0]
    assert len({secret, other}) == 2
    assert min(len(secret), len(other)) >= 32
    done("add", "acme", "green", "--expires", "2100-01-01T00:00:00+01:00")
    head, *rows = (re.split(" {2,}", line) for line in done("list", "acme"))
    assert head == ["ID", "NAME", "STATE", "MADE", "EXPIRES", "LAST USED"]
    assert [(row[1], row[2], row[5]) for row in rows] == [
        ("green", "valid", "never"),
        ("blue", "valid", "never"),
        ("blue", "expired", "never"),
        ("file", "valid", "never"),
    ]
    assert rows[0][4] == "2099-12-31T23:00:00Z"
    assert not [line for line in done("list", "acme") if secret in line or other in line or "argon2" in line]
    done("revoke", "acme", rows[0][0])
    assert done("list", "acme")[1].split()[2] == "revoked"


def test_a_secret_of_one_s_own_comes_from_standard_input_and_is_not_printed(done, monkeypatch: pytest.MonkeyPatch):
    type_in(monkeypatch, "m\u00fcller's own\r\nmore".encode())
    assert done("add", "acme", "own", "--read-secret") == []
    type_in(monkeypatch, "m\u00fcller's own".encode())
    assert run(["apply", _with_secret("m\u00fcller's own")]) == 0, "an apply of that secret finds it"


def _with_secret(secret: str) -> str:
    text = (resources.files("heliograph.cli") / "demo.toml").read_text(encoding="utf-8")
    path = Path("with_secret.toml")
    path.write_text(text.replace("producer-secret", secret), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("again", "code"), [("typed", 0), ("tiped", 2)])
def test_a_secret_is_asked_for_twice_at_a_terminal(monkeypatch: pytest.MonkeyPatch, again: str, code: int):
    typed = iter(["typed", again])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert run([*ADD, "--read-secret"]) == code


def test_an_operator_s_token_is_rotated_too(done, monkeypatch: pytest.MonkeyPatch):
    assert run(["operator", "add", "maria"]) == 0
    assert len(set(done("rotate", "maria", "first"))) == 2, "the first token, and the second"
    type_in(monkeypatch, b"too short")
    assert run(["credential", "add", "maria", "second", "--read-secret"]) == 2


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (["add", "nobody", "blue"], b"", "Nobody in the directory logs in as 'nobody'"),
        (["add", "acme", ""], b"", "Bad name of a credential: it has 1 to 255 characters"),
        (["add", "acme", "a\x1b[2J"], b"", "Bad name"),
        (["add", "acme", "blue", "--expires", "2100-01-01"], b"", "--expires as 90d, 12h, or as 2027-"),
        (["add", "acme", "blue", "--expires", "2001-01-01T00:00:00Z"], b"", "not in the future"),
        (["add", "acme", "blue", "--read-secret"], b"", "it is empty. Choose one"),
        (["add", "acme", "blue", "--read-secret"], b"a\tcanary", "it has a control character"),
        (["add", "acme", "blue", "--read-secret"], b"canary\xff", "not UTF-8"),
        (["add", "acme", "blue", "--read-secret"], b"canary" * 1_000, "credential_bytes_max"),
        (["rotate", "acme", "green"], b"", "'acme' has no valid credential called 'green'"),
        (["rotate", "acme", "file", "--overlap", "1w"], b"", "--overlap as 7d, 12h, 30m or 0s"),
        (["revoke", "acme", "file"], b"", "NUMBER.*heliograph credential revoke --help"),
        (["revoke", "acme", "999"], b"", "'acme' has no credential 999"),
        (["list", "nobody"], b"", "Nobody in the directory logs in as 'nobody'"),
        (["list", "acme", "--data-dir", "other"], b"", "there is no other/directory.sqlite. Name the server's"),
        (["add", "acme", "blue", "--secret", "x"], b"", "--secret"),
    ],
)
def test_bad_input_is_exit_code_2_and_one_line(
    arguments: list[str],
    typed: bytes,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    type_in(monkeypatch, typed)
    assert run(["credential", *arguments]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert re.search(message, output.err)
    assert "canary" not in output.err


def test_a_login_has_only_so_many(done, capsys: pytest.CaptureFixture[str]):
    for number in range(7):
        done("add", "acme", f"number {number}")
    assert run(ADD) == 2
    assert "'acme' has 8 valid ones (credentials_max). Revoke one" in capsys.readouterr().err
