"""``heliograph serve`` as a process of its own, on free ports of the loopback."""

import os
import re
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.stored import store_directory

DIRECTORY = Path(__file__).with_name("directory.toml")
COMMAND = Path(sys.executable).with_name("heliograph")  # what the package installs
START_S = 30
STOP_S = 10


class BrokerProcess:
    """A running server; ``room`` is its working directory and takes its log.  ``costly``: see ``Server`` of attacks."""

    directory = DIRECTORY
    costly = False

    def __init__(self, room: Path, *flags: str, **variables: str) -> None:
        self.log = room / "serve.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        environment["HELIOGRAPH_HTTP"] = "false"
        directory = str(self.directory)
        if not self.costly:
            store_directory(self.directory, room / "data")
        command = [str(COMMAND), "serve", "--apply", directory, "--stomp-port", "0", "--tcp-port", "0", *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=room, env=environment | variables, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            self.line = self._first_line()
            self.ws_url, self.tcp_url, *http = re.findall(r"\S+://[^\s,]+", self.line)
            self.http_url = http[0] if http else ""
        except BaseException:
            self.kill()
            raise

    @property
    def ws_address(self) -> tuple[str, int]:
        return _address(self.ws_url)

    @property
    def tcp_address(self) -> tuple[str, int]:
        return _address(self.tcp_url)

    @property
    def http_address(self) -> tuple[str, int]:
        return _address(self.http_url)

    @property
    def is_secure(self) -> bool:
        return self.ws_url.startswith("wss:")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, within ``STOP_S``."""
        return self.process.wait(STOP_S)

    def stop(self) -> None:
        """Stop it as an operator would; what it has logged must hold no fault of its own."""
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            assert self.wait() == 0, self.log.read_text()
        finally:
            self.kill()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_S), f"no address within {START_S} s: {self.log.read_text()}"
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return line


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
