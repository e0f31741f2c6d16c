"""What a receipt means, and publishers that try again."""

from typing import Any

import pytest

from tests.attacks.attacker import stomp_frame
from tests.durable.broker_process import BrokerProcess
from tests.durable.conftest import Start
from tests.durable.people import ACME, NORTHWIND, number_of, numbers_of, pattern, publish, send_frame


def stored(broker: BrokerProcess, camera: int) -> list[int]:
    reader = broker.peer(NORTHWIND)
    reader.subscribe(pattern(camera), x_stream_offset="first")
    found = numbers_of(reader.messages(0.4))
    reader.close()
    return found


def test_what_has_a_receipt_is_there_after_kill_9(start: Start):
    broker = start()
    for number in range(2):
        publisher = broker.peer(ACME)
        publisher.stomp(send_frame(number, 1, receipt="r"))
        publisher.expect_receipt("r")
        broker.kill()
        broker.restart()
        assert stored(broker, 1) == list(range(number + 1))


def test_the_receipt_of_a_transaction_means_all_of_it(start: Start):
    broker = start()
    publisher = broker.peer(ACME)
    publisher.stomp(
        stomp_frame("BEGIN", headers={"transaction": "t"}),
        *(send_frame(n, 1, transaction="t") for n in range(20)),
        stomp_frame("COMMIT", headers={"transaction": "t", "receipt": "done"}),
    )
    publisher.expect_receipt("done")
    broker.kill()
    broker.restart()
    assert stored(broker, 1) == list(range(20))


def test_what_has_no_receipt_is_there_after_sigterm(start: Start):
    broker = start()
    publisher = broker.peer(ACME)
    publisher.stomp(*(send_frame(n, 1) for n in range(500)), stomp_frame("DISCONNECT", headers={"receipt": "bye"}))
    publisher.expect_receipt("bye")
    broker.stop()
    broker.restart()
    assert stored(broker, 1) == list(range(500))


def test_the_receipt_of_an_ack_means_that_it_does_not_come_again(start: Start):
    broker = start()
    consumer = broker.peer(NORTHWIND)
    consumer.subscribe(pattern(1), ack="client-individual", durable="true")
    publish(broker.peer(ACME), 1, [1, 2, 3])
    for message in consumer.messages(count=3)[:2]:
        consumer.frame("ACK", id=message.headers["ack"], receipt=f"a{number_of(message)}")
        consumer.expect_receipt(f"a{number_of(message)}")
    broker.kill()
    broker.restart()
    consumer = broker.peer(NORTHWIND)
    consumer.subscribe(pattern(1), ack="client-individual", durable="true")
    assert numbers_of(consumer.messages(0.4)) == [3]


@pytest.mark.parametrize("headers", [{"x_dedup_id": "attempt-1"}, {"x_dedup": "event-id"}], ids=["id", "event id"])
def test_a_retry_is_receipted_again_and_stored_once(broker: BrokerProcess, camera: int, headers: dict[str, Any]):
    headers = {name: value.replace("1", str(camera)) for name, value in headers.items()}
    publisher = broker.peer(ACME)
    for _ in range(2):  # two at once, then two more when the first is stored
        publisher.stomp(*(send_frame(camera, camera, receipt=f"r{n}", **headers) for n in range(2)))
        publisher.expect_receipt("r0")
        publisher.expect_receipt("r1")
    publisher = broker.peer(ACME)
    publisher.stomp(send_frame(camera, camera, receipt="r", **headers))
    publisher.expect_receipt("r")
    assert stored(broker, camera) == [camera]


def test_without_being_asked_nothing_is_taken_for_a_retry(broker: BrokerProcess, camera: int):
    publisher = broker.peer(ACME)
    publish(publisher, camera, [1])
    publish(publisher, camera, [1])
    assert stored(broker, camera) == [1, 1]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_retry_after_a_restart_is_still_known(start: Start, end: str):
    broker = start()
    for _ in range(2):
        publisher = broker.peer(ACME)
        publisher.stomp(send_frame(1, 1, receipt="r", x_dedup_id="attempt-1"))
        publisher.expect_receipt("r")
        getattr(broker, end)()
        broker.restart()
    assert stored(broker, 1) == [1]


def test_a_publisher_that_is_faster_than_the_disk_is_held_back_and_loses_nothing(start: Start):
    broker = start(uncommitted_bytes_max=10_000)
    publisher = broker.peer(ACME)
    for begin in range(0, 2_000, 500):
        publish(publisher, 1, range(begin, begin + 500))
    assert stored(broker, 1) == list(range(2_000))
