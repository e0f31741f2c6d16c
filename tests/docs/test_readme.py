"""The README's programs, run as they stand against a real server with the demo's directory; only the port differs."""

from __future__ import annotations

import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from heliograph.cli.trace import read_trace
from heliograph.client import Client, connect
from tests.integration.conftest import SERVE, Process, address

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JS = ROOT / "tests/blackbox/js"
PROGRAM_LINES_MAX = 12
WITHIN_S = 30

NORTHWIND = [event for event in read_trace("site").events if event.routing_key.startswith("7.")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with the README's own directory file, which must be one that it takes."""
    folder = tmp_path_factory.mktemp("readme")
    (directory,) = blocks("toml")
    (folder / "directory.toml").write_text(directory, encoding="utf-8")
    with_demo = (resources.files("heliograph.cli") / "demo.toml").read_text(encoding="utf-8")
    (folder / "demo.toml").write_text(with_demo, encoding="utf-8")
    process = Process(["demo.toml" if word == "directory.toml" else word for word in SERVE], folder, {})
    try:
        process.line()
        yield process
    finally:
        process.kill()


def port(url: str) -> str:
    return url.split(":")[2].partition("/")[0]


class Running:
    """A program of the README; its lines as they come."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines(self, count: int) -> list[str]:
        return [self._lines.get(timeout=WITHIN_S) for _ in range(count)]

    @property
    def printed(self) -> int:
        return self._lines.qsize()

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # a shell's children too
        self._process.wait()
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))


async def publish_trace(publisher: Client) -> None:
    for event in read_trace("site").events:
        destination = f"/exchange/acme_event_full_v24/{event.routing_key}"
        await publisher.send(destination, bytes(event.event), {"content-type": "application/json"})


async def publish(server: Process) -> None:
    async with connect(address(server), "acme", "producer-secret") as publisher:
        await publish_trace(publisher)


async def received(server: Process, command: list[str], folder: Path, count: int) -> list[str]:
    """What a consumer prints: the trace is published again and again, since nobody says when it has subscribed."""
    program = Running(command, folder)
    try:
        async with connect(address(server), "acme", "producer-secret") as publisher:
            deadline = time.monotonic() + WITHIN_S
            while program.printed < count:
                assert time.monotonic() < deadline, f"it printed {program.printed} of {count} lines"
                await publish_trace(publisher)
        return program.lines(count)
    finally:
        program.end()


@pytest.mark.parametrize("number", [0, 1], ids=["heliograph.client", "stomp.py"])
async def test_the_consumers_print_what_the_partner_may_see(server: Process, tmp_path: Path, number: int):
    program = blocks("python")[number]
    assert len(list(filter(None, program.splitlines()))) <= PROGRAM_LINES_MAX
    (tmp_path / "consumer.py").write_text(program.replace("8674", port(address(server))), encoding="utf-8")
    lines = await received(server, [sys.executable, "-u", "consumer.py"], tmp_path, len(NORTHWIND))
    keys = {event.routing_key for event in NORTHWIND}
    shown = [line.split()[0].rpartition("/")[2] for line in lines]
    assert set(shown) <= keys
    assert len(set(shown)) > 5


async def test_the_durable_consumer_goes_on_where_it_was(server: Process, tmp_path: Path):
    (program,) = (block for block in blocks("python") if "durable" in block)
    assert len(list(filter(None, program.splitlines()))) <= PROGRAM_LINES_MAX
    (tmp_path / "durable.py").write_text(program.replace("8674", port(address(server))), encoding="utf-8")
    command = [sys.executable, "-u", "durable.py"]
    offsets = [int(line.split()[1]) for line in await received(server, command, tmp_path, 50)]
    assert offsets == sorted(set(offsets))
    await publish(server)  # while it is not there
    again = Running(command, tmp_path)
    try:
        resumed = [int(line.split()[1]) for line in again.lines(len(NORTHWIND))]
    finally:
        again.end()
    assert resumed == sorted(set(resumed))
    assert resumed[0] > offsets[0]


@pytest.mark.needs_node
async def test_the_consumer_with_stompjs(server: Process, tmp_path: Path):
    (program,) = blocks("js")
    (tmp_path / "node_modules").symlink_to(JS / "node_modules")
    before = "import WebSocket from 'ws';\nglobalThis.WebSocket ??= WebSocket;\n"
    (tmp_path / "consumer.mjs").write_text(before + program.replace("8674", port(address(server))), encoding="utf-8")
    lines = await received(server, ["node", "consumer.mjs"], tmp_path, 20)
    assert all(line.startswith("/exchange/acme_event_full_v24/7.12345.") for line in lines)


async def test_the_consumer_in_a_shell(server: Process, tmp_path: Path, require):
    bash = Path("/bin/bash")
    require(bash.exists(), "bash, whose /dev/tcp is a socket")
    (program,) = blocks("bash")
    program = program.replace("61613", address(server, "stomp").rpartition(":")[2])
    lines = await received(server, [str(bash), "-c", program], tmp_path, 20)
    assert lines[0] == "CONNECTED"
    assert "MESSAGE" in lines


def test_the_directory_is_one_that_the_server_takes(server: Process, tmp_path: Path):
    (directory,) = blocks("toml")
    (tmp_path / "directory.toml").write_text(directory, encoding="utf-8")
    process = Process(["serve", "--apply", "directory.toml", "--stomp-port", "0"], tmp_path, {})
    try:
        assert " listening on ws://127.0.0.1:" in process.line()
    finally:
        process.kill()


def test_the_explanation_is_what_the_command_says(tmp_path: Path):
    command, *shown = next(block for block in blocks("console") if " explain " in block).splitlines()
    process = Process(shlex.split(command)[2:], tmp_path, {})
    try:
        assert process.ended() == 1
        assert process.lines == shown
    finally:
        process.kill()
