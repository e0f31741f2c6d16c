"""Heart-beats of 1000,1000: who beats stays for as long as it likes, who falls silent is told and closed in seconds."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.clients.connection import Connection, Kind
from tests.blackbox.clients.dial import Dial, endpoint_of
from tests.blackbox.clients.kinds import KINDS
from tests.blackbox.clients.node import NodeProcess
from tests.blackbox.logins import PARTNER_7, SYSTEM
from tests.blackbox.raw import Frame, RawTcp, RawWebSocket, frame
from tests.blackbox.recording import EXCHANGE, of_partner

ALL = f"{EXCHANGE}/#"
BEATING = [kind for kind in KINDS if "beats" in kind.abilities]
BEATS = {"heart_beat_ms": (1000, 1000)}
IDLE_S = 4.0  # twice what is granted to a silent peer
SILENT_S = 3.5  # RabbitMQ takes 3.0; and a busy machine


def stay_idle(dials: list[Dial]) -> None:
    """All kinds at once, since idling takes as long for many as for one."""
    opened: list[tuple[Kind, Connection]] = [(dial.kind, dial(PARTNER_7, **BEATS)) for dial in dials]
    time.sleep(IDLE_S)
    for kind, connection in opened:
        assert connection.is_quiet, (kind.name, connection.error(0))
        connection.fence(ALL)
        assert connection.is_quiet, (kind.name, connection.error(0))


@pytest.fixture
def dial_each(request: pytest.FixtureRequest, server: BrokerProcess) -> Iterator[list[Dial]]:
    dials = [Dial(kind, endpoint_of(server)) for kind in BEATING if kind.needs_node is request.param]
    yield dials
    for dial in dials:
        dial.close()


@pytest.mark.parametrize(
    "dial_each",
    [pytest.param(False, id="python"), pytest.param(True, id="node", marks=pytest.mark.needs_node)],
    indirect=True,
)
def test_an_idle_connection_that_beats_both_ways_stays(dial_each):
    """Each of these clients closes by itself when the server's beats stay away."""
    stay_idle(dial_each)


def test_a_peer_that_falls_silent_gets_an_error_and_a_close(server):
    """Over both listeners, and also while it is being delivered to: what counts is what comes from the peer."""
    with ExitStack() as stack:
        idle = stack.enter_context(RawWebSocket(server.ws_url))
        fed = stack.enter_context(RawWebSocket(server.ws_url))
        plain = stack.enter_context(RawTcp(server.tcp_address))
        publisher = stack.enter_context(RawTcp(server.tcp_address))
        publisher.log_in(SYSTEM)
        for peer in (idle, fed, plain):
            connected = peer.log_in(PARTNER_7, **{"heart-beat": "1000,1000"})
            assert connected.headers["heart-beat"] == "1000,1000"
        fed.send(frame("SUBSCRIBE", id="1", destination=ALL, receipt="r"))
        assert fed.frame().command == "RECEIPT"
        start = time.monotonic()
        event = of_partner(7)[0]
        received: list[Frame] = []
        while not received or received[-1].command == "MESSAGE":
            publisher.send(frame("SEND", event.body, destination=event.destination))
            received.append(fed.frame(SILENT_S))
            assert time.monotonic() - start < SILENT_S
            time.sleep(0.05)
        assert len(received) > 10
        for error in (received[-1], idle.frame(SILENT_S), plain.frame(SILENT_S)):
            assert (error.command, error.headers["message"]) == ("ERROR", "Heart-beat missed")
            assert error.body
        assert idle.closed().code == fed.closed().code == 1002
        plain.closed()
        assert 2.0 <= time.monotonic() - start < SILENT_S


def test_the_server_beats_within_what_the_client_wants(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(PARTNER_7, **{"heart-beat": "0,1000"})
        for _ in range(2):
            assert peer.message(wait_s=2) == "\n"


@pytest.mark.needs_node
def test_a_client_that_is_stopped_is_closed_meanwhile_and_told_when_it_wakes(server):
    process = NodeProcess()
    try:
        kinds = [kind for kind in BEATING if kind.needs_node]
        beats = (1000, 0)  # wanting some too, it would close by itself when it wakes, before it reads the ERROR
        connections = [kind.dial(endpoint_of(server), *PARTNER_7, beats, process=process) for kind in kinds]
        process.freeze()
        try:
            time.sleep(SILENT_S)
        finally:
            process.thaw()
        for connection in connections:
            error = connection.error()
            assert error is not None
            assert error.message == "Heart-beat missed"
            assert connection.closed.wait(5)
    finally:
        process.stop()
