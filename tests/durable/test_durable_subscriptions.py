"""Subscriptions that outlive their connections: what they keep, who shares them, who may end them."""

import time
from typing import Any

import pytest

from tests.attacks.attacker import Attacker
from tests.durable.broker_process import BrokerProcess
from tests.durable.conftest import Start
from tests.durable.people import (
    ACME,
    CONTOSO,
    EXCHANGE,
    NORTHWIND,
    acknowledge,
    numbers_of,
    pattern,
    publish,
    redelivered,
)

DURABLE = {"durable": "true", "auto_delete": "false"}


def subscribe(peer: Attacker, camera: int, ack: str = "client-individual", id: str = "0", **more: object) -> None:
    peer.subscribe(pattern(camera), id=id, ack=ack, **{**DURABLE, **more})


def left_with_a_backlog(broker: BrokerProcess, camera: int, **more: Any) -> None:
    """A subscriber has seen 1 to 4 and acknowledged 1 and 3; 5 to 9 came when it had gone."""
    consumer, publisher = broker.peer(NORTHWIND), broker.peer(ACME)
    subscribe(consumer, camera, **more)
    publish(publisher, camera, range(1, 5))
    messages = consumer.messages(count=4)
    assert numbers_of(messages) == [1, 2, 3, 4]
    assert redelivered(messages) == [False] * 4
    acknowledge(consumer, messages[0])
    acknowledge(consumer, messages[2])
    consumer.close()
    publish(publisher, camera, range(5, 10))


def test_a_reconnected_subscriber_gets_the_unacknowledged_and_then_the_backlog_in_order(
    broker: BrokerProcess, camera: int
):
    left_with_a_backlog(broker, camera)
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    messages = consumer.messages(count=7)
    assert numbers_of(messages) == [2, 4, 5, 6, 7, 8, 9]
    assert redelivered(messages) == [True, True] + [False] * 5
    consumer.expect_nothing()


def test_what_was_not_acknowledged_is_redelivered_to_ack_auto_too(broker: BrokerProcess, camera: int):
    left_with_a_backlog(broker, camera)
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera, "auto")
    assert redelivered(consumer.messages(count=7)) == [True, True] + [False] * 5


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_subscription_survives_a_restart(start: Start, end: str):
    broker = start()
    left_with_a_backlog(broker, 1)
    getattr(broker, end)()
    broker.restart()
    consumer, publisher = broker.peer(NORTHWIND), broker.peer(ACME)
    subscribe(consumer, 1)
    messages = consumer.messages(count=7)
    assert numbers_of(messages) == [2, 4, 5, 6, 7, 8, 9]
    assert redelivered(messages)[:2] == [True, True]
    if end == "stop":
        assert redelivered(messages)[2:] == [False] * 5
    publish(publisher, 1, [10])
    (message,) = consumer.messages(count=1)
    assert numbers_of([message]) == [10]
    assert redelivered([message]) == [False]


def test_a_subscription_that_nobody_was_connected_to_survives_kill_9(start: Start):
    broker = start()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)  # the receipt says that it is there
    broker.kill()
    broker.restart()
    publish(broker.peer(ACME), 1, [1, 2])
    broker.kill()
    broker.restart()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    assert numbers_of(consumer.messages(count=2)) == [1, 2]


def test_with_ack_auto_nothing_comes_twice_and_the_backlog_is_kept(broker: BrokerProcess, camera: int):
    consumer, publisher = broker.peer(NORTHWIND), broker.peer(ACME)
    subscribe(consumer, camera, "auto")
    publish(publisher, camera, [1, 2])
    assert numbers_of(consumer.messages(count=2)) == [1, 2]
    consumer.close()
    publish(publisher, camera, [3])
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera, "auto")
    assert numbers_of(consumer.messages(count=1)) == [3]
    consumer.expect_nothing()


def test_a_cumulative_acknowledgement_settles_what_came_before(broker: BrokerProcess, camera: int):
    consumer, publisher = broker.peer(NORTHWIND), broker.peer(ACME)
    subscribe(consumer, camera, "client")
    publish(publisher, camera, range(1, 6))
    acknowledge(consumer, consumer.messages(count=5)[2])
    consumer.close()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera, "client")
    assert numbers_of(consumer.messages(count=2)) == [4, 5]
    consumer.expect_nothing()


def test_the_name_is_the_queue_name_whatever_the_id(broker: BrokerProcess, camera: int):
    left_with_a_backlog(broker, camera, x_queue_name=f"alarms-{camera}")
    consumer = broker.peer(NORTHWIND)
    consumer.subscribe(pattern(camera), id="other", ack="client", x_queue_name=f"alarms-{camera}")
    assert numbers_of(consumer.messages(count=7)) == [2, 4, 5, 6, 7, 8, 9]


def test_a_nacked_message_comes_again(broker: BrokerProcess, camera: int):
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera)
    publish(broker.peer(ACME), camera, [1])
    (message,) = consumer.messages(count=1)
    consumer.frame("NACK", id=message.headers["ack"])
    (again,) = consumer.messages(count=1)
    assert numbers_of([again]) == [1]
    assert redelivered([again]) == [True]
    assert again.headers["message-id"] != message.headers["message-id"]
    assert again.headers["x-stream-offset"] == message.headers["x-stream-offset"]


def test_competing_consumers_share_and_a_dead_ones_messages_go_to_the_other(broker: BrokerProcess, camera: int):
    first, second, publisher = broker.peer(NORTHWIND), broker.peer(NORTHWIND), broker.peer(ACME)
    for consumer in (first, second):
        subscribe(consumer, camera, prefetch_count=5)
    publish(publisher, camera, range(1, 11))
    one, two = first.messages(count=5), second.messages(count=5)
    assert sorted(numbers_of(one + two)) == list(range(1, 11))
    first.expect_nothing()
    first.close()
    for message in two:
        second.frame("ACK", id=message.headers["ack"])
    returned = second.messages(count=5)
    assert numbers_of(returned) == numbers_of(one)
    assert redelivered(returned) == [True] * 5
    second.expect_nothing()


def test_another_pattern_for_the_same_name_is_an_error_that_shows_both(broker: BrokerProcess, camera: int):
    subscribe(broker.peer(NORTHWIND), camera, x_queue_name=f"q-{camera}")
    other = broker.peer(NORTHWIND)
    other.frame("SUBSCRIBE", destination=pattern(camera + 1_000_000), id="1", x_queue_name=f"q-{camera}")
    closing = other.wait_closed()
    assert closing.message == "Subscription differs"
    assert pattern(camera) in closing.detail
    assert pattern(camera + 1_000_000) in closing.detail


def test_unsubscribe_with_durable_deletes_and_without_keeps(broker: BrokerProcess, camera: int):
    publisher = broker.peer(ACME)
    for durable, expected in (("false", [1]), ("true", [])):
        consumer = broker.peer(NORTHWIND)
        subscribe(consumer, camera)
        consumer.frame("UNSUBSCRIBE", id="0", durable=durable, receipt="gone")
        consumer.expect_receipt("gone")
        publish(publisher, camera, [1])
        subscribe(consumer, camera)
        assert numbers_of(consumer.messages(0.4)) == expected


def test_a_deleted_subscription_is_gone_after_kill_9(start: Start):
    broker = start()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    consumer.frame("UNSUBSCRIBE", id="0", durable="true", receipt="gone")
    consumer.expect_receipt("gone")
    publish(broker.peer(ACME), 1, [1])
    broker.kill()
    broker.restart()
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    consumer.expect_nothing()


def test_the_other_consumers_of_a_deleted_subscription_are_told(broker: BrokerProcess, camera: int):
    first, second = broker.peer(NORTHWIND), broker.peer(NORTHWIND)
    for consumer in (first, second):
        subscribe(consumer, camera)
    first.frame("UNSUBSCRIBE", id="0", durable="true", receipt="gone")
    first.expect_receipt("gone")
    assert second.wait_closed().message == "Subscription deleted"


def test_partners_with_the_same_name_have_a_subscription_each(broker: BrokerProcess, camera: int):
    publisher = broker.peer(ACME)
    ours, theirs = broker.peer(NORTHWIND), broker.peer(CONTOSO)
    for peer in (ours, theirs):
        peer.subscribe(f"{EXCHANGE}*.*.{camera}.#", ack="client", x_queue_name=f"same-{camera}")
    theirs.frame("UNSUBSCRIBE", id="0", durable="true", receipt="gone")
    theirs.expect_receipt("gone")
    ours.close()
    publish(publisher, camera, [1], partner=7)
    publish(publisher, camera, [2], partner=9)
    ours = broker.peer(NORTHWIND)
    ours.subscribe(f"{EXCHANGE}*.*.{camera}.#", ack="client", x_queue_name=f"same-{camera}")
    assert numbers_of(ours.messages(0.4)) == [1]


def test_a_message_is_not_acknowledged_by_who_does_not_hold_it(broker: BrokerProcess, camera: int):
    first, second = broker.peer(NORTHWIND), broker.peer(NORTHWIND)
    for consumer in (first, second):
        subscribe(consumer, camera, prefetch_count=1)
    publish(broker.peer(ACME), camera, [1])
    holder, other = (first, second) if first.messages(0.4) else (second, first)
    other.frame("ACK", id="T_0@@session-somebody-elses@@1")
    assert other.wait_closed().message == "Subscription not found"
    holder.expect_nothing()


def test_an_older_message_than_the_ttl_is_passed_over(broker: BrokerProcess, camera: int):
    publisher, consumer = broker.peer(ACME), broker.peer(NORTHWIND)
    subscribe(consumer, camera, x_message_ttl=1_000)
    consumer.close()
    publish(publisher, camera, [1])
    time.sleep(1.2)
    publish(publisher, camera, [2])
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, camera, x_message_ttl=1_000)
    assert numbers_of(consumer.messages(0.4)) == [2]


@pytest.mark.parametrize("name", ["x-max-length", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange"])
def test_what_is_not_offered_is_refused_by_name(broker: BrokerProcess, camera: int, name: str):
    consumer = broker.peer(NORTHWIND)
    consumer.frame("SUBSCRIBE", destination=pattern(camera), id="0", durable="true", **{name: 10})
    closing = consumer.wait_closed()
    assert closing.message == "Not supported"
    assert name in closing.detail


def test_unused_for_its_expiry_a_subscription_is_deleted(start: Start):
    broker = start()
    publisher, consumer = broker.peer(ACME), broker.peer(NORTHWIND)
    subscribe(consumer, 1, x_expires=500)
    subscribe(consumer, 2, id="1")
    consumer.close()
    publish(publisher, 1, [1])
    publish(publisher, 2, [2])
    deadline = time.monotonic() + 12
    while "durable subscription expired" not in broker.server.output:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    consumer = broker.peer(NORTHWIND)
    subscribe(consumer, 1)
    subscribe(consumer, 2, id="1")
    assert numbers_of(consumer.messages(0.4)) == [2]
