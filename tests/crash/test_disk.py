"""A disk that takes nothing: publishers get an ERROR and no receipt, readers read on, and room is all it needs."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

from tests.attacks.attacker import Attacker, Closing, StompFrame, ws_frame
from tests.crash.load import Load
from tests.durable.broker_process import BrokerProcess
from tests.durable.people import ACME, NORTHWIND, numbers_of, pattern, publish, send_frame

STOPPED_S = 2.5


def test_a_full_disk_refuses_publishers_and_recovers_without_a_restart(tmp_path: Path):
    """RLIMIT_FSIZE stands for the full disk: what would make a file longer fails."""
    broker = BrokerProcess(tmp_path, preallocated_bytes=4_096, probe_interval_ms=200)
    try:
        publisher, consumer = broker.peer(ACME), broker.peer(NORTHWIND)
        consumer.subscribe(pattern(1), ack="client", durable="true")
        publish(publisher, 1, range(50))
        log = max(
            (tmp_path / "data" / "logs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0
        )
        resource.prlimit(broker.server.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        confirmed, refusal = set(range(50)), None
        for number in range(50, 400):
            publisher.stomp(send_frame(number, 1, receipt=number))
            found = publisher.read()
            if isinstance(found, StompFrame) and found.command == "RECEIPT":
                confirmed.add(number)
                continue
            refusal = found
            break
        assert isinstance(refusal, StompFrame), refusal
        assert refusal.command == "ERROR"
        assert refusal.headers["receipt-id"] == str(number)
        assert isinstance(publisher.wait_closed(), Closing)
        reader = broker.peer(NORTHWIND)
        reader.subscribe(pattern(1), id="r", x_stream_offset="first")
        assert set(numbers_of(reader.messages(0.5))) == confirmed
        refused = broker.peer(ACME)
        refused.stomp(send_frame(1_000, 1, receipt="r"))
        assert refused.wait_closed().error is not None
        resource.prlimit(broker.server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        deadline = time.monotonic() + 10
        while "storage recovered" not in broker.server.output:
            assert time.monotonic() < deadline, "it has not recovered"
            time.sleep(0.05)
        publisher = broker.peer(ACME)
        publish(publisher, 1, [2_000])
        confirmed.add(2_000)
        broker.kill()
        broker.restart()
        reader = broker.peer(NORTHWIND)
        reader.subscribe(pattern(1), id="r", x_stream_offset="first")
        stored = numbers_of(reader.messages(0.5))
        assert confirmed <= set(stored)
        assert len(stored) == len(set(stored))
    finally:
        broker.kill()


def test_a_server_that_was_suspended_goes_on_and_loses_nothing(tmp_path: Path):
    broker = BrokerProcess(tmp_path)
    load = Load(1)
    load.patience_s = STOPPED_S + 5
    try:
        with load.running(broker):
            time.sleep(0.2)
            os.kill(broker.server.pid, signal.SIGSTOP)
            time.sleep(STOPPED_S)
            os.kill(broker.server.pid, signal.SIGCONT)
            before = len(load.confirmed)
            time.sleep(0.3)
            assert len(load.confirmed) > before, "nothing was confirmed after it"
            broker.kill()
        broker.restart()
        load.check(broker)
    finally:
        broker.end()


def test_a_suspended_server_does_not_blame_its_clients_for_the_silence(tmp_path: Path):
    broker = BrokerProcess(tmp_path)
    try:
        publisher = broker.peer(ACME)
        clients = []
        for _ in range(10):
            client = Attacker(broker.server.websocket)
            client.handshake()
            client.connect(*NORTHWIND, heart_beat="1000,0")
            client.subscribe(pattern(1))
            clients.append(client)
        os.kill(broker.server.pid, signal.SIGSTOP)
        end = time.monotonic() + STOPPED_S
        while time.monotonic() < end:
            for client in clients:
                client.send(ws_frame(b"\n"))
            time.sleep(0.5)
        os.kill(broker.server.pid, signal.SIGCONT)
        publish(publisher, 1, [1])
        for client in clients:
            assert numbers_of(client.messages(count=1)) == [1]
            client.close()
    finally:
        broker.end()
