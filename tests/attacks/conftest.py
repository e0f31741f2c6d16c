"""One server with low limits for all cases, and beside every case the control connection.

Cases that need a server of their own (``start``) get a control connection there too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.attacks.attacker import Attacker
from tests.attacks.control import Control
from tests.attacks.people import EVERYBODY, Login
from tests.attacks.server_process import Server

DIRECTORY = Path(__file__).with_name("directory.toml")

#: Low, so that cases are quick; a case may count on them.
LIMITS = {
    "handshake_ms_max": 1_000,
    "login_ms_max": 2_000,
    "linger_ms_max": 700,
    "verified_ms_max": 3_600_000,  # from the first login on without argon2
    "body_bytes_max": 262_144,
    "subscriptions_max": 200,
    "prefetch_count_default": 50,
    "prefetch_count_max": 100,
    "ring_bytes_max": 16_777_216,
    "failed_logins_per_address_max": 100_000,  # all attackers have one
    "failed_logins_max": 100_000,
    "failed_logins_per_login_max": 100_000,
}


#: What the fixture ``start`` gives.
Start = Callable[..., "Site"]


class Site:
    """A server, its control connection, and the attackers of one case, whose sockets are given back at its end."""

    def __init__(self, server: Server, logins: tuple[Login, ...] = ()) -> None:
        """``logins``: of whom the server is to remember the password before any case."""
        self.server = server
        self.sockets = ExitStack()
        self._log_bytes = 0
        sockets = server.sockets
        try:
            for login in logins:
                with Attacker(server.websocket) as peer:
                    peer.handshake()
                    peer.connect(*login)
            server.wait_sockets(sockets)
            self.control = Control(server)
        except BaseException:
            server.kill()
            raise

    def dial(self, framing: str = "websocket", **options: object) -> Attacker:
        """A TCP connection, no more."""
        address = self.server.tcp if framing == "tcp" else self.server.websocket
        return self.sockets.enter_context(Attacker(address, **options))  # type: ignore[arg-type]

    def open(self, framing: str = "websocket", **options: object) -> Attacker:
        """A stranger to whom the server listens: after the handshake, before the login."""
        peer = self.dial(framing, **options)
        if framing == "websocket":
            assert peer.handshake().status == 101
        return peer

    def log_in(self, who: Login, framing: str = "websocket", version: str = "1.2", **options: object) -> Attacker:
        """Somebody who is logged in."""
        peer = self.open(framing, **options)
        peer.connect(*who, version=version)
        return peer

    def begin(self, spare_sockets: int = 0) -> None:
        """Before a case; what an earlier one has broken is not its fault.

        ``spare_sockets``: so many more may be open at its end, to a database.
        """
        if self.control.fault:
            self.control.stop()
            self.control = Control(self.server)
        self._log_bytes = self.server.log.stat().st_size
        self._socket_count = self.server.sockets + spare_sockets

    def end(self) -> None:
        """After it: nobody has noticed, nothing is broken, and the server holds no socket of an attacker any more."""
        self.sockets.close()
        if not self.server.stopped:
            assert self.server.alive
            self.control.wait_round()
            self.server.wait_sockets(self._socket_count)
        faults = self.server.faults(self._log_bytes)
        assert not faults, "\n".join(faults[:20])

    def stop(self) -> None:
        """SIGTERM; the server must go in time."""
        self.sockets.close()
        self.control.stop()
        self.server.stop()


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(Server(tmp_path_factory.mktemp("server"), DIRECTORY, LIMITS), EVERYBODY)
    yield site
    site.stop()


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The shared server; the control connection is looked at before and after the case."""
    shared_site.begin()
    yield shared_site
    shared_site.end()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(connections_max=5)``: a server with further limits of its own; else see ``Server``."""
    sites: list[Site] = []

    def start_one(
        directory: Path = DIRECTORY,
        flags: tuple[str, ...] = (),
        files_max: int = 0,
        costly: bool = False,
        http: bool = False,
        **limits: int,
    ) -> Site:
        place = tmp_path / f"server-{len(sites)}"
        place.mkdir()
        server = Server(place, directory, LIMITS | limits, files_max=files_max, flags=flags, costly=costly, http=http)
        site = Site(server)
        sites.append(site)
        site.begin()
        return site

    yield start_one
    with ExitStack() as ends:
        for site in sites:
            ends.callback(site.stop)
            ends.callback(site.end)
