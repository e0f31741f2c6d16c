"""The real commands as processes, in a folder and an environment of their own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

from heliograph.client import connect
from heliograph.client.client import Client
from tests.integration.http_client import HttpClient

COMMAND = Path(sys.executable).with_name("heliograph")
NORTHWIND = {"HELIOGRAPH_LOGIN": "ops@northwind.example", "HELIOGRAPH_PASSWORD": "correct horse battery"}
CONTOSO = {"HELIOGRAPH_LOGIN": "desk@contoso.example", "HELIOGRAPH_PASSWORD": "paper clip staple"}
ARCHIVER = {"HELIOGRAPH_LOGIN": "archiver", "HELIOGRAPH_PASSWORD": "service-secret"}
ACME = {"HELIOGRAPH_SYSTEM": "acme", "HELIOGRAPH_SECRET": "producer-secret"}
EXCHANGE = "acme_event_full_v24"


class Process:
    """A running command; its output is read as it comes."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=folder,
            env={**kept, "HELIOGRAPH_HTTP_PORT": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        self._readers = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def line(self, within_s: float = 20) -> str:
        """The next line of its output."""
        found = self._coming.get(timeout=within_s)
        assert found is not None, f"it ended: {self.errors}"
        return found

    def stop(self, number: int = signal.SIGTERM, within_s: float = 10) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.ended(within_s)

    def ended(self, within_s: float = 30) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(within_s)
        for reader in self._readers:
            reader.join(5)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.ended()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._coming.put(line.rstrip("\n"))
        self._coming.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start("serve", "--stomp-port", "0", NAME="value")``: a command that is ended with the test."""
    processes: list[Process] = []

    def start_command(*arguments: str, **environment: str) -> Process:
        process = Process(list(arguments), tmp_path, environment)
        processes.append(process)
        return process

    yield start_command
    for process in reversed(processes):
        process.kill()


def write_directory(folder: Path) -> Path:
    path = folder / "directory.toml"
    path.write_bytes((resources.files("heliograph.cli") / "demo.toml").read_bytes())
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The demo's directory file, in the folder of the commands."""
    return write_directory(tmp_path)


SERVE = ("serve", "--apply", "directory.toml", "--stomp-port", "0", "--tcp-port", "0")


@pytest.fixture
def server(start: Start, directory: Path) -> Process:
    """A server with the demo's directory, for this test alone."""
    process = start(*SERVE)
    process.line()
    return process


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the demo's directory that the tests of a module share."""
    folder = tmp_path_factory.mktemp("shared")
    write_directory(folder)
    process = Process(list(SERVE), folder, {})
    try:
        process.line()
        yield address(process)
    finally:
        process.kill()


def address(server: Process, scheme: str = "ws") -> str:
    """The server's address, from the line it prints."""
    words = server.lines[0].replace(",", " ").split()
    return next(word for word in words if word.startswith(f"{scheme}://"))


def wait_until(condition: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Operated(NamedTuple):
    """A server with the demo's directory, and its operator's way in; ``acme`` is its system."""

    process: Process
    maria: HttpClient

    @property
    def acme(self) -> HttpClient:
        return self.maria.basic(ACME["HELIOGRAPH_SYSTEM"], ACME["HELIOGRAPH_SECRET"])

    def of(self, login: dict[str, str]) -> HttpClient:
        """The HTTP API as ``NORTHWIND`` or another has it."""
        return self.maria.basic(login["HELIOGRAPH_LOGIN"], login["HELIOGRAPH_PASSWORD"])

    def connect(self, login: dict[str, str]) -> AbstractAsyncContextManager[Client]:
        """A STOMP connection of theirs."""
        return connect(address(self.process), login["HELIOGRAPH_LOGIN"], login["HELIOGRAPH_PASSWORD"])


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def operated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """One server on each database that the tests of a module share."""
    environment = {}
    if request.param == "postgresql":
        environment["HELIOGRAPH_DIRECTORY_URL"] = request.getfixturevalue("postgresql_server")
    folder = tmp_path_factory.mktemp("operated")
    write_directory(folder)
    name = f"maria-{folder.name}"
    adding = Process(["operator", "add", name], folder, environment)
    assert adding.ended() == 0, adding.errors
    adding.kill()
    process = Process(list(SERVE), folder, environment)
    process.line()
    yield Operated(process, HttpClient(address(process, "http")).bearer(adding.lines[0]))
    process.kill()
