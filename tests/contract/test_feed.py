"""FEED-1 to FEED-3 of the contract."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import BODY, EXAMPLE, FACE, FULL, KEY, OTHER, PARTNER, SYSTEM, Dial, publish, subscriber
from tests.in_memory import Site, face, frame, read_frames

USER = "/exchange/acme_user_v24/"
USER_BODY = b'{"accountId":456,"userId":17,"timestamp":"2020-11-17T14:03:01.221+0000","action":"update"}'

#: One event of each kind: destination, body.
EVENTS = [(FULL + KEY, BODY), (FACE + "123.456.create", face(456)), (USER + "123.456.update", USER_BODY)]


# --- FEED-1


@pytest.fixture
def tls(tmp_path: Path, require: Callable[[object, str], None]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side and the client's."""
    require(shutil.which("openssl"), "openssl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    return ours, ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_FEED_1_camera_face_and_user_events_come_as_json_in_stomp_frames_over_ws_and_wss(
    site: Site, dial: Dial, secure: bool, request: pytest.FixtureRequest
) -> None:
    async with dial(tls=request.getfixturevalue("tls") if secure else None) as socket:
        await socket.send(frame("CONNECT", accept_version="1.2", login=PARTNER[0], passcode=PARTNER[1]).decode())
        assert str(await socket.recv()).startswith("CONNECTED\n")
        for number, (destination, _) in enumerate(EVENTS):
            exchange = destination.rpartition("/")[0]
            await socket.send(frame("SUBSCRIBE", id=number, destination=exchange + "/#", receipt=number).decode())
            assert str(await socket.recv()).startswith("RECEIPT\n")
        producer = await site.connect(SYSTEM)
        for number, (destination, body) in enumerate(EVENTS):
            producer.send("SEND", body, destination=destination, content_type="application/json")
            text = await socket.recv()
            assert isinstance(text, str), "UTF-8 comes as text"
            (message,) = read_frames(text.encode())
            assert (message.command, message.headers["subscription"]) == ("MESSAGE", str(number))
            assert message.headers["content-type"] == "application/json"
            assert message.body == body
            json.loads(message.body)


# --- FEED-2


@pytest.mark.parametrize(
    "exchange",
    ["acme_event_v24", "idle_face_v24", "acme_nosuch_v24", "nosuch_face_v24", "acme", "ACME_face_v24", "acme_face_V24"],
)
async def test_FEED_2_what_was_not_configured_and_granted_does_not_exist(site: Site, exchange: str) -> None:
    """acme_event_v24 is switched on, but granted to nobody: the same answer."""
    peer = await site.connect(PARTNER)
    peer.send("SUBSCRIBE", id="0", destination=f"/exchange/{exchange}/#", receipt="r")
    error = peer.error()
    assert error.headers["message"] == "Access refused"
    assert error.headers["receipt-id"] == "r"
    assert f"There is no exchange '{exchange}'" in error.body.decode()


async def test_FEED_2_a_message_type_is_switched_on_one_by_one(site: Site) -> None:
    peer = await site.connect(("idle", "idle-secret"))
    peer.send("SEND", face(456), destination="/exchange/idle_face_v24/123.456.create", receipt="r")
    assert peer.error().headers["message"] == "Access refused"


async def test_FEED_2_a_grant_is_for_one_partner(site: Site) -> None:
    peer = await subscriber(site, OTHER, destination=USER + "#")
    assert peer.error().headers["message"] == "Access refused"


async def test_FEED_2_partners_only_consume_and_systems_only_produce(site: Site) -> None:
    partner, system = await site.connect(PARTNER), await site.connect(SYSTEM)
    partner.send("SEND", face(456), destination=FACE + "123.456.create")
    assert partner.error().headers["message"] == "Access refused"
    system.send("SUBSCRIBE", id="0", destination=FACE + "#")
    assert system.error().headers["message"] == "Access refused"


async def test_FEED_2_what_is_switched_off_while_it_runs_does_not_exist_any_more(site: Site) -> None:
    consumer, producer = await subscriber(site, id="0"), await site.connect(SYSTEM)
    await publish(site, "123.456.create")
    assert len(consumer.heard()) == 1
    await site.replace(EXAMPLE.replace(', "face_v24"', ""))
    assert consumer.error().headers["message"] == "Access withdrawn"
    producer.send("SEND", face(456), destination=FACE + "123.456.create")
    assert producer.error().headers["message"] == "Access refused"


async def test_FEED_2_what_is_switched_on_while_it_runs_exists_at_once(site: Site) -> None:
    consumer, producer = await site.connect(PARTNER), await site.connect(("idle", "idle-secret"))
    text = EXAMPLE.replace("message_types = []", 'message_types = ["face_v24"]')
    grant = '{ system = "idle", message_types = ["face_v24"] }, '
    await site.replace(text.replace("grants = [", "grants = [" + grant, 1))
    consumer.send("SUBSCRIBE", id="0", destination="/exchange/idle_face_v24/#")
    producer.send("SEND", face(456), destination="/exchange/idle_face_v24/123.456.create")
    await site.turn()
    assert [each.body for each in consumer.heard()] == [face(456)]


# --- FEED-3


async def test_FEED_3_many_subscriptions_on_one_connection_in_all_three_modes(site: Site) -> None:
    peer = await site.connect(PARTNER)
    modes = ["auto", "client", "client-individual"] * 5
    for number, mode in enumerate(modes):
        peer.send("SUBSCRIBE", id=number, destination=FACE + ("#" if number % 2 else "123.456.*"), ack=mode)
    await publish(site, "123.456.create", "123.456.delete")
    messages = peer.heard()
    for number, mode in enumerate(modes):
        mine = [each for each in messages if each.headers["subscription"] == str(number)]
        assert [each.headers["destination"] for each in mine] == [FACE + "123.456.create", FACE + "123.456.delete"]
        assert all(("ack" in each.headers) is (mode != "auto") for each in mine)
    assert len(messages) == 2 * len(modes)


async def test_FEED_3_many_connections_of_one_partner_get_everything_each(site: Site) -> None:
    peers = [await subscriber(site) for _ in range(20)]
    await publish(site, "123.456.create", "123.456.delete")
    assert [len(peer.heard()) for peer in peers] == [2] * 20


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_FEED_3_receipts_transactions_nack_and_error_in_every_version(site: Site, version: str) -> None:
    peer = await site.connect(PARTNER, version)
    peer.send("SUBSCRIBE", id="0", destination=FACE + "#", ack="client-individual", prefetch_count=1, receipt="s")
    await publish(site, "123.456.create", "123.456.update", "123.456.delete")
    receipt, first = peer.heard()
    assert receipt.headers == {"receipt-id": "s"}
    name = "id" if version == "1.2" else "message-id"
    peer.send("NACK", receipt="n", subscription="0", **{name: first.headers["message-id"]})
    receipt, again = peer.heard()
    assert (again.body, again.headers["redelivered"]) == (first.body, "true")
    peer.send("BEGIN", transaction="t", receipt="b")
    peer.send("ACK", transaction="t", subscription="0", **{name: again.headers["message-id"]})
    assert [each.command for each in peer.heard()] == ["RECEIPT"], "the ACK waits for its COMMIT"
    peer.send("COMMIT", transaction="t", receipt="c")
    receipt, second = peer.heard()
    assert receipt.headers == {"receipt-id": "c"}
    assert second.headers["redelivered"] == "false"
    peer.send("ABORT", transaction="t", receipt="a")
    error = peer.error()
    assert (error.headers["message"], error.headers["receipt-id"]) == ("Bad transaction", "a")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_FEED_3_a_system_publishes_in_a_transaction_and_disconnects_with_a_receipt(
    site: Site, version: str
) -> None:
    observer = await subscriber(site)
    peer = await site.connect(SYSTEM, version)
    peer.send("BEGIN", transaction="t")
    for number in range(3):
        peer.send(
            "SEND", face(456, number=number), destination=FACE + "123.456.create", transaction="t", receipt=number
        )
    await site.turn()
    assert observer.heard() == []
    peer.send("COMMIT", transaction="t", receipt="c")
    peer.send("DISCONNECT", receipt="bye")
    await site.turn()
    assert [each.headers["receipt-id"] for each in peer.heard()] == ["0", "1", "2", "c", "bye"]
    assert peer.link.closed == (1000, "")
    await site.turn()
    assert [each.body for each in observer.heard()] == [face(456, number=number) for number in range(3)]


async def test_FEED_3_heart_beats_in_both_directions(site: Site) -> None:
    peer = await site.connect(PARTNER, heart_beat="2000,3000")
    assert str(peer.connection.session.heartbeat) == "3000,2000"
