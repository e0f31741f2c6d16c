"""SIGTERM drains: everyone is told, and the process ends in time with exit code 0."""

import signal
import socket
import time
from contextlib import ExitStack

import pytest

from tests.blackbox.clients.dial import endpoint_of
from tests.blackbox.clients.kinds import KINDS
from tests.blackbox.logins import PARTNER_7, PARTNER_9, SYSTEM
from tests.blackbox.raw import RawTcp, RawWebSocket, connect_frame, frame
from tests.blackbox.recording import EXCHANGE, of_partner

ALL = f"{EXCHANGE}/#"
DRAIN_S = 10


def stop_and_time(server, number=signal.SIGTERM):
    start = time.monotonic()
    server.signal(number)
    code = server.wait()
    assert time.monotonic() - start < DRAIN_S
    return code


def wait_until_it_refuses(server):
    """It has begun to drain."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(server.ws_address, 1).close()
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError("still accepting")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_everyone_is_told_whatever_they_are_doing(start_server, number):
    server = start_server()
    with ExitStack() as stack:
        peers = [stack.enter_context(RawWebSocket(server.ws_url)) for _ in range(4)]
        plain = stack.enter_context(RawTcp(server.tcp_address))
        idle, behind, publishing, _not_logged_in = peers
        idle.log_in(PARTNER_7)
        plain.log_in(PARTNER_7)
        behind.log_in(PARTNER_9)
        publishing.log_in(SYSTEM)
        behind.send(frame("SUBSCRIBE", id="1", destination=ALL, ack="client", prefetch_count="1", receipt="r"))
        assert behind.frame().command == "RECEIPT"
        for event in of_partner(9):
            publishing.send(frame("SEND", event.body, destination=event.destination))
        assert behind.frame().command == "MESSAGE"
        server.signal(number)
        everyone: list[RawWebSocket | RawTcp] = [*peers, plain]
        for peer in everyone:
            error = peer.frame()
            assert (error.command, error.headers["message"]) == ("ERROR", "Server going away")
            assert b"connect again" in error.body
        assert {peer.closed().code for peer in peers} == {1001}
        plain.closed()
    assert server.wait() == 0


def test_what_was_published_before_the_signal_is_delivered_before_the_error(start_server):
    server = start_server()
    events = of_partner(7)
    with RawWebSocket(server.ws_url) as consumer, RawTcp(server.tcp_address) as publisher:
        consumer.log_in(PARTNER_7)
        publisher.log_in(SYSTEM)
        consumer.send(frame("SUBSCRIBE", id="1", destination=ALL, receipt="r"))
        assert consumer.frame().command == "RECEIPT"
        publisher.send(b"".join(frame("SEND", event.body, destination=event.destination) for event in events))
        publisher.send(frame("BEGIN", transaction="t", receipt="all"))
        assert publisher.frame().command == "RECEIPT"
        server.signal(signal.SIGTERM)
        assert [consumer.frame().body for _ in events] == [event.body for event in events]
        assert consumer.frame().headers["message"] == "Server going away"
    assert server.wait() == 0


def test_a_peer_that_does_not_answer_delays_the_end_and_does_not_prevent_it(start_server):
    server = start_server(HELIOGRAPH_LIMITS_DRAIN_MS_MAX="1000")
    with ExitStack() as stack:
        reading = stack.enter_context(RawWebSocket(server.ws_url))
        reading.log_in(PARTNER_7)
        deaf = stack.enter_context(socket.create_connection(server.tcp_address, 5))
        deaf.sendall(connect_frame(PARTNER_7))  # and never reads
        mute = stack.enter_context(socket.create_connection(server.ws_address, 5))
        mute.sendall(b"GET /ws HTTP/1.1\r\n")  # and no more of the handshake
        assert stop_and_time(server) == 0
        assert reading.frame().headers["message"] == "Server going away"


def test_a_second_signal_ends_at_once(start_server):
    server = start_server()
    with socket.create_connection(server.tcp_address, 5) as deaf:
        deaf.sendall(connect_frame(PARTNER_7))
        server.signal(signal.SIGTERM)
        wait_until_it_refuses(server)
        start = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "is_node", [pytest.param(False, id="python"), pytest.param(True, id="node", marks=pytest.mark.needs_node)]
)
def test_clients_are_told_by_their_error_callback(start_server, is_node):
    server = start_server()
    kinds = [kind for kind in KINDS if kind.needs_node is is_node]
    connections = [kind.dial(endpoint_of(server), *PARTNER_7) for kind in kinds]
    for connection in connections:
        connection.subscribe(ALL)
    assert stop_and_time(server) == 0
    for connection in connections:
        error = connection.error()
        assert error is not None
        assert error.message == "Server going away"
        if not connection.closed.is_set():
            connection.abandon()
