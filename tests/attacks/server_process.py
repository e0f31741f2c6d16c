"""The real server as a process of its own, and what the kernel says about it."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.stored import store_directory

MIB = 1 << 20
START_S = 30
STOP_S = 10  #: SIGTERM: exit in less than that, whoever is connected
SETTLE_S = 3

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_FAULTS = re.compile(r"Traceback|\[error|\bbug\b|Exception ignored|never retrieved|never awaited")


class Server:
    """``heliograph serve`` with low limits; its output goes to files under ``place``.

    ``costly``: passwords cost what they cost an operator, at the start and at logins.  ``http``: with the HTTP API.
    """

    def __init__(
        self,
        place: Path,
        directory: Path,
        limits: Mapping[str, int],
        *,
        files_max: int = 0,
        flags: tuple[str, ...] = (),
        costly: bool = False,
        http: bool = False,
    ) -> None:
        if not costly:
            store_directory(directory, place / "data")
        self.place = place
        self.stopped = False
        self.limits = limits
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        environment |= {f"HELIOGRAPH_LIMITS_{name.upper()}": str(value) for name, value in limits.items()}
        heliograph = str(Path(sys.executable).with_name("heliograph"))  # what the package installs
        ports = ("--stomp-port", "0", "--tcp-port", "0", "--http-port", "0", "--http" if http else "--no-http")
        command = [heliograph, "serve", "--apply", str(directory), *ports, "--log-level", "debug", *flags]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=log)
        self.pid = self._process.pid
        try:
            self.line = self._read_line()
        except BaseException:
            self.kill()
            raise
        if files_max:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (files_max, files_max))
        addresses = [("127.0.0.1", int(port)) for port in re.findall(r"127\.0\.0\.1:(\d+)", self.line)]
        self.websocket, self.tcp = addresses[:2]
        self.http = addresses[2] if http else None

    @property
    def log(self) -> Path:
        """What it writes to stderr."""
        return self.place / "serve.log"

    @property
    def output(self) -> str:
        """All that it has written."""
        return self.line + self.log.read_text(errors="replace")

    def faults(self, since: int = 0) -> list[str]:
        """The lines of its log, from octet ``since`` on, that tell of a fault of its own."""
        lines = self.log.read_bytes()[since:].decode(errors="replace").splitlines()
        return [line for line in lines if _FAULTS.search(line)]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def sockets(self) -> int:
        """How many it holds; its other files are the log's."""
        count = 0
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                count += os.readlink(link).startswith("socket:")
        return count

    @property
    def cpu_s(self) -> float:
        """Processor time used since it was started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def memory(self) -> int:
        """RSS in octets."""
        return self._status("VmRSS")

    @contextmanager
    def memory_grows_less_than(self, octets: float) -> Iterator[None]:
        """Compare RSS before with the highest while it lasts, as the kernel has kept it."""
        before = self.memory
        with suppress(OSError):  # then the highest is that since the start, and the bound is met even so or not
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        yield
        grown = self._status("VmHWM") - before
        assert grown < octets, f"RSS grew by {grown / MIB:.1f} MiB from {before / MIB:.0f}; allowed {octets / MIB:.1f}"

    def has_socket_of(self, peer: tuple[str, int]) -> bool:
        """Whether a process on this machine still holds a socket to ``peer`` (an IPv4 address) on one of our ports.

        A socket that nobody holds has the inode 0, even if the kernel has still to say something to the peer.
        """
        ours = {f"{port:04X}" for _, port in (self.websocket, self.tcp)}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            (local, remote), inode = fields[1:3], fields[9]
            if local[-4:] in ours and int(remote[-4:], 16) == peer[1] and inode != "0":
                return True
        return False

    @contextmanager
    def gives_back_its_sockets(self) -> Iterator[None]:
        """What is opened while it lasts must be closed soon after."""
        before = self.sockets
        yield
        self.wait_sockets(before)

    def wait_sockets(self, count: int) -> None:
        """Wait until no more than ``count`` are open; fail after ``SETTLE_S``."""
        deadline = time.monotonic() + SETTLE_S
        while (now := self.sockets) > count:
            assert time.monotonic() < deadline, f"{now - count} sockets are still open after {SETTLE_S} s"
            time.sleep(0.01)

    def terminate(self) -> float:
        """SIGTERM; the seconds until it was gone.  It must go by itself and with exit code 0."""
        began = time.monotonic()
        self.stopped = True
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(STOP_S) == 0, self.output
        return time.monotonic() - began

    def stop(self) -> None:
        """Terminate it, if that has not been done."""
        try:
            if self.alive:
                self.terminate()
        finally:
            self.kill()

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

    def _read_line(self) -> str:
        assert self._process.stdout
        assert select.select([self._process.stdout], [], [], START_S)[0], f"no address: {self.log.read_text()}"
        line = self._process.stdout.readline().decode()
        assert line, self.log.read_text()
        return line

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024
