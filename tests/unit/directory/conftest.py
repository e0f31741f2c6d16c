"""What the tests of the directory share: a directory file, and a real hasher that is cheap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher

from heliograph.directory.build import build_directory
from heliograph.directory.directory import Directory
from heliograph.directory.file import DirectoryFile, read_directory_file

#: The documented shape, comments included.
EXAMPLE = """\
[[systems]]
name = "acme"
secret = "producer-secret"
message_types = ["event_full_v24", "event_v24", "face_v24"]
[[partners]]
id = 7
name = "Northwind Alarm"
email = "ops@northwind.example"
password = "correct horse battery"
grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]
accounts = [{ id = 12345, cameras = [32, 33] }]      # cameras optional: absent means any
[[message_types]]                                    # an operator's own, beside the built-in ones
name = "raw"
key = "#"                                            # any words
body = "any"                                         # relayed unread, text or binary
[[services]]                                         # the operator's own programs
name = "archiver"
secret = "service-secret"
subscribe = ["/exchange/acme_event_full_v24/#"]
publish = []
"""


class CountingHasher(PasswordHasher):
    """Real argon2id at the least cost, that counts its verifications and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.passwords: list[str | bytes] = []  #: verified so far, in the order of beginning
        self.hashes: list[str | bytes] = []  #: what they were verified against
        self.go_on = threading.Event()  #: cleared: verifications begin, and do not end
        self.go_on.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.passwords.append(password)
        self.hashes.append(hash)
        assert self.go_on.wait(10)
        return super().verify(hash, password)


@pytest.fixture
def example() -> str:
    return EXAMPLE


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a directory file and give its path."""

    def write_file(text: str) -> Path:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def read(write: Callable[[str], Path]) -> Callable[[str], DirectoryFile]:
    """The file that a text describes."""
    return lambda text: read_directory_file(write(text))


@pytest.fixture
def build(read: Callable[[str], DirectoryFile]) -> Callable[[str], Directory]:
    """The directory that a text describes."""
    return lambda text: build_directory(read(text), source="site.toml")
