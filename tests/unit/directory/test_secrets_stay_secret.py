"""Canaries: no password, and no hash of one, in anything that the directory prints, raises or logs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from heliograph.directory.build import build_directory
from heliograph.directory.credentials import Authenticator
from heliograph.directory.file import DirectoryFile, read_directory_file
from heliograph.directory.secret import Secret
from heliograph.directory.store.database import url_in
from heliograph.directory.store.store import DirectoryStore
from heliograph.errors import LoginError, SettingsError
from heliograph.limits import Limits
from tests.hashing import hash_all
from tests.stored import store_tables

if TYPE_CHECKING:
    from tests.unit.directory.conftest import CountingHasher

WRONG = "canary-that-is-wrong"
CANARIES = ("canary-of-the-system", "canary-of-the-partner", "canary-of-the-service")


@pytest.fixture
def text(example: str) -> str:
    for secret, canary in zip(("producer-secret", "correct horse battery", "service-secret"), CANARIES, strict=True):
        example = example.replace(secret, canary)
    return example


def everything(error: BaseException) -> Iterator[str]:
    """All that a log could take from an exception, its causes and contexts included."""
    yield "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        yield repr(seen)
        yield repr(vars(seen))
        yield repr(seen.args)
        seen = seen.__cause__ or seen.__context__


def assert_silent(*texts: str) -> None:
    for text in texts:
        assert "canary" not in text
        assert "argon2id" not in text


def test_no_repr_shows_one(read: Callable[[str], DirectoryFile], text: str) -> None:
    file = read(text)
    assert_silent(repr(file), str(file), f"{file.systems[0].secret}", f"{file.systems[0].secret!r:>40}")
    assert_silent(repr(file.secrets()), repr(list(file.__rich_repr__())))
    directory = build_directory(file)
    assert_silent(repr(directory), repr(dict(directory.principals)))


def test_no_encoder_writes_one() -> None:
    for encode in (json.dumps, msgspec.json.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            encode(Secret("canary"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('password = "', 'password = "\\q'),
        ('password = "', 'password = "" "'),
        ('password = "', 'password = ["'),
        ('battery"', "battery"),
        ("password = ", "passwort = "),
        ("secret = ", "password = "),
        ('email = "ops@northwind.example"', "email = 5"),
        ('email = "ops@northwind.example"', 'email = "no address"'),
        ('"canary-of-the-partner"', '"canary\\n-of-the-partner"'),
        ('"canary-of-the-partner"', '["canary-of-the-partner"]'),
        ('"canary-of-the-partner"', '"""canary-of-the-partner'),
        ('"canary-of-the-partner"', "canary-of-the-partner"),
        ('"canary-of-the-partner"', '"canary' + 1_024 * "x" + '"'),
        ('"canary-of-the-partner"', "{ canary-of-the-partner = 1 }"),
    ],
)
def test_no_fault_of_the_file_quotes_one(write: Callable[[str], Path], text: str, old: str, new: str) -> None:
    path = write(text.replace(old, new, 1))
    try:
        build_directory(read_directory_file(path))
    except SettingsError as error:
        assert_silent(*everything(error))
    else:
        assert old == 'battery"'


def test_a_file_in_another_encoding_is_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(SettingsError) as caught:
        read_directory_file(path)
    assert_silent(*everything(caught.value))
    assert_silent(*(part.replace("\\x00", "") for part in everything(caught.value)))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, down to debugging."""
    lines, level = io.StringIO(), logging.root.level
    handler = logging.StreamHandler(lines)
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield lines
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


async def test_neither_the_authenticator_nor_its_errors_nor_its_logs_tell_one(
    read: Callable[[str], DirectoryFile], text: str, hasher: CountingHasher, logged: io.StringIO
) -> None:
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = 0.0
    file = read(text)
    hashed = hash_all(file.secrets(), hasher)
    authenticator = Authenticator(build_directory(file), hashed, Limits(), hasher=hasher)
    principals = [
        await authenticator.authenticate(login, canary)
        for login, canary in zip(("acme", "ops@northwind.example", "archiver"), CANARIES, strict=True)
    ]
    assert_silent(repr(principals), repr(hashed), str(hashed), repr(authenticator), repr(vars(authenticator)))
    for login in ("acme", "nobody"):
        with pytest.raises(LoginError) as caught:
            await authenticator.authenticate(login, WRONG)
        assert_silent(*everything(caught.value))
    authenticator.close()
    assert logged.getvalue()
    assert_silent(logged.getvalue())


def test_a_secret_is_not_pickled_unseen() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("canary"), protocol=1)


def test_nothing_that_the_store_gives_shows_one(
    read: Callable[[str], DirectoryFile], text: str, tmp_path, hasher
) -> None:
    store_tables(tmp_path)
    store = DirectoryStore(url_in(tmp_path), Limits(), hasher=hasher)
    token = '\n[[operators]]\nname = "ann"\ntoken = "canary-0123456789abcdef0123456789"\n'
    diff = store.apply(read(text + token), "test")
    snapshot = store.load()
    changes = store._compare(read(text.replace("canary", "canary-changed")), "x", dry_run=False).passwords
    assert changes
    shown = repr((snapshot, snapshot.hashed.by_login, diff, store, store._engine, store.audit(50), changes))
    shown += repr((store.export(), store.credentials("acme"), *diff.lines()))
    assert_silent(shown)
    assert "sha256" not in shown
    store.close()
