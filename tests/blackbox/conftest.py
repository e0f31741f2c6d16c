"""A running broker, and clients to dial it with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.clients import node, stompman_
from tests.blackbox.clients.dial import Dial, endpoint_of


@pytest.fixture
def dial(request: pytest.FixtureRequest, server: BrokerProcess) -> Iterator[Dial]:
    """See ``clients.kinds.every_client``."""
    dial = Dial(request.param, endpoint_of(server))
    yield dial
    dial.close()


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
