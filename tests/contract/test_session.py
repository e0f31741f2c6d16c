"""SESS-1 to SESS-5 of the contract, and its restored example."""

from __future__ import annotations

import base64
import re

import pytest
from websockets.typing import Subprotocol

from tests.contract.conftest import BODY, EXAMPLE, FACE, FULL, KEY, OTHER, PARTNER, SYSTEM, Dial, publish, subscriber
from tests.in_memory import Site, frame, read_frames

# --- the restored example


async def test_SESS_1_and_SESS_2_and_SESS_3_and_SESS_4_the_restored_example(site: Site, dial: Dial) -> None:
    """Octet for octet, but for what the example itself leaves open."""
    authorization = "Basic " + base64.b64encode(":".join(PARTNER).encode()).decode()
    pattern = "123.456.32.create.objectDetected.#"
    async with dial({"Authorization": authorization}, [Subprotocol("v12.stomp")]) as socket:
        assert socket.subprotocol == "v12.stomp"

        await socket.send("CONNECT\naccept-version:1.2\nheart-beat:10000,10000\n\n\0")
        connected = re.fullmatch(
            r"CONNECTED\nversion:1\.2\nsession:(session-[A-Za-z0-9_-]{22})\nheart-beat:10000,10000\n"
            r"server:heliograph/[^\n]+\n\n\0\n",
            str(await socket.recv()),
        )
        assert connected
        session = connected[1]

        await socket.send(f"SUBSCRIBE\ndestination:{FULL}{pattern}\nack:client\nprefetch-count:1\nreceipt:1\n\n\0")
        assert await socket.recv() == "RECEIPT\nreceipt-id:1\n\n\0\n"

        producer = await site.connect(SYSTEM)
        for key in ("123.456.32.create.vmdDetected", KEY, KEY):
            body = BODY if key == KEY else BODY.replace(b"faceDetected", b"vmdDetected")
            producer.send("SEND", body, destination=FULL + key, content_type="application/json")

        for number in (1, 2):
            text = str(await socket.recv())
            ack_id = f"Q_{FULL}{pattern}@@{session}@@{number}"
            head, _, rest = text.partition("\n\n")
            command, *lines = head.split("\n")
            assert command == "MESSAGE"
            assert sorted(lines) == sorted(
                [
                    f"destination:{FULL}{KEY}",
                    f"message-id:{ack_id}",
                    f"ack:{ack_id}",
                    "redelivered:false",
                    "content-type:application/json",
                    f"content-length:{len(BODY)}",
                ]
            )
            assert rest == BODY.decode() + "\0\n"
            await socket.send(f"ACK\nid:{ack_id}\n\n\0")


# --- SESS-1


async def test_SESS_1_email_and_password_as_basic_in_the_handshake(dial: Dial) -> None:
    authorization = "Basic " + base64.b64encode(":".join(PARTNER).encode()).decode()
    async with dial({"Authorization": authorization}) as socket:
        await socket.send(frame("CONNECT", accept_version="1.2").decode())
        assert str(await socket.recv()).startswith("CONNECTED\n")


async def test_SESS_1_the_same_pair_as_login_and_passcode_in_connect(dial: Dial) -> None:
    async with dial() as socket:
        await socket.send(frame("CONNECT", accept_version="1.2", login=PARTNER[0], passcode=PARTNER[1]).decode())
        assert str(await socket.recv()).startswith("CONNECTED\n")


@pytest.mark.parametrize("password", ["wrong", "", PARTNER[1] + " ", PARTNER[1].upper()])
async def test_SESS_1_a_wrong_password_is_let_in_by_neither_way(dial: Dial, password: str) -> None:
    """The handshake is answered with 101 all the same, then comes the ERROR."""
    authorization = "Basic " + base64.b64encode(f"{PARTNER[0]}:{password}".encode()).decode()
    for headers, said in (
        ({"Authorization": authorization}, frame("CONNECT", accept_version="1.2")),
        ({}, frame("CONNECT", accept_version="1.2", login=PARTNER[0], passcode=password)),
    ):
        async with dial(headers) as socket:
            await socket.send(said.decode())
            (error,) = read_frames(str(await socket.recv()).encode())
            assert (error.command, error.headers["message"]) == ("ERROR", "Bad CONNECT")
            assert error.body.decode() == f"Access refused for user '{PARTNER[0]}'"


# --- SESS-2


@pytest.mark.parametrize(("offered", "version"), [("1.2", "1.2"), ("1.0,1.1", "1.1"), ("1.0", "1.0"), (None, "1.0")])
async def test_SESS_2_the_version_is_negotiated(site: Site, offered: str | None, version: str) -> None:
    peer = site.open(PARTNER)
    peer.send("CONNECT", **({} if offered is None else {"accept_version": offered}))
    await site.answered(peer)
    (connected,) = peer.heard()
    assert connected.headers["version"] == version


async def test_SESS_2_heart_beats_are_counted_in_milliseconds(site: Site) -> None:
    peer = await site.connect(PARTNER, heart_beat="10000,10000")
    assert str(peer.connection.session.heartbeat) == "10000,10000"
    start = peer.connection.opened_s
    for second in range(11):
        peer.say(b"\n")
        peer.connection.tick(start + second, 0.2)
        await site.turn()
    assert peer.octets() == b"\n", "one beat in ten seconds"
    peer.connection.tick(start + 31, 0.2)
    assert peer.error().headers["message"] == "Heart-beat missed"


# --- SESS-3


async def test_SESS_3_subscribe_without_id(site: Site) -> None:
    peer = await subscriber(site)
    await publish(site, "123.456.create")
    (message,) = peer.heard()
    assert "subscription" not in message.headers
    peer.send("UNSUBSCRIBE", destination=FACE + "#", receipt="1")
    await publish(site, "123.456.create")
    assert [each.command for each in peer.heard()] == ["RECEIPT"]


async def test_SESS_3_subscribe_with_id(site: Site) -> None:
    peer = await subscriber(site, id="mine")
    await publish(site, "123.456.create")
    (message,) = peer.heard()
    assert message.headers["subscription"] == "mine"
    peer.send("UNSUBSCRIBE", id="mine", receipt="1")
    await publish(site, "123.456.create")
    assert [each.command for each in peer.heard()] == ["RECEIPT"]


async def test_SESS_3_ack_client_is_cumulative(site: Site) -> None:
    peer = await subscriber(site, ack="client", prefetch_count=3)
    await publish(site, *["123.456.create"] * 9)
    ids = [message.headers["ack"] for message in peer.heard()]
    assert len(ids) == 3
    peer.send("ACK", id=ids[2])
    assert len(peer.heard()) == 3


async def test_SESS_3_a_cumulative_ack_stays_within_its_subscription(site: Site) -> None:
    peer = await subscriber(site, id="a", ack="client", prefetch_count=1)
    peer.send("SUBSCRIBE", id="b", destination=FACE + "#", ack="client", prefetch_count=1)
    await publish(site, "123.456.create", "123.456.delete")
    ids = {message.headers["subscription"]: message.headers["ack"] for message in peer.heard()}
    later = max(ids, key=lambda name: int(ids[name].rpartition("@@")[2]))
    peer.send("ACK", id=ids[later])
    assert [message.headers["subscription"] for message in peer.heard()] == [later]


@pytest.mark.parametrize("count", [1, 2, 7])
async def test_SESS_3_prefetch_count_bounds_what_is_unacknowledged(site: Site, count: int) -> None:
    peer = await subscriber(site, ack="client-individual", prefetch_count=count)
    await publish(site, *["123.456.create"] * 20)
    ids = [message.headers["ack"] for message in peer.heard()]
    assert len(ids) == count
    for _ in range(5):
        peer.send("ACK", id=ids.pop())
        fresh = [message.headers["ack"] for message in peer.heard()]
        assert len(fresh) == 1
        ids += fresh


# --- SESS-4


@pytest.mark.parametrize("mode", ["client", "client-individual"])
async def test_SESS_4_ack_ids_without_and_with_an_id(site: Site, mode: str) -> None:
    nameless, named = await subscriber(site, ack=mode), await subscriber(site, ack=mode, id="sub-0")
    await publish(site, "123.456.create", "123.456.delete")
    for peer, tag in ((nameless, f"Q_{FACE}#"), (named, "T_sub-0")):
        messages = peer.heard()
        session = peer.connection.session.id
        assert re.fullmatch(r"session-[A-Za-z0-9_-]{22}", session)
        assert [message.headers["ack"] for message in messages] == [f"{tag}@@{session}@@{n}" for n in (1, 2)]
        assert [message.headers["message-id"] for message in messages] == [each.headers["ack"] for each in messages]


async def test_SESS_4_a_message_names_the_real_key_not_the_pattern(site: Site) -> None:
    for mode in ("auto", "client", "client-individual"):
        peer = await subscriber(site, ack=mode, destination=FACE + "*.#.create")
        await publish(site, "123.456.create")
        (message,) = peer.heard()
        assert message.headers["destination"] == FACE + "123.456.create"


async def test_SESS_4_two_sessions_never_have_the_same_id(site: Site) -> None:
    assert len({(await site.connect()).connection.session.id for _ in range(20)}) == 20


# --- SESS-5


@pytest.mark.parametrize("pattern", ["#", "*.#", "*.999.*", "9.#", "9.999.create", "#.create", "*.*.create", "123.#"])
@pytest.mark.parametrize("mode", ["auto", "client"])
async def test_SESS_5_no_wildcard_shows_another_partners_events(site: Site, pattern: str, mode: str) -> None:
    peer = await subscriber(site, destination=FACE + pattern, ack=mode, receipt="1")
    own = await subscriber(site, OTHER, destination=FACE + "9.#")
    await publish(site, "9.999.create", "123.456.create", "9.999.delete")
    heard = peer.heard()
    assert heard[0].command == "RECEIPT", "a narrowed pattern is no error, and its receipt tells nothing"
    assert heard[0].headers == {"receipt-id": "1"}
    assert all(message.headers["destination"] == FACE + "123.456.create" for message in heard[1:])
    assert len(heard) == (1 if pattern in ("9.#", "9.999.create", "*.999.*") else 2)
    assert [each.headers["destination"] for each in own.heard()] == [FACE + "9.999.create", FACE + "9.999.delete"]


async def test_SESS_5_the_offsets_in_message_ids_are_the_only_trace_of_others(site: Site) -> None:
    """For ack:auto a message-id names the event, whose offset counts everybody's; nothing else differs."""
    peer = await subscriber(site)
    await publish(site, "9.999.create", "123.456.create")
    (message,) = peer.heard()
    text = "\n".join(f"{name}:{value}" for name, value in message.headers.items() if name != "message-id")
    assert "999" not in text
    assert re.fullmatch(r"acme_face_v24@@\d+", message.headers["message-id"])


async def test_SESS_5_nothing_of_a_partner_is_seen_after_its_grant_is_withdrawn(site: Site) -> None:
    peer, other = await subscriber(site, id="0", x_queue_name="q"), await subscriber(site, OTHER, id="0")
    await publish(site, "123.456.create")
    assert len(peer.heard()) == 1
    await site.replace(EXAMPLE.replace('"face_v24", "user_v24"] }]', '"user_v24"] }]'))
    assert [each.headers["message"] for each in peer.heard()] == ["Access withdrawn"]
    await publish(site, "123.456.update", "9.999.create")
    assert peer.heard() == []
    assert [each.headers["destination"] for each in other.heard()] == [FACE + "9.999.create"]
