"""A running broker, and clients to dial it with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.clients import node, stompman_
from tests.blackbox.clients.connection import Connection, Endpoint, Kind
from tests.blackbox.logins import Login


class Dial:
    """Opens connections of one kind of client to one broker, and lets go of them at the end."""

    def __init__(self, kind: Kind, endpoint: Endpoint) -> None:
        self.kind = kind
        self.endpoint = endpoint
        self._opened: list[Connection] = []

    def __call__(self, login: Login, **options: object) -> Connection:
        connection = self.kind.dial(self.endpoint, *login, **options)
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._opened:
            if not connection.closed.is_set():
                connection.abandon()


@pytest.fixture
def dial(request: pytest.FixtureRequest, server: BrokerProcess) -> Iterator[Dial]:
    """See ``clients.kinds.every_client``."""
    dial = Dial(request.param, endpoint_of(server))
    yield dial
    dial.close()


def endpoint_of(server: BrokerProcess, ca_file: str | None = None) -> Endpoint:
    return Endpoint(server.ws_url, server.tcp_address, ca_file)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A broker with its defaults, one for all tests."""
    server = BrokerProcess(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., BrokerProcess]]:
    """``start_server(*flags, **variables)``: a broker of the test's own."""
    started: list[BrokerProcess] = []

    def start(*flags: str, **variables: str) -> BrokerProcess:
        room = tmp_path / f"server-{len(started)}"
        room.mkdir()
        started.append(BrokerProcess(room, *flags, **variables))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session", autouse=True)
def _end_of_clients() -> Iterator[None]:
    yield
    node.stop_shared_process()
    stompman_.end_loop()
