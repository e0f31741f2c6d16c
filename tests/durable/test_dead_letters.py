"""What cannot be processed: dead letters, the delivery limit, and consumers that are too slow."""

from tests.attacks.attacker import Attacker, StompFrame
from tests.durable.broker_process import BrokerProcess
from tests.durable.conftest import Start
from tests.durable.people import (
    ACME,
    CONTOSO,
    NORTHWIND,
    acknowledge,
    numbers_of,
    offset_of,
    pattern,
    publish,
    redelivered,
)


def subscribe(peer: Attacker, camera: int, **more: object) -> None:
    peer.subscribe(pattern(camera), **{"ack": "client-individual", "x_queue_name": f"q-{camera}", **more})  # type: ignore[arg-type]


def dead_letters(broker: BrokerProcess, camera: int, seconds: float = 0.4) -> tuple[Attacker, list[StompFrame]]:
    reader = broker.peer(NORTHWIND)
    subscribe(reader, camera, id="dead", x_dead_letter="true")
    return reader, reader.messages(seconds)


def test_a_rejected_message_is_a_dead_letter_and_an_ack_purges_it(broker: BrokerProcess, camera: int):
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    publish(broker.peer(ACME), camera, [1, 2, 3])
    messages = consumer.messages(count=3)
    acknowledge(consumer, messages[1], "NACK", requeue="false")
    consumer.expect_nothing()
    reader, letters = dead_letters(broker, camera)
    assert numbers_of(letters) == [2]
    assert redelivered(letters) == [True]
    assert offset_of(letters[0]) == offset_of(messages[1])
    acknowledge(reader, letters[0])
    assert dead_letters(broker, camera)[1] == []


def test_a_dead_letter_is_there_until_it_is_settled(broker: BrokerProcess, camera: int):
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    publish(broker.peer(ACME), camera, [1])
    acknowledge(consumer, consumer.messages(count=1)[0], "NACK", requeue="false")
    for _ in range(2):
        reader, letters = dead_letters(broker, camera)
        assert numbers_of(letters) == [1]
        reader.close()


def test_a_nacked_dead_letter_goes_back_to_its_subscription(broker: BrokerProcess, camera: int):
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    publish(broker.peer(ACME), camera, [1])
    acknowledge(consumer, consumer.messages(count=1)[0], "NACK", requeue="false")
    reader, letters = dead_letters(broker, camera)
    acknowledge(reader, letters[0], "NACK")
    again = consumer.messages(count=1)
    assert numbers_of(again) == [1]
    assert dead_letters(broker, camera)[1] == []
    acknowledge(consumer, again[0])
    consumer.expect_nothing()


def test_dead_letters_survive_kill_9(start: Start):
    broker = start()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    publish(broker.peer(ACME), 1, [1, 2])
    acknowledge(consumer, consumer.messages(count=2)[0], "NACK", requeue="false")
    broker.kill()
    broker.restart()
    reader, letters = dead_letters(broker, 1)
    assert numbers_of(letters) == [1]
    acknowledge(reader, letters[0])
    broker.kill()
    broker.restart()
    assert dead_letters(broker, 1)[1] == []
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    assert numbers_of(consumer.messages(0.4)) == [2]


def test_another_partner_does_not_read_them(broker: BrokerProcess, camera: int):
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    publish(broker.peer(ACME), camera, [1])
    acknowledge(consumer, consumer.messages(count=1)[0], "NACK", requeue="false")
    stranger = broker.peer(CONTOSO)
    stranger.frame("SUBSCRIBE", destination=pattern(camera), id="0", x_queue_name=f"q-{camera}", x_dead_letter="true")
    assert stranger.wait_closed().message == "No durable subscription"


def test_to_stop_reading_them_never_deletes_the_subscription(broker: BrokerProcess, camera: int):
    consumer, publisher = broker.peer(NORTHWIND), broker.peer(ACME)
    subscribe(consumer, camera)
    publish(publisher, camera, [1])
    acknowledge(consumer, consumer.messages(count=1)[0], "NACK", requeue="false")
    reader, _ = dead_letters(broker, camera)
    reader.frame("UNSUBSCRIBE", id="dead", durable="true", receipt="gone")
    reader.expect_receipt("gone")
    publish(publisher, camera, [2])
    assert numbers_of(consumer.messages(count=1)) == [2]
    assert numbers_of(dead_letters(broker, camera)[1]) == [1]


def test_what_comes_back_too_often_is_a_dead_letter(start: Start):
    broker = start(deliveries_max=4)
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    publish(broker.peer(ACME), 1, [1, 2])
    poison, other = consumer.messages(count=2)
    acknowledge(consumer, other)
    deliveries = 1
    while True:
        consumer.frame("NACK", id=poison.headers["ack"])
        again = consumer.messages(0.4)
        if not again:
            break
        (poison,) = again
        assert numbers_of(again) == [1]
        deliveries += 1
    assert deliveries == 4
    assert numbers_of(dead_letters(broker, 1)[1]) == [1]


def test_a_consumer_that_never_acknowledges_is_told_and_another_gets_it(start: Start):
    broker = start(consumer_timeout_ms_max=1_000)
    slow, other = broker.peer(NORTHWIND), broker.peer(NORTHWIND)
    subscribe(slow, 1)
    publish(broker.peer(ACME), 1, [1])
    assert numbers_of(slow.messages(count=1)) == [1]
    subscribe(other, 1)
    again = other.messages(10, count=1)
    assert numbers_of(again) == [1]
    assert redelivered(again) == [True]
    acknowledge(other, again[0])
    closing = slow.wait_closed()
    assert closing.message == "Consumer timed out"
    assert "consumer_timeout_ms_max" in closing.detail
