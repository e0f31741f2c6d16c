"""Consumers that do not read or do not acknowledge: they lengthen their own backlog, and nobody else notices."""

import json
import time

import pytest

from tests.attacks.attacker import Attacker, stomp_frame
from tests.attacks.server_process import MIB
from tests.durable.conftest import Start
from tests.durable.people import ACME, EXCHANGE, NORTHWIND, numbers_of, pattern, publish, send_frame

#: 20 MiB in all, in the memory of nobody.
EVENTS = 2_000
BODY_BYTES = 10_240


def send_large(number: int, camera: int) -> bytes:
    body = {"eventId": number, "type": "personDetected", "timestamp": "2021-05-04T07:10:03.371+0000",
            "source": {"type": "camera", "sourceId": camera, "accountId": 12345}, "note": "x" * BODY_BYTES}  # fmt: skip
    key = f"7.12345.{camera}.create.objectDetected.personDetected"
    return stomp_frame("SEND", json.dumps(body), {"destination": EXCHANGE + key, "receipt": number})


@pytest.mark.parametrize("durable", ["false", "true"])
@pytest.mark.parametrize("ack", ["auto", "client-individual"])
def test_who_never_reads_costs_little_and_gets_everything_later(start: Start, ack: str, durable: str):
    broker = start(ring_bytes_max=4 * MIB, uncommitted_bytes_max=4 * MIB)
    publisher, control = broker.peer(ACME), broker.peer(NORTHWIND)
    slow = Attacker(broker.server.websocket, receive_buffer_bytes=4_096)
    slow.handshake()
    slow.connect(*NORTHWIND)
    slow.subscribe(pattern(1), ack=ack, durable=durable, prefetch_count=5_000)
    control.subscribe(pattern(1))
    worst_s = 0.0
    with broker.server.memory_grows_less_than(64 * MIB):
        for begin in range(0, EVENTS, 100):
            began = time.monotonic()
            publisher.stomp(*(send_large(n, 1) for n in range(begin, begin + 100)))
            for number in range(begin, begin + 100):
                publisher.expect_receipt(str(number))
            assert len(control.messages(count=100)) == 100
            worst_s = max(worst_s, time.monotonic() - began)
    assert worst_s < 2
    expected = EVENTS
    if ack != "auto":  # unacked_bytes_max holds it back until it acknowledges
        expected = 500
    assert numbers_of(slow.messages(count=expected)) == list(range(expected))
    slow.close()


def test_who_never_acknowledges_gets_no_more_than_its_prefetch(start: Start):
    broker = start(prefetch_count_max=20)
    publisher = broker.peer(ACME)
    for number, asked in enumerate((0, 5, 10**9)):
        consumer = broker.peer(NORTHWIND)
        consumer.subscribe(pattern(number), ack="client", durable="true", prefetch_count=asked)
        publish(publisher, number, range(50))
        assert len(consumer.messages(0.4)) == (asked if asked == 5 else 20)


def test_what_is_unsettled_is_capped_and_feeding_goes_on_after_it_is_settled(start: Start):
    broker = start(pending_max=10)
    publisher, consumer = broker.peer(ACME), broker.peer(NORTHWIND)
    consumer.subscribe(pattern(1), ack="client", durable="true", prefetch_count=100)
    publish(publisher, 1, range(25))
    seen: list[int] = []
    while len(seen) < 25:
        messages = consumer.messages(0.4)
        assert 0 < len(messages) <= 10
        seen += numbers_of(messages)
        consumer.frame("ACK", id=messages[-1].headers["ack"])
    assert seen == list(range(25))


def test_a_connection_that_comes_and_goes_leaves_nothing_behind(start: Start):
    broker = start()
    publisher = broker.peer(ACME)
    broker.peer(NORTHWIND).close()
    with broker.server.gives_back_its_sockets():
        for number in range(20):
            consumer = broker.peer(NORTHWIND)
            consumer.subscribe(pattern(1), ack="client", durable="true")
            publisher.stomp(send_frame(number, 1, receipt="r"))
            publisher.expect_receipt("r")
            assert numbers_of(consumer.messages(count=number + 1)) == list(range(number + 1))
            consumer.close()
