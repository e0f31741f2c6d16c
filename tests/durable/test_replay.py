"""Replay: where a subscription begins, and what its MESSAGEs tell of the history they come from."""

import time

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
    number_of,
    numbers_of,
    offset_of,
    pattern,
    publish,
    send_frame,
)


def replay(peer: Attacker, camera: int, start: str, **more: object) -> None:
    peer.subscribe(pattern(camera), x_stream_offset=start, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("durable", ["false", "true"])
def test_first_offset_and_next_begin_where_they_say(broker: BrokerProcess, camera: int, durable: str):
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, camera, range(1, 6))
    replay(reader, camera, "first", id="a", durable=durable)
    messages = reader.messages(count=5)
    assert numbers_of(messages) == [1, 2, 3, 4, 5]
    offsets = [offset_of(message) for message in messages]
    assert offsets == sorted(set(offsets))
    reader.close()
    reader = broker.peer(NORTHWIND)
    replay(reader, camera, f"offset={offsets[2]}", id="b", durable=durable)
    assert numbers_of(reader.messages(count=3)) == [3, 4, 5]
    replay(reader, camera, "next", id="c", durable=durable)
    reader.expect_nothing()
    publish(publisher, camera, [6])
    assert numbers_of(reader.messages(count=2)) == [6, 6]


def test_last_begins_with_the_last_event_of_the_exchange(start: Start):
    broker = start()
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, 1, range(1, 6))
    replay(reader, 1, "last")
    assert numbers_of(reader.messages(0.3)) == [5]
    publish(publisher, 1, [6])
    assert numbers_of(reader.messages(count=1)) == [6]


@pytest.mark.parametrize("form", ["seconds", "iso", "duration"])
def test_a_time_is_the_time_of_receipt(broker: BrokerProcess, camera: int, form: str):
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, camera, [1])
    time.sleep(2.1 - time.time() % 1)  # well into the next second but one
    since = int(time.time())
    publish(publisher, camera, [2, 3])
    asked = {
        "seconds": f"timestamp={since}",
        "iso": "timestamp=" + time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(since)),
        "duration": f"{int((time.time() - since) * 1000)}ms",
    }[form]
    replay(reader, camera, asked)
    messages = reader.messages(count=2)
    assert numbers_of(messages) == [2, 3]
    for message in messages:
        assert since * 1000 <= int(message.headers["x-received-at"]) <= time.time() * 1000


def test_an_hour_back_is_all_of_this_test(broker: BrokerProcess, camera: int):
    publish(broker.peer(ACME), camera, [1, 2])
    reader = broker.peer(NORTHWIND)
    replay(reader, camera, "1h")
    assert numbers_of(reader.messages(count=2)) == [1, 2]


@pytest.mark.parametrize("asked", ["", "yesterday", "offset=", "offset=-1", "offset=x", "timestamp=noon", "1y"])
def test_what_is_no_start_is_an_error(broker: BrokerProcess, camera: int, asked: str):
    peer = broker.peer(NORTHWIND)
    peer.frame("SUBSCRIBE", destination=pattern(camera), id="0", x_stream_offset=asked)
    assert "x-stream-offset" in peer.wait_closed().detail


def test_history_says_so_until_the_live_edge(broker: BrokerProcess, camera: int):
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, camera, [1, 2])
    replay(reader, camera, "first", ack="client")
    history = reader.messages(count=2)
    publish(publisher, camera, [3])
    live = reader.messages(count=1)
    assert [message.headers.get("x-replayed") for message in history + live] == ["true", "true", None]
    assert all("x-stream-offset" in message.headers and "x-received-at" in message.headers for message in live)


def test_nothing_is_lost_or_doubled_where_history_meets_the_live_edge(broker: BrokerProcess, camera: int):
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, camera, range(200))
    publisher.stomp(*(send_frame(n, camera) for n in range(200, 600)))
    reader.frame("SUBSCRIBE", destination=pattern(camera), id="0", x_stream_offset="first")
    publisher.stomp(*(send_frame(n, camera) for n in range(600, 1_000)))
    assert numbers_of(reader.messages(count=1_000)) == list(range(1_000))


def test_a_durable_subscription_is_not_rewound_by_a_reconnect(broker: BrokerProcess, camera: int):
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, camera, [1, 2])
    replay(reader, camera, "first", ack="client", durable="true")
    acknowledge(reader, reader.messages(count=2)[1])
    reader.close()
    reader = broker.peer(NORTHWIND)
    replay(reader, camera, "first", ack="client", durable="true")
    reader.expect_nothing()


def test_an_event_keeps_its_offset_across_redelivery_replay_and_restart(start: Start):
    broker = start()
    reader = broker.peer(NORTHWIND)
    reader.subscribe(pattern(1), id="d", ack="client-individual", durable="true")
    publish(broker.peer(ACME), 1, [1, 2, 3])
    live = {number_of(m): offset_of(m) for m in reader.messages(count=3)}
    times: dict[int, str] = {}
    reader.close()
    for end in ("", "stop", "kill"):
        if end:
            getattr(broker, end)()
            broker.restart()
        reader = broker.peer(NORTHWIND)
        replay(reader, 1, "first", id="r")
        replayed = reader.messages(count=3)
        assert {number_of(m): offset_of(m) for m in replayed} == live
        received = {number_of(m): m.headers["x-received-at"] for m in replayed}
        assert times in ({}, received)
        times = received
        reader = broker.peer(NORTHWIND)
        reader.subscribe(pattern(1), id="d", ack="client-individual", durable="true")
        again = reader.messages(count=3)
        assert {number_of(m): offset_of(m) for m in again} == live
        assert all(m.headers["redelivered"] == "true" for m in again)
        reader.close()


def test_offsets_are_not_used_again_after_kill_9(start: Start):
    broker = start()
    publish(broker.peer(ACME), 1, [1, 2])
    broker.kill()
    broker.restart()
    publish(broker.peer(ACME), 1, [3])
    reader = broker.peer(NORTHWIND)
    replay(reader, 1, "first")
    messages = reader.messages(count=3)
    assert numbers_of(messages) == [1, 2, 3]
    offsets = [offset_of(message) for message in messages]
    assert offsets == sorted(set(offsets))


def test_a_partner_replays_its_own_keys_only(broker: BrokerProcess, camera: int):
    publisher = broker.peer(ACME)
    publish(publisher, camera, [1, 2], partner=7)
    publish(publisher, camera, [3], partner=9)
    for who, prefix, expected in ((NORTHWIND, "7.", [1, 2]), (CONTOSO, "9.", [3])):
        for asked in ("#", f"*.*.{camera}.#", f"7.*.{camera}.#"):
            reader = broker.peer(who)
            reader.subscribe(EXCHANGE + asked, x_stream_offset="first")
            found = reader.messages(0.3)
            assert all(m.headers["destination"].startswith(EXCHANGE + prefix) for m in found)
            of_camera = [number_of(m) for m in found if f".{camera}." in m.headers["destination"]]
            assert of_camera == ([] if who is CONTOSO and asked.startswith("7") else expected)


def test_what_retention_has_removed_is_told_as_a_gap(start: Start):
    broker = start(segment_bytes_max=20_000, log_bytes_max=60_000, preallocated_bytes=4_096)
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    publish(publisher, 1, [0])
    replay(reader, 1, "first")
    first = offset_of(reader.messages(count=1)[0])
    reader.close()
    for begin in range(1, 1_001, 100):
        publish(publisher, 1, range(begin, begin + 100))
    deadline = time.monotonic() + 12
    while True:
        reader = broker.peer(NORTHWIND)
        replay(reader, 1, f"offset={first}")
        messages = reader.messages(0.4)
        if number_of(messages[0]) > 0:
            break
        assert time.monotonic() < deadline, "retention has removed nothing"
        time.sleep(0.5)
    assert messages[0].headers["x-gap"] == f"{first}..{offset_of(messages[0]) - 1}"
    assert not any("x-gap" in message.headers for message in messages[1:])
    assert numbers_of(messages) == list(range(number_of(messages[0]), 1_001))


def test_an_unacknowledged_backlog_is_kept_beyond_the_history_s_retention(start: Start):
    broker = start(segment_bytes_max=20_000, log_bytes_max=60_000, preallocated_bytes=4_096)
    publisher, reader = broker.peer(ACME), broker.peer(NORTHWIND)
    reader.subscribe(pattern(1), ack="client", durable="true")
    reader.close()
    for begin in range(0, 1_000, 100):
        publish(publisher, 1, range(begin, begin + 100))
    time.sleep(6)  # retention has been looked at since
    reader = broker.peer(NORTHWIND)
    reader.subscribe(pattern(1), ack="auto", durable="true")
    messages = reader.messages(count=1_000)
    assert numbers_of(messages) == list(range(1_000))
    assert "x-gap" not in messages[0].headers
