"""A server that the tests of this room share, servers of their own for those that kill or limit them, and a camera
for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.durable.broker_process import BrokerProcess

_cameras = count(100)

#: What the fixture ``start`` gives.
Start = Callable[..., BrokerProcess]


@pytest.fixture
def camera() -> int:
    """A camera that no other test has."""
    return next(_cameras)


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path_factory.mktemp("durable"))
    yield broker
    broker.end()


@pytest.fixture
def broker(shared_broker: BrokerProcess) -> Iterator[BrokerProcess]:
    """The shared server; not to be killed."""
    yield shared_broker
    shared_broker.hang_up()
    assert shared_broker.server.alive


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(deliveries_max=2)``: a server of the test's own, with limits; ``flags`` as for the command."""
    with ExitStack() as ends:

        def start_one(flags: tuple[str, ...] = (), **limits: int) -> BrokerProcess:
            broker = BrokerProcess(tmp_path, flags, **limits)
            ends.callback(broker.end)
            return broker

        yield start_one
