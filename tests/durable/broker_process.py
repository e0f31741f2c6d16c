"""The real server over a data directory that outlives it, and peers that are logged in to it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.attacks.attacker import Attacker
from tests.attacks.people import Login
from tests.attacks.server_process import Server

DIRECTORY = Path(__file__).with_name("directory.toml")


class BrokerProcess:
    """Started when it is made; ``restart`` after ``kill`` (-9) or ``stop`` (SIGTERM) finds what was stored."""

    def __init__(self, place: Path, flags: tuple[str, ...] = (), **limits: int) -> None:
        self._place = place
        self._flags = flags
        self._limits = limits
        self._sockets = ExitStack()
        self.server = self._start()

    def _start(self) -> Server:
        return Server(
            self._place, DIRECTORY, self._limits, flags=("--data-dir", str(self._place / "data"), *self._flags)
        )

    def peer(self, who: Login) -> Attacker:
        """A new connection of ``who``, over WebSocket."""
        peer = self._sockets.enter_context(Attacker(self.server.websocket))
        assert peer.handshake().status == 101
        peer.connect(*who)
        return peer

    def hang_up(self) -> None:
        """Close all peers' sockets without a word."""
        self._sockets.close()

    def kill(self) -> None:
        """kill -9."""
        self.server.kill()
        self._sockets.close()

    def stop(self) -> float:
        """SIGTERM when everybody has gone; see ``Server.terminate``."""
        self._sockets.close()
        took_s = self.server.terminate()
        self.server.stop()
        return took_s

    def restart(self) -> None:
        """Start again over the same data."""
        self._sockets.close()
        self.server = self._start()

    def end(self) -> None:
        """When the test is over: it must have logged no fault of its own."""
        self.kill()
        faults = self.server.faults()
        assert not faults, "\n".join(faults[:20])
