"""Sessions: what is twice, unknown or somebody else's; heart-beats; the caps of one connection."""

from __future__ import annotations

import time

import pytest

from tests.attacks.attacker import Attacker, Closing, StompFrame, stomp_frame
from tests.attacks.conftest import LIMITS, Site
from tests.attacks.people import ACME, BUS, EVENTS, NORTHWIND, NORTHWIND_KEY, RAW, Login, event
from tests.attacks.server_process import MIB

SUBSCRIPTIONS_MAX = LIMITS["subscriptions_max"]


def closed_with(peer: Attacker, command: str, **headers: object) -> Closing:
    """How the connection ends after one frame that asks for a receipt; no receipt comes."""
    peer.frame(command, receipt="asked", **headers)
    closing = peer.wait_closed(1)
    assert closing.error is not None
    assert closing.error.headers["receipt-id"] == "asked"
    assert closing.detail
    return closing


def test_a_frame_that_is_legal_but_wrong_here_is_an_error_with_its_receipt(
    site: Site, subtests: pytest.Subtests
) -> None:
    ack = "T_0@@{session}@@1"
    cases: dict[str, tuple[str, dict[str, str], str]] = {
        "a second CONNECT": ("CONNECT", {"accept-version": "1.2"}, "Illegal command"),
        "a second CONNECT as somebody else": ("STOMP", ACME._asdict(), "Illegal command"),
        "one id twice": ("SUBSCRIBE", {"id": "0", "destination": RAW + "b"}, "Duplicate subscription"),
        "one destination without id twice": ("SUBSCRIBE", {"destination": RAW + "no-id"}, "Duplicate subscription"),
        "SUBSCRIBE nowhere": ("SUBSCRIBE", {"id": "1"}, "Missing destination"),
        "SUBSCRIBE with another ack": ("SUBSCRIBE", {"destination": RAW + "a", "ack": "Auto"}, "Invalid header"),
        "UNSUBSCRIBE of an unknown id": ("UNSUBSCRIBE", {"id": "nobody"}, "No subscription found"),
        "UNSUBSCRIBE of nothing": ("UNSUBSCRIBE", {}, "Missing header"),
        "UNSUBSCRIBE of another's destination": ("UNSUBSCRIBE", {"destination": RAW + "b"}, "No subscription found"),
        "UNSUBSCRIBE of an id by its destination": ("UNSUBSCRIBE", {"destination": RAW + "a"}, "No subscription found"),
        "durable UNSUBSCRIBE of another's queue": (
            "UNSUBSCRIBE", {"id": "x", "durable": "true", "x-queue-name": "q"}, "No subscription found"),
        "ACK without id": ("ACK", {}, "Missing header"),
        "ACK of rubbish": ("ACK", {"id": "rubbish"}, "Invalid header"),
        "ACK of nothing": ("ACK", {"id": ""}, "Invalid header"),
        "ACK of what was never delivered": ("ACK", {"id": ack[:-1] + "2"}, "Subscription not found"),
        "ACK of delivery 0": ("ACK", {"id": ack[:-1] + "0"}, "Subscription not found"),
        "ACK of delivery -1": ("ACK", {"id": ack[:-1] + "-1"}, "Invalid header"),
        "ACK of delivery 10^30": ("ACK", {"id": ack[:-1] + "1" + "0" * 30}, "Invalid header"),
        "ACK of delivery 01": ("ACK", {"id": ack[:-1] + "01x"}, "Invalid header"),
        "ACK of delivery one in Arabic": ("ACK", {"id": ack[:-1] + "\u0661"}, "Invalid header"),
        "ACK of another subscription": ("ACK", {"id": ack.replace("T_0", "T_1")}, "Subscription not found"),
        "ACK of another session": ("ACK", {"id": "T_0@@session-AAAAAAAAAAAAAAAAAAAAAA@@1"}, "Subscription not found"),
        "NACK of another session": ("NACK", {"id": "T_0@@session-AAAAAAAAAAAAAAAAAAAAAA@@1"}, "Subscription not found"),
        "NACK with another requeue": ("NACK", {"id": ack, "requeue": "maybe"}, "Invalid header"),
        "BEGIN without a name": ("BEGIN", {}, "Missing header"),
        "COMMIT of an unknown transaction": ("COMMIT", {"transaction": "t"}, "Bad transaction"),
        "ABORT of an unknown transaction": ("ABORT", {"transaction": "t"}, "Bad transaction"),
        "SEND in an unknown transaction": ("SEND", {"destination": RAW + "a", "transaction": "t"}, "Bad transaction"),
        "SEND nowhere": ("SEND", {}, "Missing destination"),
    }  # fmt: skip
    publisher = site.log_in(BUS)
    for number, (name, (command, headers, message)) in enumerate(cases.items()):
        with subtests.test(name):
            peer = site.log_in(BUS)
            peer.subscribe(RAW + "a", ack="client-individual")
            peer.frame("SUBSCRIBE", destination=RAW + "no-id", receipt="r")
            peer.expect_receipt("r")
            publisher.frame("SEND", str(number), destination=RAW + "a")
            assert peer.expect("MESSAGE").body.decode() == str(number)
            headers = {key: value.replace("{session}", peer.session) for key, value in headers.items()}
            peer.stomp(stomp_frame(command, headers={**headers, "receipt": "asked"}))
            closing = peer.wait_closed(1)
            assert closing.error is not None
            assert (closing.message, closing.error.headers["receipt-id"]) == (message, "asked")
            assert closing.detail
            assert len(closing.detail) < 1_000


@pytest.mark.parametrize("verb", ["ACK", "NACK"])
@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_nobody_settles_what_was_delivered_to_somebody_else(site: Site, verb: str, ack: str) -> None:
    owner, bystander = site.log_in(BUS), site.log_in(BUS)
    for peer in (owner, bystander):
        peer.subscribe(RAW + "owned.#", ack=ack, prefetch_count=1)
    bystander.frame("SEND", "one", destination=RAW + "owned.a")
    bystander.frame("SEND", "two", destination=RAW + "owned.a")
    mine, theirs = owner.expect("MESSAGE"), bystander.expect("MESSAGE")
    assert mine.headers["ack"] != theirs.headers["ack"]
    assert closed_with(bystander, verb, id=mine.headers["ack"]).message == "Subscription not found"
    owner.expect_nothing(0.05)  # it is still unacknowledged, so nothing more comes
    owner.frame("NACK", id=mine.headers["ack"])
    again = owner.expect("MESSAGE")
    assert (again.body, again.headers["redelivered"]) == (b"one", "true")
    owner.frame("ACK", id=again.headers["ack"])
    found = owner.expect("MESSAGE")
    assert (found.body, found.headers["redelivered"]) == (b"two", "false")


@pytest.mark.parametrize("ack", ["client", "client-individual"])
@pytest.mark.parametrize("second", ["ACK", "NACK"])
def test_what_is_settled_is_not_settled_again(site: Site, ack: str, second: str) -> None:
    peer = site.log_in(BUS)
    peer.subscribe(RAW + "settled.#", ack=ack)
    for body in "12":
        peer.frame("SEND", body, destination=RAW + "settled.a")
    first, other = peer.expect("MESSAGE"), peer.expect("MESSAGE")
    peer.frame("ACK", id=other.headers["ack"])  # with client the first one too
    peer.frame("ACK" if ack == "client" else second, id=(first if ack == "client" else other).headers["ack"])
    assert peer.wait_closed(1).message == "Subscription not found"


def test_an_ack_where_none_is_wanted_or_after_the_subscription_is_an_error(site: Site) -> None:
    peer = site.log_in(BUS)
    peer.subscribe(RAW + "auto.#")
    peer.frame("SEND", "x", destination=RAW + "auto.a")
    assert closed_with(peer, "ACK", id=peer.expect("MESSAGE").headers["message-id"]).message in (
        "Subscription not found", "Invalid header")  # fmt: skip
    peer = site.log_in(BUS)
    peer.subscribe(RAW + "auto.#", ack="client")
    peer.frame("SEND", "x", destination=RAW + "auto.a")
    delivery = peer.expect("MESSAGE")
    peer.frame("UNSUBSCRIBE", id="0")
    peer.subscribe(RAW + "auto.#", ack="client")  # of the same name
    assert closed_with(peer, "ACK", id=delivery.headers["ack"]).message == "Subscription not found"


#: An id is the client's to choose, so it may be meant to look like something else.
IDS = ["", "a@@b@@1", "@@", "0\\n\\nMESSAGE", "\u202e", "../../x", "' OR 1=1", "\\c\\c", "T_0", "0 ", "\t"]


def test_whatever_an_id_looks_like_it_names_one_subscription_of_one_session(
    site: Site, subtests: pytest.Subtests
) -> None:
    peer = site.log_in(BUS)
    for subscription in IDS:
        with subtests.test(subscription):
            key = f"{RAW}ids.{IDS.index(subscription)}"
            peer.frame("SUBSCRIBE", destination=key, id=subscription, ack="client", receipt="s")
            peer.expect_receipt("s")
            peer.frame("SEND", "x", destination=key)
            found = peer.expect("MESSAGE")
            assert f"subscription:{subscription}" in found.lines
            (ack_id,) = [line.removeprefix("ack:") for line in found.lines if line.startswith("ack:")]
            peer.frame("ACK", id=ack_id)  # as it came, escapes and all
            peer.frame("UNSUBSCRIBE", id=subscription, receipt="u")
            peer.expect_receipt("u")


# --- heart-beats

RUBBISH = ["a,b", "-1,0", "0,-1", "1", "", ",", "1,2,3", "1.5,0", "0,2147483648", "2147483648,0", "1e3,0", "0x10,0",
           "9" * 5_000 + ",0", "\u0661\u0660\u0660\u0660,0", "0;0", "inf,inf", "nan,0"]  # fmt: skip


@pytest.mark.parametrize("framing", ["websocket", "tcp"])
def test_rubbish_for_a_heart_beat_is_an_error(site: Site, framing: str, subtests: pytest.Subtests) -> None:
    for text in RUBBISH:
        with subtests.test(text[:20]):
            peer = site.open(framing)
            peer.frame("CONNECT", accept_version="1.2", heart_beat=text, **NORTHWIND._asdict())
            assert peer.wait_closed(1).message == "Invalid header"


def test_dead_peers_are_closed_in_time_and_beats_never_come_later_than_promised(site: Site) -> None:
    """All at once, since each takes seconds: wishes below the floor are raised to it, the largest are granted."""
    wishes = {"1,1": (1_000, 1_000), "1,0": (0, 1_000), "0,1": (1_000, 0), "1500,1500": (1_500, 1_500), "0,0": (0, 0),
              "2147483647,2147483647": (2_147_483_647, 2_147_483_647)}  # fmt: skip
    silent: dict[str, Attacker] = {}
    for wish, (send_ms, receive_ms) in wishes.items():
        silent[wish] = site.open()
        connected = silent[wish].connect(*NORTHWIND, heart_beat=wish)
        assert connected.headers["heart-beat"] == f"{send_ms},{receive_ms}"
    lively = site.open("tcp")
    lively.connect(*NORTHWIND, heart_beat="1,1")
    dripping = site.open("tcp")  # one octet of a frame at a time is a sign of life
    dripping.connect(*NORTHWIND, heart_beat="1,1")
    frame = iter(stomp_frame("SUBSCRIBE", headers={"destination": EVENTS + "#", "id": "0"}))
    began = time.monotonic()
    closed: dict[str, float] = {}
    while time.monotonic() < began + 4.5:
        lively.send(b"\n")
        dripping.send(bytes([next(frame)]))
        for wish, peer in silent.items():
            if wish not in closed and isinstance(found := peer.read(0.01), Closing):
                closed[wish] = time.monotonic() - began
            elif isinstance(found, StompFrame):
                assert found.headers["message"] == "Heart-beat missed"
        lively.expect_nothing(0.01)
        dripping.expect_nothing(0.01)
        time.sleep(0.1)
    assert set(closed) == {"1,1", "1,0", "1500,1500"}
    for wish, seconds in closed.items():
        promised_s = wishes[wish][1] / 1_000
        assert 2 * promised_s - 0.3 < seconds < 2 * promised_s + 1, wish
    for peer, promised_s in ((lively, 1), (dripping, 1), (silent["0,1"], 1), (silent["1500,1500"], 1.5)):
        gaps = [later - earlier for earlier, later in zip(peer.beats, peer.beats[1:], strict=False)]
        assert peer.beats[0] - began < promised_s + 0.3
        assert max(gaps, default=0) < promised_s + 0.3  # with the time that we took to look
    assert not silent["1,0"].beats
    assert not silent["0,0"].beats


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_many_connections_at_the_floor_of_heart_beats_cost_little(site: Site, count: int) -> None:
    peers = [site.open("tcp") for _ in range(count)]
    for peer in peers:
        peer.connect(*NORTHWIND, heart_beat="10000,1")
    cpu_s = site.server.cpu_s
    time.sleep(1.2)
    assert site.server.cpu_s - cpu_s < 0.4  # with the control connection's rounds
    for peer in peers[::10]:
        peer.expect_nothing(0)
        assert peer.beats


# --- caps of one connection


@pytest.mark.parametrize("login", [NORTHWIND, BUS])
def test_ten_thousand_subscribes_end_at_the_cap(site: Site, login: Login) -> None:
    prefix = RAW if login == BUS else EVENTS
    frames = [
        stomp_frame("SUBSCRIBE", headers={"destination": f"{prefix}#", "id": n, "ack": "client"}) for n in range(10_000)
    ]
    peer = site.log_in(login)
    with site.server.memory_grows_less_than(20 * MIB):
        peer.stomp(*frames)
        closing = peer.wait_closed(2)
        assert closing.message == "Too many subscriptions"
        assert f"{SUBSCRIPTIONS_MAX}" in closing.detail
    peer = site.log_in(login)
    peer.stomp(*frames[:SUBSCRIPTIONS_MAX])  # up to the cap it goes on
    peer.frame("UNSUBSCRIBE", id="0", receipt="r")
    peer.expect_receipt("r")
    peer.subscribe(prefix + "#", id="one more")


def test_subscribing_and_unsubscribing_for_ever_leaves_nothing_behind(site: Site) -> None:
    peer = site.log_in(BUS)
    round_ = stomp_frame("SUBSCRIBE", headers={"destination": RAW + "churn.*.#", "id": "0", "ack": "client"}) + \
        stomp_frame("UNSUBSCRIBE", headers={"id": "0"})  # fmt: skip
    with site.server.memory_grows_less_than(8 * MIB):
        for _ in range(20):
            peer.stomp(*[round_] * 250)
            peer.frame("SEND", "x", destination=RAW + "churn.a", receipt="r")
            peer.expect_receipt("r")


@pytest.mark.parametrize("framing", ["websocket", "tcp"])
def test_coming_and_going_for_ever_leaves_nothing_behind(site: Site, framing: str) -> None:
    with site.server.gives_back_its_sockets(), site.server.memory_grows_less_than(16 * MIB):
        for number in range(200):
            with Attacker(site.server.tcp if framing == "tcp" else site.server.websocket) as peer:
                if framing == "websocket":
                    peer.handshake()
                peer.connect(*BUS)
                peer.frame("SUBSCRIBE", destination=RAW + "coming.#", id="0", ack="client")
                if number % 2:
                    peer.frame("DISCONNECT", receipt="r")
                    peer.expect_receipt("r")


def test_a_partner_may_not_publish_nor_a_system_subscribe(site: Site) -> None:
    assert closed_with(site.log_in(NORTHWIND), "SEND", destination=EVENTS + NORTHWIND_KEY).message == "Access refused"
    assert closed_with(site.log_in(ACME), "SUBSCRIBE", destination=EVENTS + "#", id="0").message == "Access refused"


@pytest.mark.parametrize(
    "header", ["x-stream-offset", "x-dead-letter-exchange", "x-message-ttl", "x-expires", "x-max-length", "x-overflow"]
)
def test_what_is_not_offered_is_refused_and_nothing_is_subscribed(site: Site, header: str) -> None:
    peer = site.log_in(NORTHWIND)
    closing = closed_with(peer, "SUBSCRIBE", destination=EVENTS + "#", id="0", **{header.replace("-", "_"): "true"})
    assert header in closing.detail
    acme = site.log_in(ACME)
    acme.frame("SEND", event(), destination=EVENTS + NORTHWIND_KEY, receipt="r")
    acme.expect_receipt("r")
