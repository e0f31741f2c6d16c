"""One list of scenarios for every client: what an existing consumer or publisher of the contract relies on."""

import pytest

from tests.blackbox.clients.kinds import every_client
from tests.blackbox.logins import PARTNER_7, PARTNER_9, SYSTEM
from tests.blackbox.recording import EXCHANGE, of_partner, recording

ALL = f"{EXCHANGE}/#"


def publish(publisher, events):
    """All of them are in the broker's hands when this returns."""
    for event in events[:-1]:
        publisher.send(event.destination, event.body)
    publisher.send(events[-1].destination, events[-1].body, confirm=True)


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


@every_client()
def test_each_partner_receives_its_own_events_whole_and_in_order_and_nothing_of_others(dial):
    consumers = {7: dial(PARTNER_7), 9: dial(PARTNER_9)}
    inboxes = {partner: consumer.subscribe(ALL) for partner, consumer in consumers.items()}
    publish(dial(SYSTEM), recording())
    for partner, inbox in inboxes.items():
        due = of_partner(partner)
        deliveries = inbox.take(len(due))
        assert bodies(deliveries) == bodies(due)
        assert [delivery.headers["destination"] for delivery in deliveries] == [event.destination for event in due]
        assert {delivery.headers["content-type"] for delivery in deliveries} == {"application/json"}
        consumers[partner].fence(ALL)
        assert inbox.take_rest() == []


@every_client()
def test_a_pattern_over_the_partner_word_shows_nothing_of_others(dial):
    consumer = dial(PARTNER_9)
    foreign = consumer.subscribe(f"{EXCHANGE}/7.#")
    anyone = consumer.subscribe(f"{EXCHANGE}/*.*.*.create.#")
    publish(dial(SYSTEM), recording())
    assert bodies(anyone.take(len(of_partner(9)))) == bodies(of_partner(9))
    consumer.fence(ALL)
    assert foreign.take_rest() == anyone.take_rest() == []


@every_client()
def test_a_body_beyond_ascii_with_fields_of_its_own_passes_byte_for_byte(dial):
    inbox = dial(PARTNER_7).subscribe(ALL)
    event = of_partner(7)[0]
    body = event.body[:-1] + ', "ort" : "Zürich – 東京 \N{DROMEDARY CAMEL}", "n":1e2 }'.encode()
    dial(SYSTEM).send(event.destination, body, confirm=True)
    assert inbox.one().body == body


@every_client("escapes")
def test_headers_of_the_publisher_pass_whatever_characters_they_hold(dial):
    inbox = dial(PARTNER_7).subscribe(ALL)
    event = of_partner(7)[0]
    headers = {"x-note": "a:b\\ c\nd", "correlation-id": "42", "persistent": "true"}
    dial(SYSTEM).send(event.destination, event.body, headers, confirm=True)
    received = inbox.one().headers
    assert {name: received[name] for name in headers} == headers
    assert "receipt" not in received


@every_client()
def test_ack_client_is_cumulative_and_prefetch_count_bounds_what_is_unacknowledged(dial):
    consumer = dial(PARTNER_7)
    inbox = consumer.subscribe(ALL, "client", prefetch=3)
    events = of_partner(7)[:7]
    publish(dial(SYSTEM), events)
    received = inbox.take(3)
    consumer.fence(ALL)
    assert inbox.take_rest() == []
    consumer.ack(inbox, received[1])  # and the one before
    received += inbox.take(2)
    consumer.fence(ALL)
    assert inbox.take_rest() == []
    consumer.ack(inbox, received[4])
    received += inbox.take(2)
    assert bodies(received) == bodies(events)
    assert not any(delivery.redelivered for delivery in received)


@every_client()
def test_ack_client_individual_settles_one_delivery_alone(dial):
    consumer = dial(PARTNER_7)
    inbox = consumer.subscribe(ALL, "client-individual", prefetch=3)
    events = of_partner(7)[:5]
    publish(dial(SYSTEM), events)
    received = inbox.take(3)
    consumer.ack(inbox, received[2])
    received += inbox.take(1)
    consumer.fence(ALL)
    assert inbox.take_rest() == []  # the first two still count
    consumer.ack(inbox, received[0])
    received += inbox.take(1)
    assert bodies(received) == bodies(events)


@every_client("nack")
def test_nack_brings_the_event_again_marked_as_redelivered(dial):
    consumer = dial(PARTNER_7)
    inbox = consumer.subscribe(ALL, "client-individual", prefetch=2)
    events = of_partner(7)[:2]
    publish(dial(SYSTEM), events)
    first, _ = inbox.take(2)
    consumer.nack(inbox, first)
    again = inbox.one()
    assert (again.body, again.redelivered, first.redelivered) == (first.body, True, False)
    assert again.headers["message-id"] != first.headers["message-id"]
    consumer.ack(inbox, again)
    consumer.fence(ALL)
    assert inbox.take_rest() == []


@every_client("drop")
def test_nack_without_requeue_drops_the_event(dial):
    consumer = dial(PARTNER_7)
    inbox = consumer.subscribe(ALL, "client-individual", prefetch=1)
    events = of_partner(7)[:2]
    publish(dial(SYSTEM), events)
    consumer.nack(inbox, inbox.one(), requeue=False)
    second = inbox.one()
    assert (second.body, second.redelivered) == (events[1].body, False)
    consumer.ack(inbox, second)
    consumer.fence(ALL)
    assert inbox.take_rest() == []


@every_client()
def test_what_is_sent_in_a_transaction_comes_at_commit_and_never_after_abort(dial):
    inbox = dial(PARTNER_7).subscribe(ALL)
    publisher = dial(SYSTEM)
    events = of_partner(7)[:4]
    for finish, event in ((publisher.abort, events[0]), (publisher.commit, events[1])):
        transaction = publisher.begin()
        publisher.send(event.destination, event.body, transaction=transaction)
        finish(transaction)
    transaction = publisher.begin()
    publisher.send(events[3].destination, events[3].body, transaction=transaction)
    publish(publisher, [events[2]])  # outside of it, so before it
    publisher.commit(transaction)
    assert bodies(inbox.take(3)) == bodies(events[1:])


@every_client("settle-in-transaction")
def test_an_ack_in_a_transaction_counts_at_commit_and_not_after_abort(dial):
    consumer = dial(PARTNER_7)
    inbox = consumer.subscribe(ALL, "client-individual", prefetch=1)
    events = of_partner(7)[:2]
    publish(dial(SYSTEM), events)
    first = inbox.one()
    for finish in (consumer.abort, consumer.commit):
        consumer.fence(ALL)
        assert inbox.take_rest() == []
        transaction = consumer.begin()
        consumer.ack(inbox, first, transaction)
        consumer.fence(ALL)
        assert inbox.take_rest() == []
        finish(transaction)
    assert inbox.one().body == events[1].body


@every_client()
def test_unsubscribe_ends_the_deliveries_of_that_subscription_alone(dial):
    consumer = dial(PARTNER_7)
    ended, kept = consumer.subscribe(ALL), consumer.subscribe(ALL)
    publisher = dial(SYSTEM)
    events = of_partner(7)[:2]
    publish(publisher, events[:1])
    assert bodies([ended.one(), kept.one()]) == bodies([events[0], events[0]])
    consumer.unsubscribe(ended)
    consumer.fence(ALL)
    publish(publisher, events[1:])
    assert kept.one().body == events[1].body
    consumer.fence(ALL)
    assert ended.take_rest() == []


@every_client("own-id")
def test_an_id_can_be_used_again_after_unsubscribe(dial):
    consumer = dial(PARTNER_7)
    for event in of_partner(7)[:2]:
        inbox = consumer.subscribe(ALL, subscription_id="again")
        publish(dial(SYSTEM), [event])
        assert inbox.one().body == event.body
        consumer.unsubscribe(inbox)


@every_client()
def test_disconnect_gets_its_receipt_and_a_close_without_an_error(dial):
    consumer = dial(PARTNER_7)
    consumer.subscribe(ALL, "client")
    publish(dial(SYSTEM), of_partner(7)[:3])
    consumer.disconnect()
    assert consumer.error() is None


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
@every_client()
def test_a_new_connection_begins_with_what_is_published_then(dial, ack):
    """Transient: what an earlier connection left unacknowledged ended with it."""
    publisher = dial(SYSTEM)
    events = of_partner(7)[:2]
    first = dial(PARTNER_7)
    inbox = first.subscribe(ALL, ack)
    publish(publisher, events[:1])
    assert inbox.one().body == events[0].body
    first.abandon()
    second = dial(PARTNER_7).subscribe(ALL, ack)
    publish(publisher, events[1:])
    delivery = second.one()
    assert (delivery.body, delivery.redelivered) == (events[1].body, False)
