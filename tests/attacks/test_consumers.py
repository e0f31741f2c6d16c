"""Consumers that harm: they never read, never acknowledge, subscribe a thousand times, or give everything back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.attacks.attacker import Attacker, stomp_frame, ws_frame
from tests.attacks.conftest import LIMITS, Site, Start
from tests.attacks.people import BUS, RAW
from tests.attacks.server_process import MIB

PREFETCH_COUNT_DEFAULT, PREFETCH_COUNT_MAX = LIMITS["prefetch_count_default"], LIMITS["prefetch_count_max"]
BODY = "x" * 10_240
#: Events of 10 KiB; the ring of these tests holds some 780 of them, counted twice.
COUNTS = [3_000, pytest.param(100_000, marks=pytest.mark.long)]


def publish(publisher: Attacker, key: str, count: int, body: str = BODY) -> None:
    """``count`` events to RAW, as fast as the server takes them; all are stored when it returns."""
    send = ws_frame(stomp_frame("SEND", body, {"destination": RAW + key, "content-length": len(body)}))
    publisher.socket.settimeout(30)
    batch = max(1, 500_000 // len(send))
    for begin in range(0, count, batch):
        assert publisher.send(send * min(batch, count - begin))
        publisher.frame("SEND", "", destination=RAW + "receipts", receipt="stored")
        publisher.expect_receipt("stored", 20)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
@pytest.mark.parametrize("framing", ["websocket", "tcp"])
def test_a_subscriber_that_never_reads_harms_nobody_and_misses_nothing(
    site: Site, ack: str, framing: str, count: int
) -> None:
    """It becomes a position in the log; when it reads again, it is served from there."""
    stuck = site.log_in(BUS, framing, receive_buffer_bytes=4_096)
    stuck.subscribe(RAW + "never.#", ack=ack)
    reader, publisher = site.log_in(BUS), site.log_in(BUS)
    reader.subscribe(RAW + "never.#", ack="auto")
    with site.server.memory_grows_less_than(64 * MIB):
        for _ in range(0, count, 100):
            publish(publisher, "never.a", 100)
            for _ in range(100):  # the other subscriber misses nothing
                assert reader.expect("MESSAGE", 2).headers["redelivered"] == "false"
    found = stuck.messages(count=count if ack == "auto" else PREFETCH_COUNT_DEFAULT)
    numbers = [int(each.headers["message-id"].rpartition("@@")[2]) for each in found]
    assert numbers == sorted(set(numbers))


def test_a_subscriber_that_reads_again_in_time_misses_nothing(site: Site) -> None:
    stuck = site.log_in(BUS, receive_buffer_bytes=4_096)
    stuck.subscribe(RAW + "again.#")
    publish(site.log_in(BUS), "again.a", 600)
    time.sleep(0.2)
    offsets = [int(found.headers["message-id"].rpartition("@@")[2]) for found in stuck.messages(count=600)]
    assert len(offsets) == 600
    assert offsets == sorted(offsets)
    stuck.expect_nothing(0.05)


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_a_subscriber_that_reads_but_never_acknowledges_is_held_at_its_credit(site: Site, ack: str) -> None:
    idle, publisher = site.log_in(BUS), site.log_in(BUS)
    idle.subscribe(RAW + "idle.#", ack=ack)
    with site.server.memory_grows_less_than(64 * MIB):
        publish(publisher, "idle.a", 2_000)
        delivered = idle.messages(count=PREFETCH_COUNT_DEFAULT)
        idle.expect_nothing(0.1)
    idle.frame("ACK", id=delivered[0].headers["ack"])
    assert len(idle.messages(count=1)) == 1


def test_a_reader_of_a_few_octets_a_second_is_no_better_than_one_of_none(site: Site) -> None:
    slow = site.log_in(BUS, receive_buffer_bytes=4_096)
    slow.subscribe(RAW + "drip.#")
    publisher = site.log_in(BUS)
    with site.server.memory_grows_less_than(64 * MIB):
        for _ in range(30):
            publish(publisher, "drip.a", 100)
            slow.socket.recv(100)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, PREFETCH_COUNT_DEFAULT), (0, PREFETCH_COUNT_MAX), (1, 1), (7, 7), (10**9, PREFETCH_COUNT_MAX),
     (PREFETCH_COUNT_MAX + 1, PREFETCH_COUNT_MAX)],
)  # fmt: skip
@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_unacknowledged_deliveries_end_at_what_was_granted(
    site: Site, asked: int | None, granted: int, ack: str
) -> None:
    peer = site.log_in(BUS)
    more: dict[str, Any] = {} if asked is None else {"prefetch_count": asked}
    peer.subscribe(RAW + "prefetch.#", ack=ack, **more)
    publish(peer2 := site.log_in(BUS), "prefetch.a", 3 * PREFETCH_COUNT_MAX, "x")
    messages = peer.messages(0.1)
    assert len(messages) == granted
    with site.server.memory_grows_less_than(8 * MIB):
        publish(peer2, "prefetch.a", 1_000, "x")
        peer.expect_nothing(0.02)
    peer.frame("ACK", id=messages[0].headers["ack"])
    assert len(peer.messages(0.05)) == 1


@pytest.mark.parametrize("asked", ["-1", "1.5", "all", "", " 1", "1" * 5_000, "\u0661"])
def test_a_prefetch_count_that_is_no_number_is_an_error(site: Site, asked: str) -> None:
    peer = site.log_in(BUS)
    peer.frame("SUBSCRIBE", destination=RAW + "#", id="0", ack="client", prefetch_count=asked)
    closing = peer.wait_closed(1)
    assert closing.message == "Invalid header"
    assert len(closing.detail) < 200


def test_an_event_returned_for_ever_comes_again_for_ever_and_harms_nobody(site: Site) -> None:
    """What ends it is the delivery limit, which comes with the log."""
    peer, publisher = site.log_in(BUS), site.log_in(BUS)
    peer.subscribe(RAW + "poison.#", ack="client-individual", prefetch_count=1)
    publisher.frame("SEND", "poison", destination=RAW + "poison.a")
    with site.server.memory_grows_less_than(4 * MIB):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            peer.frame("NACK", id=peer.expect("MESSAGE").headers["ack"])
    publisher.frame("SEND", "next", destination=RAW + "poison.a")
    peer.frame("NACK", id=peer.expect("MESSAGE").headers["ack"], requeue="false")
    assert peer.expect("MESSAGE").body == b"next"


def test_a_cumulative_nack_of_everything_for_ever_harms_nobody(site: Site) -> None:
    peer, publisher = site.log_in(BUS), site.log_in(BUS)
    peer.subscribe(RAW + "storm.#", ack="client", prefetch_count=PREFETCH_COUNT_MAX)
    publish(publisher, "storm.a", PREFETCH_COUNT_MAX, "x")
    with site.server.memory_grows_less_than(8 * MIB):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            messages = peer.messages(count=PREFETCH_COUNT_MAX)
            peer.frame("NACK", id=messages[-1].headers["ack"])
    offsets = [found.body for found in peer.messages(count=PREFETCH_COUNT_MAX)]
    assert len(offsets) == PREFETCH_COUNT_MAX


def test_subscriptions_with_ids_of_their_own_do_not_multiply_what_an_event_costs(site: Site) -> None:
    """Each id makes a frame of its own; they must not all be kept while a slow subscriber refers to the event."""
    stuck, many, publisher = site.log_in(BUS), site.log_in(BUS), site.log_in(BUS)
    stuck.subscribe(RAW + "ids.#", ack="client", prefetch_count=1)
    for number in range(100):
        many.frame("SUBSCRIBE", destination=RAW + "ids.#", id=f"subscription-{number}")
    many.subscribe(RAW + "none", id="last")
    with site.server.memory_grows_less_than(48 * MIB):
        for _ in range(10):
            publish(publisher, "ids.a", 20)
            assert len(many.messages(count=2_000)) == 2_000


@pytest.mark.parametrize(
    "headers", [{f"h{n}": n for n in range(96)}, {f"h{n}": "x" * 8_000 for n in range(7)}], ids=["many", "long"]
)
def test_the_headers_of_events_that_wait_are_counted_like_their_bodies(site: Site, headers: dict[str, object]) -> None:
    stuck, publisher = site.log_in(BUS), site.log_in(BUS)
    stuck.subscribe(RAW + "headers.#", ack="client", prefetch_count=1)
    destination = {"destination": RAW + "headers.a"}
    with site.server.memory_grows_less_than(64 * MIB):
        for number in range(5_000):  # a new head each time, so nothing is shared
            publisher.stomp(stomp_frame("SEND", "x", {**destination, **headers, "number": number}))
        publisher.frame("SEND", destination=RAW + "none", receipt="stored")
        publisher.expect_receipt("stored", 20)


def test_five_hundred_subscriptions_that_acknowledge_nothing_are_not_held_five_hundred_times(start: Start) -> None:
    site = start(subscriptions_max=500, ring_bytes_max=33_554_432)
    silent = site.log_in(BUS)
    wish = {"destination": RAW + "silent.#", "ack": "client", "prefetch-count": 1}
    silent.stomp(*[stomp_frame("SUBSCRIBE", headers={**wish, "id": number}) for number in range(500)])
    publisher = site.log_in(BUS)
    with site.server.memory_grows_less_than(64 * MIB):
        publish(publisher, "silent.a", 20_000, "x")


def test_as_many_routes_as_keys_to_a_hundred_subscriptions_cost_little(site: Site) -> None:
    """A remembered route refers to every subscription that it leads to."""
    reader, publisher = site.log_in(BUS), site.log_in(BUS)
    for number in range(100):
        reader.frame("SUBSCRIBE", destination=RAW + "routes.#", id=number)
    reader.subscribe(RAW + "none", id="last")
    with site.server.memory_grows_less_than(16 * MIB):
        for begin in range(0, 1_000, 100):
            publisher.stomp(*[
                stomp_frame("SEND", "x", {"destination": f"{RAW}routes.{n}"}) for n in range(begin, begin + 100)
            ])  # fmt: skip
            assert len(reader.messages(count=10_000)) == 10_000
