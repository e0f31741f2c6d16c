"""One connection with everything real behind it: the verbs, their answers, and the order of what leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.errors import ServerError
from heliograph.server.outbox import Outbox
from heliograph.server.stomp.outlet import ack_prefix
from heliograph.stomp.client_session import ClientSession, Delivery
from heliograph.stomp.heartbeat import HeartBeat
from tests.in_memory import (
    OTHER_PARTNER,
    PARTNER,
    SERVICE,
    SYSTEM,
    Peer,
    Site,
    face,
    frame,
    open_site,
)

RAW = "/exchange/acme_raw/"
FACE = "/exchange/acme_face_v24/"


def commands(peer: Peer) -> list[str]:
    return [received.command for received in peer.heard()]


def bodies(peer: Peer) -> list[bytes]:
    return [received.body for received in peer.heard() if received.command == "MESSAGE"]


async def subscriber(site: Site, **headers: object) -> Peer:
    """A service that sees all of acme_raw."""
    peer = await site.connect(SERVICE)
    peer.send("SUBSCRIBE", **({"id": "0", "destination": RAW + "#"} | headers))
    return peer


async def publish(site: Site, *bodies: bytes, key: str = "a", **headers: object) -> None:
    peer = await site.connect(SERVICE)
    for body in bodies:
        peer.send("SEND", body, destination=RAW + key, content_length=len(body), **headers)
    assert peer.heard() == []
    await site.turn()
    peer.gone()


# --- logging in


async def test_connect_is_answered_with_version_session_and_heart_beats(site: Site) -> None:
    peer = site.open()
    login, passcode = PARTNER
    peer.send("CONNECT", accept_version="1.0,1.1,1.2", heart_beat="5000,0", login=login, passcode=passcode)
    await site.answered(peer)
    (connected,) = peer.heard()
    assert connected.command == "CONNECTED"
    assert connected.headers["version"] == "1.2"
    assert connected.headers["heart-beat"] == "0,5000"
    assert re.fullmatch(r"session-[A-Za-z0-9_-]{22}", connected.headers["session"])
    assert connected.headers["server"].startswith("heliograph/")


async def test_what_follows_connect_without_waiting_is_done_after_it(site: Site) -> None:
    peer = site.open(SERVICE)
    peer.say(
        frame("STOMP", accept_version="1.2")
        + frame("SUBSCRIBE", id="0", destination=RAW + "#", receipt="1")
        + frame("SEND", b"x", destination=RAW + "a", receipt="2")
    )
    peer.say(b"")
    peer.say(frame("BEGIN", transaction="t", receipt="3"))
    await site.answered(peer)
    await site.turn()
    heard = peer.heard()
    assert heard[0].command == "CONNECTED"
    assert [each.headers["receipt-id"] for each in heard if each.command == "RECEIPT"] == ["1", "3", "2"]
    assert sorted(each.command for each in heard[1:]) == ["MESSAGE", "RECEIPT", "RECEIPT", "RECEIPT"]


@pytest.mark.parametrize("who", [(PARTNER[0], "wrong"), ("nobody", "x"), (SYSTEM[0], PARTNER[1]), ("", "")])
async def test_wrong_credentials_are_an_error_and_tell_nothing(site: Site, who: tuple[str, str]) -> None:
    peer = site.open(who)
    peer.send("CONNECT", accept_version="1.2")
    await site.answered(peer)
    error = peer.error()
    assert error.headers["message"] == "Bad CONNECT"
    assert error.body.decode() == f"Access refused for user '{who[0]}'"
    assert peer.link.closed == (1008, "Bad CONNECT")


async def test_the_socket_is_read_during_a_login_and_after_a_failed_one_so_that_its_end_is_noticed(site: Site) -> None:
    peer = site.open((PARTNER[0], "wrong"))
    peer.send("CONNECT", accept_version="1.2")
    assert peer.link.reading
    await site.answered(peer)
    assert peer.link.reading


async def test_without_credentials_the_error_says_where_they_go(site: Site) -> None:
    peer = site.open()
    peer.send("CONNECT", accept_version="1.2")
    error = peer.error()
    assert error.headers["message"] == "Bad CONNECT"
    assert b"Authorization: Basic" in error.body
    assert b"passcode" in error.body


async def test_the_credentials_of_connect_come_before_those_of_the_handshake(site: Site) -> None:
    peer = site.open(("nobody", "x"))
    peer.send("CONNECT", accept_version="1.2", login=PARTNER[0], passcode=PARTNER[1])
    await site.answered(peer)
    assert commands(peer) == ["CONNECTED"]


async def test_a_peer_that_goes_while_logging_in_leaves_nothing_behind(site: Site) -> None:
    peer = site.open(PARTNER)
    peer.send("CONNECT", accept_version="1.2")
    peer.gone()
    await site.turn()
    assert len(site.hub.connections) == 0
    assert peer.link.writes == []


async def test_who_does_not_log_in_in_time_is_told() -> None:
    async with open_site(login_ms_max=100) as site:
        for said in (b"", b"CONNECT\naccept-version:1.2\n", frame("CONNECT", accept_version="1.2")):
            peer = site.open(PARTNER)
            peer.say(said)
            start = peer.connection.opened_s
            peer.connection.tick(start + 0.09, 0.2)
            assert peer.link.closed is None
            peer.connection.tick(start + 0.11, 0.2)
            assert peer.error().headers["message"] == "Login timed out"
            await site.turn()
            assert peer.link.writes[1:] == []


async def test_a_login_that_ends_too_late_changes_nothing(site: Site) -> None:
    peer = site.open(PARTNER)
    peer.send("CONNECT", accept_version="1.2")
    peer.connection.fail(ServerError("Server going away"))
    for _ in range(20):
        await site.turn()
    assert commands(peer) == ["ERROR"]


# --- publishing and delivering


async def test_a_message_has_the_ids_the_real_key_the_publishers_headers_and_the_body_as_it_came(site: Site) -> None:
    peer = await subscriber(site)
    await publish(site, b"\0\xff", key="a.b", foo="bar", content_type="x/y", persistent="true", transaction_id="1")
    (message,) = peer.heard()
    assert [line.split(b":")[0] for line in message.lines] == [
        b"subscription", b"message-id", b"redelivered", b"destination", b"foo", b"persistent", b"transaction-id",
        b"content-type", b"content-length",
    ]  # fmt: skip
    assert message.headers == {
        "subscription": "0",
        "message-id": "acme_raw@@1",
        "redelivered": "false",
        "destination": "/exchange/acme_raw/a.b",
        "foo": "bar",
        "persistent": "true",
        "transaction-id": "1",
        "content-type": "x/y",
        "content-length": "2",
    }
    assert message.body == b"\0\xff"


@pytest.mark.parametrize(("headers", "tag"), [({"id": "my:id"}, "T_my:id"), ({}, f"Q_{RAW}#")])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
async def test_where_an_ack_is_wanted_message_id_and_ack_are_the_same(
    site: Site, headers: dict[str, str], tag: str, mode: str
) -> None:
    peer = await site.connect(SERVICE)
    peer.say(frame("SUBSCRIBE", destination=RAW + "#", ack=mode, **headers).replace(b"my:id", b"my\\cid"))
    await publish(site, b"1", b"2")
    messages = peer.heard()
    session = peer.connection.session.id
    assert [message.headers["ack"] for message in messages] == [f"{tag}@@{session}@@{n}" for n in (1, 2)]
    assert all(message.headers["message-id"] == message.headers["ack"] for message in messages)
    assert all(message.headers.get("subscription") == headers.get("id") for message in messages)


@pytest.mark.parametrize("publisher", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_no_header_of_one_version_becomes_another_header_in_another(
    site: Site, publisher: str, version: str
) -> None:
    peer = await site.connect(SERVICE, version)
    peer.send("SUBSCRIBE", id="0", destination=RAW + "#")
    sender = await site.connect(SERVICE, publisher)
    sent = b"SEND\ndestination:/exchange/acme_raw/a\nv:x\\n\\c\\\\y\nuser-id\\c:admin\ncontent-length:0\n\n\0"
    sender.say(sent)
    await site.turn()
    (message,) = peer.heard()
    names = [line.split(b":")[0] for line in message.lines]
    assert len(names) == len(set(names)) == 7
    assert b"user-id" not in names
    if publisher == version == "1.2":
        assert message.headers["v"] == "x\n:\\y"
        assert message.headers["user-id:"] == "admin"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_the_largest_head_that_may_be_sent_can_be_read_by_our_own_client(site: Site, version: str) -> None:
    """A MESSAGE has more headers than its SEND, and escapes make them longer."""
    limits = site.hub.limits
    client = ClientSession(limits)
    client.connect("here", HeartBeat())
    client.receive(b"CONNECTED\nversion:1.2\n\n\0\n")
    peer = await subscriber(site, id="i" * limits.subscription_id_bytes_max, ack="client")
    sender = await site.connect(SERVICE, version)
    long = [b"h%02d:" % number + b":" * (limits.header_line_bytes_max - 4) for number in range(7)]
    short = [b"k%02d:" % number for number in range(limits.header_count_max - 8)]
    sender.say(b"SEND\ndestination:/exchange/acme_raw/a\n" + b"\n".join(long + short) + b"\n\n\0")
    assert sender.heard() == []
    await site.turn()
    (delivery,) = client.receive(peer.octets())
    assert isinstance(delivery, Delivery)
    assert len(delivery.headers) > limits.header_count_max


async def test_the_same_frame_for_all_who_gave_the_same_id_is_encoded_once(site: Site) -> None:
    peers = [await subscriber(site) for _ in range(5)]
    written: list[bytes] = []
    for peer in peers:
        peer.link.on_write = written.append
    await publish(site, b"x" * 1_000)
    assert len(written) == 5
    assert len(set(map(id, written))) == 1


async def test_frames_kept_for_sharing_do_not_add_up_when_every_id_is_another(site: Site) -> None:
    """stompman gives every subscription an id of its own; an event must not hold a copy of itself for each."""
    kept: list[dict[Any, bytes]] = []
    for number in range(40):
        peer = await subscriber(site, id=f"unique-{number}")
        outlet = peer.connection.by_ack_prefix[ack_prefix(f"T_unique-{number}", peer.connection.session)]
        take = outlet.subscription.take

        def spy(bytes_max: int, take: Any = take) -> list[Any]:
            events = take(bytes_max)
            kept.extend(event.encoded for event in events)
            return list(events)

        outlet.subscription = _Spied(outlet.subscription, spy)  # type: ignore[assignment]
    await publish(site, b"x" * 1_000)
    assert len(kept) == 40
    assert max(map(len, kept)) <= 16


class _Spied:
    """A subscription whose ``take`` is looked at."""

    def __init__(self, subscription: Any, take: Any) -> None:
        self._subscription = subscription
        self.take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subscription, name)


async def test_all_that_leaves_in_one_turn_leaves_in_one_write(site: Site) -> None:
    peer = await subscriber(site)
    peer.send("SUBSCRIBE", id="1", destination=RAW + "a")
    peer.heard()
    count = len(peer.link.writes)
    await publish(site, *(b"%d" % number for number in range(20)))
    assert len(peer.heard()) == 40
    assert len(peer.link.writes) <= count + 2


async def test_a_write_holds_little_and_subscriptions_take_turns() -> None:
    async with open_site(write_bytes_max=10_000) as site:
        peer = await subscriber(site)
        peer.send("SUBSCRIBE", id="1", destination=RAW + "a")
        sender = await site.connect(SERVICE)
        for number in range(100):
            sender.send("SEND", b"%03d" % number + b"x" * 3_000, destination=RAW + "a")
        for _ in range(100):
            await site.turn()
        assert max(map(len, peer.link.writes)) < 20_000
        messages = peer.heard()
        for name in "01":
            assert [message.body[:3] for message in messages if message.headers["subscription"] == name] == [
                b"%03d" % number for number in range(100)
            ]
        assert {message.headers["subscription"] for message in messages[:50]} == {"0", "1"}


async def test_a_publisher_gets_its_receipt_once_the_event_is_stored(site: Site) -> None:
    peer = await site.connect(SYSTEM)
    peer.send("SEND", face(), destination=FACE + "7.12345.create", receipt="r:1")
    assert peer.heard() == [], "it is not on disk"
    await site.turn()
    (receipt,) = peer.heard()
    assert (receipt.command, receipt.headers) == ("RECEIPT", {"receipt-id": "r:1"})


async def test_receipts_come_in_the_order_of_their_frames_but_for_those_that_wait_for_the_disk(site: Site) -> None:
    """The subscription's before its first message; that of DISCONNECT last of all."""
    peer = await site.connect(SERVICE)
    peer.say(
        frame("SUBSCRIBE", id="0", destination=RAW + "#", receipt="1"),
        frame("SEND", b"x", destination=RAW + "a", receipt="a"),
        frame("BEGIN", transaction="t", receipt="2"),
        frame("SEND", b"x", destination=RAW + "a", receipt="b"),
        frame("ABORT", transaction="t", receipt="3"),
        frame("UNSUBSCRIBE", id="0", receipt="4"),
        frame("SEND", b"x", destination=RAW + "a", receipt="c"),
        frame("DISCONNECT", receipt="6"),
    )
    heard = peer.heard()
    assert heard[0].command == "RECEIPT"
    assert peer.link.closed is None
    peer.send("SEND", b"x", destination=RAW + "a", receipt="late")
    peer.connection.tick(peer.connection.opened_s + 1e6, 0.2)
    await site.turn()
    heard += peer.heard()
    assert [each.headers.get("receipt-id") for each in heard if each.command == "RECEIPT"] == list("1234abc6")
    assert heard[-1].headers.get("receipt-id") == "6"
    assert peer.link.closed == (1000, "")


# --- unacknowledged


def ack_ids(peer: Peer) -> list[str]:
    return [message.headers["ack"] for message in peer.heard()]


async def test_credit_is_what_is_not_acknowledged_and_ack_client_is_cumulative(site: Site) -> None:
    peer = await subscriber(site, ack="client", prefetch_count=3)
    await publish(site, *(b"%d" % number for number in range(10)))
    first = ack_ids(peer)
    assert len(first) == 3
    peer.send("ACK", id=first[1])
    second = ack_ids(peer)
    assert len(second) == 2
    peer.send("ACK", id=second[-1])
    assert bodies(peer) == [b"5", b"6", b"7"]


async def test_client_individual_settles_one_delivery(site: Site) -> None:
    peer = await subscriber(site, ack="client-individual", prefetch_count=3)
    await publish(site, *(b"%d" % number for number in range(10)))
    first = ack_ids(peer)
    peer.send("ACK", id=first[2])
    assert bodies(peer) == [b"3"]
    peer.send("ACK", id=first[0])
    assert bodies(peer) == [b"4"]


async def test_nack_brings_the_event_again_first_and_marked_with_a_new_id(site: Site) -> None:
    peer = await subscriber(site, ack="client-individual", prefetch_count=2)
    await publish(site, b"0", b"1", b"2")
    ids = ack_ids(peer)
    peer.send("NACK", id=ids[0], receipt="n")
    receipt, again = peer.heard()
    assert receipt.headers == {"receipt-id": "n"}
    assert (again.body, again.headers["redelivered"]) == (b"0", "true")
    assert again.headers["ack"] not in ids
    peer.send("NACK", id=again.headers["ack"], requeue="false")
    (fresh,) = peer.heard()
    assert (fresh.body, fresh.headers["redelivered"]) == (b"2", "false")


async def test_nack_of_client_is_cumulative_and_comes_back_in_order(site: Site) -> None:
    peer = await subscriber(site, ack="client", prefetch_count=3)
    await publish(site, b"0", b"1", b"2", b"3")
    ids = ack_ids(peer)
    peer.send("NACK", id=ids[1])
    assert [(each.body, each.headers["redelivered"]) for each in peer.heard()] == [(b"0", "true"), (b"1", "true")]


@pytest.mark.parametrize("mode", ["client", "client-individual"])
@pytest.mark.parametrize("verb", ["ACK", "NACK"])
async def test_an_acknowledgement_that_names_nothing_is_an_error(site: Site, mode: str, verb: str) -> None:
    foreign = await subscriber(site, ack=mode)
    await publish(site, b"0")
    (foreign_id,) = ack_ids(foreign)
    for bad, message in {
        foreign_id: "Subscription not found",
        "T_0@@{session}@@99": "Subscription not found",
        "T_0@@{session}@@0": "Subscription not found",
        "T_1@@{session}@@1": "Subscription not found",
        "acme_raw@@100": "Subscription not found",
        "T_0@@{session}@@": "Invalid header",
        "T_0@@{session}@@-1": "Invalid header",
        "T_0@@{session}@@١": "Invalid header",
        "T_0@@{session}@@" + "9" * 30: "Invalid header",
        "nonsense": "Invalid header",
        "": "Invalid header",
        "@@": "Invalid header",
    }.items():
        peer = await subscriber(site, ack=mode)
        peer.send(verb, id=bad.replace("{session}", peer.connection.session.id), receipt="r")
        error = peer.error()
        assert error.headers["message"] == message, bad
        assert error.headers["receipt-id"] == "r"
    foreign.send("ACK", id=foreign_id, receipt="mine")
    assert commands(foreign) == ["RECEIPT"]


async def test_a_delivery_is_acknowledged_once(site: Site) -> None:
    peer = await subscriber(site, ack="client")
    await publish(site, b"0", b"1")
    ids = ack_ids(peer)
    peer.send("ACK", id=ids[1])
    peer.send("ACK", id=ids[0])
    assert b"acknowledged already" in peer.error().body


async def test_an_ack_after_unsubscribe_is_an_error_even_when_the_id_is_used_again(site: Site) -> None:
    peer = await subscriber(site, ack="client")
    await publish(site, b"0")
    (old,) = ack_ids(peer)
    peer.send("UNSUBSCRIBE", id="0")
    peer.send("SUBSCRIBE", id="0", destination=RAW + "#", ack="client")
    await publish(site, b"1")
    (new,) = ack_ids(peer)
    assert new != old
    peer.send("ACK", id=old)
    assert peer.error().headers["message"] == "Subscription not found"


async def test_what_one_connection_left_unacknowledged_is_gone_with_it(site: Site) -> None:
    peer = await subscriber(site, ack="client")
    await publish(site, b"0")
    peer.gone()
    other = await subscriber(site, ack="client")
    assert bodies(other) == []
    await publish(site, b"1")
    assert bodies(other) == [b"1"]


async def test_the_deliveries_of_a_session_are_numbered_through(site: Site) -> None:
    peer = await subscriber(site, ack="client")
    peer.send("SUBSCRIBE", id="1", destination=RAW + "#", ack="client-individual")
    await publish(site, b"0", b"1")
    assert sorted(int(ack.rpartition("@@")[2]) for ack in ack_ids(peer)) == [1, 2, 3, 4]


# --- transactions


async def test_a_commit_does_all_and_gives_one_receipt(site: Site) -> None:
    peer = await subscriber(site, ack="client-individual", prefetch_count=1)
    await publish(site, b"0")
    (ack,) = ack_ids(peer)
    peer.say(
        frame("BEGIN", transaction="t"),
        frame("SEND", b"1", destination=RAW + "a", transaction="t"),
        frame("ACK", id=ack, transaction="t"),
        frame("SEND", b"2", destination=RAW + "a", transaction="t"),
    )
    await site.turn()
    assert peer.heard() == []
    peer.send("COMMIT", transaction="t", receipt="c")
    await site.turn()
    message, receipt = peer.heard()
    assert receipt.headers == {"receipt-id": "c"}
    assert message.body == b"1"
    assert "transaction" not in message.headers


@pytest.mark.parametrize(
    "bad",
    [
        frame("SEND", b"x", destination="/exchange/acme_face_v24/7.12345.create", transaction="t"),
        frame("SEND", b"x", destination="/exchange/nosuch/a", transaction="t"),
        frame("SEND", b"x", destination="/nosuch", transaction="t"),
        frame("ACK", id="T_0@@{session}@@7", transaction="t"),
        frame("NACK", id="{ack}", transaction="t") * 2,
    ],
)
async def test_a_commit_does_nothing_when_one_part_cannot_be_done(site: Site, bad: bytes) -> None:
    peer, observer = await subscriber(site, ack="client-individual"), await subscriber(site)
    await publish(site, b"0")
    (ack,) = ack_ids(peer)
    observer.heard()
    peer.say(
        frame("BEGIN", transaction="t"),
        frame("SEND", b"1", destination=RAW + "a", transaction="t"),
        bad.replace(b"{session}", peer.connection.session.id.encode()).replace(b"{ack}", ack.encode()),
        frame("COMMIT", transaction="t", receipt="c"),
    )
    assert peer.error().headers["receipt-id"] == "c"
    await site.turn()
    assert observer.heard() == []


async def test_an_aborted_or_abandoned_transaction_does_nothing(site: Site) -> None:
    observer = await subscriber(site)
    peer = await site.connect(SERVICE)
    peer.say(
        frame("BEGIN", transaction="t"),
        frame("SEND", b"1", destination=RAW + "a", transaction="t"),
        frame("ABORT", transaction="t", receipt="a"),
        frame("BEGIN", transaction="u"),
        frame("SEND", b"1", destination=RAW + "a", transaction="u"),
        frame("DISCONNECT", receipt="d"),
    )
    assert commands(peer) == ["RECEIPT", "RECEIPT"]
    await site.turn()
    assert observer.heard() == []


# --- errors


@pytest.mark.parametrize(
    ("said", "message", "part"),
    [
        (frame("SUBSCRIBE", id="1", destination="/nosuch/x"), "Unknown destination", "'/nosuch/x'"),
        (frame("SUBSCRIBE", id="1", destination="/exchange/nosuch/#"), "Access refused", "'nosuch'"),
        (frame("SUBSCRIBE", id="1", destination=FACE + "a*"), "Invalid pattern", "whole word"),
        (frame("SUBSCRIBE", destination=FACE + "#", durable="true"), "Missing header", "durable SUBSCRIBE"),
        (frame("SUBSCRIBE", id="1", destination=FACE + "#", x_stream_offset="?"), "Invalid header", "x-stream-offset"),
        (frame("SUBSCRIBE", id="1", destination=FACE + "#", x_max_length="9"), "Not supported", "x-max-length"),
        (frame("SUBSCRIBE", id="1", destination=FACE + "#", x_expires="9"), "Invalid header", "durable:true"),
        (frame("SEND", b"{}", destination=FACE + "7.12345.create"), "Access refused", "only systems and services"),
        (frame("UNSUBSCRIBE", id="9"), "No subscription found", "'9'"),
        (frame("COMMIT", transaction="t"), "Bad transaction", "BEGIN it first"),
        (frame("CONNECT", accept_version="1.2"), "Illegal command", "connected already"),
        (b"FOO\n\n\0", "Bad command", "'FOO'"),
    ],
)
async def test_a_fault_is_an_error_frame_then_the_end(site: Site, said: bytes, message: str, part: str) -> None:
    peer = await site.connect(PARTNER)
    peer.say(frame("BEGIN", transaction="b", receipt="before") + said.replace(b"\n\n", b"\nreceipt:r\n\n", 1))
    before, error = peer.heard()
    assert before.headers == {"receipt-id": "before"}
    assert error.command == "ERROR"
    assert (
        list(error.headers) == ["message", "receipt-id", "content-type", "version", "content-length"]
        or ("receipt-id" not in error.headers and message == "Bad command")
        or error.headers["receipt-id"] == "r"
    )
    assert error.headers["message"] == message
    assert error.headers["version"] == "1.0,1.1,1.2"
    assert part in error.body.decode()
    assert peer.link.closed is not None
    peer.send("BEGIN", transaction="c", receipt="after")
    await site.turn()
    assert peer.heard() == []


async def test_after_an_error_nothing_that_still_comes_is_done(site: Site) -> None:
    """Whatever the way: the SENDs that were on their way when the server gave up must not be published."""
    observer = await subscriber(site)
    peer = await site.connect(SERVICE)
    good = frame("SEND", b"1", destination=RAW + "a", content_length=1)
    peer.say(good)
    await site.turn()
    assert bodies(observer) == [b"1"]
    peer.connection.fail(ServerError("Server going away"))
    peer.say(good)
    peer.say(good + b"\n")
    await site.turn()
    assert bodies(observer) == []


async def test_after_a_refused_body_the_next_send_is_not_published(site: Site) -> None:
    observer = await site.connect(PARTNER)
    observer.send("SUBSCRIBE", id="0", destination=FACE + "#")
    peer = await site.connect(SYSTEM)
    good = frame("SEND", face(), destination=FACE + "7.12345.create", content_length=len(face()))
    bad = frame("SEND", face(account=123), destination=FACE + "7.12345.create", content_length=len(face(account=123)))
    peer.say(good, bad, good)
    assert peer.error().headers["message"] == "Invalid body"
    await site.turn()
    assert len(bodies(observer)) == 1


async def test_an_error_takes_the_place_of_what_was_to_be_delivered_and_nothing_comes_after_it(site: Site) -> None:
    peer = await subscriber(site)
    sender = await site.connect(SERVICE)
    sender.send("SEND", b"1", destination=RAW + "a")
    peer.send("FOO")
    await site.turn()
    sender.send("SEND", b"2", destination=RAW + "a")
    await site.turn()
    assert peer.heard()[-1].command == "ERROR"
    assert len(peer.link.writes) == len([write for write in peer.link.writes if write])


async def test_a_fault_of_ours_is_told_without_its_text(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = await site.connect(PARTNER)

    def broken(*arguments: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(site.hub.broker, "subscribe", broken)
    peer.send("SUBSCRIBE", id="1", destination=FACE + "#", receipt="r")
    error = peer.error()
    assert error.headers["message"] == "Internal error"
    assert b"secret" not in error.body
    assert peer.link.closed == (1011, "Internal error")


async def test_the_same_answer_for_an_exchange_that_is_not_there_and_one_that_is_not_granted(site: Site) -> None:
    told = set()
    for who in (PARTNER, OTHER_PARTNER):
        for exchange in ("acme_event_v24", "acme_raw", "other_face_v24", "acme_user_v24", "nosuch"):
            peer = await site.connect(who)
            peer.send("SUBSCRIBE", id="1", destination=f"/exchange/{exchange}/#")
            error = peer.error()
            told.add((error.headers["message"], error.body.decode().replace(exchange, "X").replace(who[0], "W")))
    assert len(told) == 1


# --- a peer that does not read


async def test_nothing_is_written_to_a_blocked_socket_and_all_comes_when_it_drains(site: Site) -> None:
    peer = await subscriber(site)
    peer.send("SEND", b"", destination=RAW + "x")
    await site.turn()
    peer.heard()
    peer.connection.block()
    count = len(peer.link.writes)
    await publish(site, *(b"%d" % number for number in range(200)))
    peer.send("BEGIN", transaction="t", receipt="1")
    await site.turn()
    assert len(peer.link.writes) == count
    peer.connection.unblock()
    for _ in range(20):
        await site.turn()
    heard = peer.heard()
    assert heard[0].command == "RECEIPT"
    assert [each.body for each in heard[1:]] == [b"%d" % number for number in range(200)]


async def test_a_socket_that_blocks_in_the_middle_stops_the_deliveries(site: Site) -> None:
    peer = await subscriber(site)
    peer.link.on_write = lambda data: peer.connection.block()
    sender = await site.connect(SERVICE)
    for number in range(10):
        sender.send("SEND", b"%d" % number + b"x" * 60_000, destination=RAW + "a")
        await site.turn()
    assert len(peer.link.writes) < 5
    peer.link.on_write = lambda data: None
    peer.connection.unblock()
    for _ in range(20):
        await site.turn()
    assert [body[:1] for body in bodies(peer)] == [b"%d" % number for number in range(10)]


async def test_who_does_not_read_its_receipts_is_not_read_either() -> None:
    async with open_site(control_bytes_max=1_000) as site:
        peer = await site.connect(SERVICE)
        peer.connection.block()
        for number in range(100):
            if not peer.link.reading:
                break
            peer.send("SEND", b"", destination=RAW + "a", receipt=number)
            await site.turn()
        assert not peer.link.reading
        assert number < 50
        peer.connection.unblock()
        await site.turn()
        assert peer.link.reading
        assert len(peer.heard()) == number


async def test_a_blocked_peer_that_is_failed_gets_its_error_behind_what_was_answered(site: Site) -> None:
    peer = await site.connect(SERVICE)
    peer.connection.block()
    peer.send("BEGIN", transaction="t", receipt="1")
    peer.send("FOO")
    assert commands(peer) == ["RECEIPT", "ERROR"]
    assert peer.link.closed is not None


async def test_who_does_not_read_falls_behind_and_gets_everything_later_and_nobody_else_is_harmed() -> None:
    async with open_site(ring_bytes_max=100_000) as site:
        slow, good = await subscriber(site), await subscriber(site)
        slow.connection.block()
        sender = await site.connect(SERVICE)
        received = 0
        for number in range(200):
            sender.send("SEND", b"%03d" % number + b"x" * 1_000, destination=RAW + "a", receipt="r")
            await site.turn()
            received += len(bodies(good))
        assert received == 200
        assert commands(sender) == ["RECEIPT"] * 200
        assert commands(slow) == []
        slow.connection.unblock()
        assert [body[:3] for body in await all_bodies(site, slow, 200)] == [b"%03d" % number for number in range(200)]


async def test_who_publishes_to_itself_and_falls_behind_gets_everything_too() -> None:
    async with open_site(ring_bytes_max=50_000) as site:
        peer = await subscriber(site, ack="auto")
        peer.connection.block()
        for number in range(100):
            peer.send("SEND", b"%03d" % number + b"x" * 1_000, destination=RAW + "a")
        peer.connection.unblock()
        assert [body[:3] for body in await all_bodies(site, peer, 100)] == [b"%03d" % number for number in range(100)]


async def all_bodies(site: Site, peer: Peer, count: int) -> list[bytes]:
    """The bodies of so many messages, waited for."""
    got: list[bytes] = []
    for _ in range(1_000):
        await site.turn()
        got += bodies(peer)
        if len(got) >= count:
            break
    return got


async def test_nothing_is_written_to_a_peer_that_has_gone_before_its_receipt(site: Site) -> None:
    peer = await site.connect(SERVICE)
    peer.send("SEND", b"x", destination=RAW + "a", receipt="r")
    peer.gone()
    count = len(peer.link.writes)
    await site.turn()
    assert len(peer.link.writes) == count


# --- the clock


async def test_beats_leave_when_nothing_else_did(site: Site) -> None:
    peer = await site.connect(SERVICE, heart_beat="0,1000")
    now = peer.connection.idle_since_s
    peer.connection.tick(now, 0.2)  # CONNECTED was written
    for step in range(1, 5):
        peer.connection.tick(now + 0.2 * step, 0.2)
        await site.turn()
    assert peer.octets() == b"\n"
    for step in range(5, 40):
        peer.send("BEGIN", transaction=step, receipt="r")
        peer.send("ABORT", transaction=step)
        peer.connection.tick(now + 0.2 * step, 0.2)
        await site.turn()
    assert peer.octets().replace(b"RECEIPT\nreceipt-id:r\n\n\0\n", b"") == b""


async def test_a_silent_peer_is_told_and_closed_after_twice_its_interval(site: Site) -> None:
    peer = await site.connect(SERVICE, heart_beat="1000,0")
    now = peer.connection.silent_since_s
    for step in range(10):
        peer.say(b"\n")
        peer.connection.tick(now + step, 0.2)
    peer.connection.tick(now + 10.9, 0.2)
    assert peer.link.closed is None
    peer.connection.tick(now + 11.1, 0.2)
    assert peer.error().headers["message"] == "Heart-beat missed"


async def test_without_heart_beats_silence_is_golden(site: Site) -> None:
    peer = await site.connect(SERVICE)
    peer.connection.tick(peer.connection.opened_s + 1e6, 0.2)
    assert peer.link.closed is None


# --- the end


async def test_a_connection_that_is_gone_leaves_nothing_behind(site: Site) -> None:
    peer = await subscriber(site, ack="client")
    peer.send("SUBSCRIBE", id="2", destination=RAW + "a")
    await publish(site, b"1")
    peer.gone()
    engine = site.hub.broker._engine
    assert isinstance(engine, EmbeddedEngine)
    assert len(site.hub.connections) == 0
    assert not engine._exchanges["acme_raw"].transient.followers
    assert not engine._exchanges["acme_raw"].transient._trees
    count = len(peer.link.writes)
    await publish(site, b"2")
    assert len(peer.link.writes) == count


async def test_one_connection_that_cannot_be_flushed_does_not_hold_up_the_others(site: Site) -> None:
    broken, good = await subscriber(site), await subscriber(site)

    def fail(data: bytes) -> None:
        raise OSError("no more")

    broken.link.on_write = fail
    await publish(site, b"1")
    await publish(site, b"2")
    assert bodies(good) == [b"1", b"2"]


def test_nobody_but_the_outbox_is_asked_to_flush_twice_in_a_turn() -> None:
    class Loop:
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def call_soon(self, callback: Any) -> None:
            self.calls.append(callback)

    class Marked:
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    loop, marked = Loop(), [Marked(), Marked()]
    outbox = Outbox(loop)  # type: ignore[arg-type]
    for each in marked:
        outbox.mark(each)  # type: ignore[arg-type]
    assert len(loop.calls) == 1
    loop.calls.pop()()
    assert [each.flushed for each in marked] == [1, 1]
    outbox.mark(marked[0])  # type: ignore[arg-type]
    assert len(loop.calls) == 1


def test_every_event_of_a_session_has_one_place_to_look() -> None:
    from heliograph.server.stomp.verbs import VERBS
    from heliograph.stomp import events

    assert set(VERBS) == set(events.Event.__args__)
    assert all(callable(verb) for verb in VERBS.values())
