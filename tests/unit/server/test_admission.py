"""A change of the directory on open connections: what goes on, what is ended, and that nothing comes after it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.directory.directory import Directory
from heliograph.engine.interface import Retention
from heliograph.errors import ServerError
from heliograph.server import admission
from tests.in_memory import DIRECTORY, OTHER_PARTNER, PARTNER, SERVICE, SYSTEM, Peer, Site, face, open_site

FACE = "/exchange/acme_face_v24/"
RAW = "/exchange/acme_raw/"
FULL = "/exchange/acme_event_full_v24/"
SERVICE_RIGHTS = (
    'subscribe = ["/exchange/acme_raw/#", "/exchange/acme_face_v24/*.*.create", "/exchange/acme_face_v24/9.#"]'
)


def changed(*pairs: tuple[str, str]) -> str:
    """The directory with each first text replaced by the second."""
    text = DIRECTORY
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


#: Northwind's grant of face_v24 is withdrawn.
WITHOUT_GRANT = changed(('["event_full_v24", "face_v24"] }]', '["event_full_v24"] }]'))
#: Northwind is removed, or disabled.
WITHOUT_PARTNER = DIRECTORY[: DIRECTORY.index("[[partners]]")] + DIRECTORY[DIRECTORY.rindex("[[partners]]") :]
#: Northwind has another password.
OTHER_PASSWORD = changed(('"correct horse: battery"', '"another"'))
#: Nobody has raw any more.
WITHOUT_RAW = changed(
    ('"face_v24", "raw"]', '"face_v24"]'),
    ('subscribe = ["/exchange/acme_raw/#", ', "subscribe = ["),
    ('publish = ["/exchange/acme_raw/#", ', "publish = ["),
)


async def subscriber(site: Site, who: tuple[str, str] = PARTNER, destination: str = FACE + "#", **headers: Any) -> Peer:
    peer = await site.connect(who)
    peer.send("SUBSCRIBE", **({"id": "0", "destination": destination} | headers))
    await site.turn()
    return peer


async def publish(site: Site, number: int, account: int = 12345, partner: int = 7) -> None:
    """A face of that number, to who may see it."""
    peer = await site.connect(SYSTEM)
    peer.send("SEND", face(account, number=number), destination=f"{FACE}{partner}.{account}.create")
    assert peer.link.closed is None
    await site.turn()
    peer.gone()


def numbers(peer: Peer) -> list[int]:
    """Of the faces that came."""
    return [int(each.body.partition(b'","timestamp')[0][-12:]) for each in peer.heard() if each.command == "MESSAGE"]


# --- what is withdrawn


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WITHOUT_GRANT, "no longer grants '/exchange/acme_face_v24/#'"),
        (WITHOUT_PARTNER, "removed or disabled 'ops@northwind.example'"),
        (OTHER_PASSWORD, "was changed, revoked or has expired"),
    ],
)
async def test_what_is_withdrawn_ends_the_connection_in_the_same_call(site: Site, text: str, words: str) -> None:
    peer, bystander = await subscriber(site), await subscriber(site, OTHER_PARTNER)
    await publish(site, 1)
    assert numbers(peer) == [1]
    await site.replace(text)
    error = peer.error()
    assert error.headers["message"] == "Access withdrawn"
    assert words in error.body.decode()
    assert peer.link.closed == (1008, "Access withdrawn")
    written = len(peer.link.writes)
    if text != WITHOUT_PARTNER:  # whose account is gone with it
        await publish(site, 2)
    await publish(site, 3, 999, 9)
    assert len(peer.link.writes) == written
    assert numbers(bystander) == [3]


async def test_what_waits_to_leave_does_not_leave_after_the_change(site: Site) -> None:
    peer, producer = await subscriber(site), await site.connect(SYSTEM)
    replace = await site.prepare(WITHOUT_GRANT)
    producer.send("SEND", face(), destination=FACE + "7.12345.create")  # queued, and not yet flushed
    assert peer.heard() == []
    await replace()
    await site.turn()
    assert [each.command for each in peer.heard()] == ["ERROR"]


async def test_a_slow_socket_gets_nothing_more_but_the_error(site: Site) -> None:
    peer = await subscriber(site)
    peer.connection.block()
    await publish(site, 1)
    await site.replace(WITHOUT_GRANT)
    peer.connection.unblock()
    await site.turn()
    assert [each.command for each in peer.heard()] == ["ERROR"]


async def test_a_connection_without_a_subscription_to_it_outlives_a_withdrawn_grant(site: Site) -> None:
    peer = await subscriber(site, destination=FULL + "#")
    await site.replace(WITHOUT_GRANT)
    assert (peer.heard(), peer.link.closed) == ([], None)
    peer.send("SUBSCRIBE", id="1", destination=FACE + "#", receipt="r")
    error = peer.error()
    assert (error.headers["message"], error.headers["receipt-id"]) == ("Access refused", "r")


async def test_an_exchange_that_is_switched_off_ends_its_subscriptions_and_refuses_events(site: Site) -> None:
    reader, other = await subscriber(site, SERVICE, RAW + "#"), await subscriber(site, SERVICE, FACE + "#")
    producer = await site.connect(SYSTEM)
    producer.send("SEND", b"1", destination=RAW + "a")
    producer.send("SEND", face(), destination=FACE + "7.12345.create")
    await site.turn()
    assert [each.body for each in reader.heard()] == [b"1"]
    assert len(other.heard()) == 1
    await site.replace(WITHOUT_RAW)
    assert reader.error().headers["message"] == "Access withdrawn"
    producer.send("SEND", face(), destination=FACE + "7.12345.create")
    producer.send("SEND", b"2", destination=RAW + "a", receipt="r")
    await site.turn()
    error = producer.error()
    assert (error.headers["message"], error.headers["receipt-id"]) == ("Access refused", "r")
    assert len(other.heard()) == 1
    assert other.link.closed is None


async def test_an_exchange_that_is_gone_ends_its_subscriptions_even_where_a_principal_still_names_it(
    site: Site,
) -> None:
    peer, other = await subscriber(site), await subscriber(site, destination=FULL + "#")
    now = site.hub.broker.directory
    exchanges = {name: each for name, each in now.exchanges.items() if name != "acme_face_v24"}
    await site.hub.admission.replace_directory(
        Directory(exchanges, now.principals, now.accounts), site.hub.authenticator._hashed
    )
    assert peer.error().headers["message"] == "Access withdrawn"
    assert other.link.closed is None


async def test_another_partner_behind_the_same_login_sees_nothing_of_the_first(site: Site) -> None:
    peer = await subscriber(site)
    await site.replace(changed(("id = 7\n", "id = 8\n")))
    assert peer.error().headers["message"] == "Access withdrawn"


async def test_a_system_that_is_removed_is_ended_and_its_next_event_refused() -> None:
    text = DIRECTORY.replace('name = "other"\nsecret = "other-secret"', 'name = "others"\nsecret = "other-secret"')
    async with open_site() as site:
        peer, auditor = await site.connect(("other", "other-secret")), await subscriber(site, SERVICE)
        peer.send("SEND", face(), destination="/exchange/other_face_v24/7.12345.create", receipt="r")
        await site.turn()
        assert [each.command for each in peer.heard()] == ["RECEIPT"]
        publisher = peer.connection.publisher
        await site.replace(text)
        assert peer.error().headers["message"] == "Access withdrawn"
        assert publisher._principal is None
        assert auditor.link.closed is None


# --- what a service may


async def test_a_service_goes_on_with_more_rights_and_loses_nothing(site: Site) -> None:
    peer = await subscriber(site, SERVICE, FACE + "#", ack="client")
    producer = await site.connect(SYSTEM)

    def send(action: str, number: int) -> None:
        producer.send("SEND", face(12345, action, number), destination=f"{FACE}7.12345.{action}")

    send("create", 1)
    send("update", 2)
    await site.replace(changed((SERVICE_RIGHTS, SERVICE_RIGHTS.replace("*.*.create", "#"))))
    send("update", 3)
    await site.turn()
    assert peer.link.closed is None
    assert numbers(peer) == [1, 3]


async def test_a_service_that_catches_up_goes_on_with_more_rights(site: Site) -> None:
    producer = await site.connect(SYSTEM)
    producer.send("SEND", face(12345, "update", 1), destination=FACE + "7.12345.update")
    await site.turn()
    peer = await site.connect(SERVICE)
    replace = await site.prepare(changed((SERVICE_RIGHTS, SERVICE_RIGHTS.replace("*.*.create", "#"))))
    peer.send("SUBSCRIBE", id="0", destination=FACE + "#", x_stream_offset="first")
    await replace()
    await site.turn()
    assert numbers(peer) == [1]


async def test_a_service_loses_a_subscription_that_used_the_right_and_keeps_the_others(site: Site) -> None:
    all_faces, ninth = await subscriber(site, SERVICE, FACE + "#"), await subscriber(site, SERVICE, FACE + "9.#")
    raw, created = await subscriber(site, SERVICE, RAW + "a"), await subscriber(site, SERVICE, FACE + "7.*.create")
    await site.replace(changed((', "/exchange/acme_face_v24/9.#"]', "]")))
    assert [peer.link.closed is None for peer in (all_faces, ninth, raw, created)] == [False, False, True, True]


# --- what is not disturbed


@pytest.mark.parametrize(
    "text",
    [
        DIRECTORY,
        changed(("{ id = 123456 }]", "{ id = 123456 }, { id = 5 }]")),
        changed(('name = "Northwind Alarm"', 'name = "Northwind"')),
        changed(('["event_full_v24", "face_v24"] }]', '["event_v24", "face_v24"] }]')),
        changed(('"nine"', '"ten"')),
        WITHOUT_RAW,
    ],
    ids=["nothing", "an account", "a name", "another grant", "another's password", "an exchange"],
)  # fmt: skip
@pytest.mark.parametrize("ack", ["auto", "client"])
async def test_unrelated_changes_disturb_nobody(site: Site, text: str, ack: str) -> None:
    peer = await subscriber(site, ack=ack)
    await publish(site, 1)
    await site.replace(text)
    await publish(site, 2)
    assert numbers(peer) == [1, 2]
    assert peer.link.closed is None


async def test_a_new_grant_works_on_the_open_connection() -> None:
    async with open_site(WITHOUT_GRANT) as site:
        peer = await subscriber(site, destination=FULL + "#")
        await site.replace(DIRECTORY)
        peer.send("SUBSCRIBE", id="1", destination=FACE + "#", receipt="r")
        await publish(site, 1)
        assert [each.command for each in peer.heard()] == ["RECEIPT", "MESSAGE"]


async def test_a_new_exchange_is_there_for_both_sides() -> None:
    async with open_site(WITHOUT_RAW) as site:
        producer, reader = await site.connect(SYSTEM), await site.connect(SERVICE)
        await site.replace(DIRECTORY)
        reader.send("SUBSCRIBE", id="0", destination=RAW + "#")
        producer.send("SEND", b"1", destination=RAW + "a", receipt="r")
        await site.turn()
        assert [each.body for each in reader.heard()] == [b"1"]
        assert [each.command for each in producer.heard()] == ["RECEIPT"]


# --- publishers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(("cameras = [32, 33]", "cameras = [33]")), "no camera 32"),
        (changed(("{ id = 12345, cameras = [32, 33] }, ", ""), ("{ id = 999 }", "{ id = 12345 }")), "7 has no account"),
    ],
)  # fmt: skip
async def test_a_publisher_that_repeats_itself_sees_the_new_accounts_and_cameras(
    site: Site, text: str, words: str
) -> None:
    body = (
        b'{"eventId":1,"type":"faceDetected","source":{"type":"camera","sourceId":32,"accountId":12345},'
        b'"timestamp":"2021-05-04T07:10:03.371+0000"}'
    )
    destination = FULL + "7.12345.32.create.objectDetected.faceDetected"
    reader, producer = await subscriber(site, destination=FULL + "#"), await site.connect(SYSTEM)
    for _ in range(3):
        producer.send("SEND", body, destination=destination, content_length=len(body))
    await site.turn()
    assert len(reader.heard()) == 3
    await site.replace(text)
    producer.send("SEND", body, destination=destination, content_length=len(body))
    error = producer.error()
    assert error.headers["message"] == "Invalid routing key"
    assert words in error.body.decode()
    await site.turn()
    assert reader.heard() == []


# --- durable subscriptions


async def test_a_durable_subscription_waits_until_it_is_granted_again(site: Site) -> None:
    durable: dict[str, Any] = {"x_queue_name": "q", "ack": "client-individual"}
    peer = await subscriber(site, **durable)
    await publish(site, 1)
    await publish(site, 2)
    first, _ = peer.heard()
    peer.send("ACK", id=first.headers["ack"])
    await site.replace(WITHOUT_GRANT)
    assert peer.error().headers["message"] == "Access withdrawn"
    peer.gone()
    await publish(site, 3)
    refused = await subscriber(site, **durable)
    assert refused.error().headers["message"] == "Access refused"
    await site.replace(DIRECTORY)
    again = await subscriber(site, **durable)
    await site.turn()
    assert numbers(again) == [2, 3]


async def test_dead_letters_of_what_is_no_longer_granted_are_not_read_by_way_of_what_is(site: Site) -> None:
    peer = await subscriber(site, x_queue_name="q", ack="client-individual")
    await publish(site, 1)
    peer.send("NACK", id=peer.heard()[0].headers["ack"], requeue="false")
    await site.replace(WITHOUT_GRANT)
    by_another = await subscriber(site, destination=FULL + "#", x_queue_name="q", x_dead_letter="true")
    assert by_another.error().headers["message"] == "No durable subscription"
    await site.replace(DIRECTORY)
    again = await subscriber(site, x_queue_name="q", x_dead_letter="true")
    assert numbers(again) == [1]


async def test_what_was_delivered_under_further_rights_does_not_come_again_under_fewer(site: Site) -> None:
    durable: dict[str, Any] = {"x_queue_name": "q", "ack": "client-individual"}
    peer = await subscriber(site, SERVICE, **durable)
    await publish(site, 1)
    await publish(site, 2, 999, 9)
    await publish(site, 3, 999, 9)
    *_, third = peer.heard()
    peer.send("NACK", id=third.headers["ack"], requeue="false")
    await site.replace(changed(("*.*.create", "7.*.create"), (', "/exchange/acme_face_v24/9.#"]', "]")))
    assert peer.error().headers["message"] == "Access withdrawn"
    again = await subscriber(site, SERVICE, **durable)
    dead = await subscriber(site, SERVICE, **durable, x_dead_letter="true")
    await site.turn()
    assert numbers(again) == [1]
    assert numbers(dead) == []


async def test_a_durable_subscription_of_a_service_sees_more_from_now_on(site: Site) -> None:
    peer = await subscriber(site, SERVICE, x_queue_name="q", ack="client-individual")
    producer = await site.connect(SYSTEM)
    for number, text in enumerate([DIRECTORY, changed((SERVICE_RIGHTS, SERVICE_RIGHTS.replace("*.*.create", "#")))]):
        await site.replace(text)
        for action in ("create", "update"):
            body = face(12345, action, 2 * number + (action == "update"))
            producer.send("SEND", body, destination=f"{FACE}7.12345.{action}")
            await site.turn()
    assert numbers(peer) == [0, 2, 3]
    peer.gone()
    again = await subscriber(site, SERVICE, x_queue_name="q")
    await site.turn()
    assert numbers(again) == [0, 2, 3]


# --- many at once


async def test_the_crowd_waits_in_slices_without_deliveries(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_SLICE_S", 0.0)
    producer = await site.connect(SYSTEM)
    goes = [await subscriber(site) for _ in range(5)]
    stays = await subscriber(site, destination=FULL + "#")
    await site.replace(WITHOUT_GRANT)
    producer.send("SEND", face(), destination=FACE + "7.12345.create")
    assert [peer.link.closed is None for peer in goes] == [False, True, True, True, True]
    await site.turn()
    for _ in range(10):
        await site.turn()
    for peer in goes:
        assert [each.command for each in peer.heard()] == ["ERROR"]
    assert stays.link.closed is None
    await site.replace(DIRECTORY)
    stays.send("SUBSCRIBE", id="1", destination=FACE + "#")
    producer.send("SEND", face(number=2), destination=FACE + "7.12345.create")
    await site.turn()
    assert numbers(stays) == [2]


async def test_who_subscribes_before_its_review_is_reviewed_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_SLICE_S", 0.0)
    _first, goes, stays = await subscriber(site), await subscriber(site), await site.connect(PARTNER)
    await site.replace(WITHOUT_GRANT)
    goes.send("SUBSCRIBE", id="1", destination=FULL + "#", receipt="r")
    assert goes.error().headers["message"] == "Access withdrawn"
    stays.send("SUBSCRIBE", id="1", destination=FACE + "#", receipt="r")
    assert stays.error().headers["message"] == "Access refused"


async def test_a_fault_in_one_review_stops_no_other(site: Site) -> None:
    broken, good = await subscriber(site), await subscriber(site)
    (outlet,) = broken.connection.outlets
    outlet.subscription.binding = None  # type: ignore[assignment]
    await site.replace(WITHOUT_GRANT)
    assert broken.link.aborted
    assert good.error().headers["message"] == "Access withdrawn"


async def test_an_exchange_that_cannot_be_made_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def declare(exchange: str, retention: Retention) -> None:
        raise ServerError("Storage", "The disk takes nothing.")

    async with open_site(WITHOUT_RAW) as site:
        peer = await subscriber(site)
        replace = await site.prepare(changed(('["event_full_v24", "face_v24"] }]', '["event_full_v24"] }]')))
        monkeypatch.setattr(site.engine, "declare", declare)
        with pytest.raises(ServerError):
            await replace()
        await publish(site, 1)
        assert numbers(peer) == [1]


async def test_a_login_that_was_verified_a_moment_ago_does_not_outlive_its_credential(site: Site) -> None:
    (await site.connect(PARTNER)).gone()
    await site.replace(OTHER_PASSWORD)
    peer = site.open(PARTNER)
    peer.send("CONNECT", accept_version="1.2")
    await site.answered(peer)
    assert peer.error().headers["message"] == "Bad CONNECT"
    await site.connect((PARTNER[0], "another"))
    await site.replace(DIRECTORY)
    await site.connect(PARTNER)


async def test_a_login_that_is_being_verified_is_answered_by_the_new_directory(site: Site) -> None:
    replace = await site.prepare(WITHOUT_PARTNER)
    peer = site.open(PARTNER)
    peer.send("CONNECT", accept_version="1.2")
    await asyncio.sleep(0)  # the thread has begun
    await replace()
    await site.answered(peer)
    assert peer.error().headers["message"] == "Bad CONNECT"


async def test_of_changes_that_overlap_the_last_one_stays() -> None:
    async with open_site(WITHOUT_RAW) as site:
        peer = await site.connect(SERVICE)
        more, less = await site.prepare(DIRECTORY), await site.prepare(WITHOUT_RAW)
        slow = asyncio.create_task(more())  # it waits for the disk
        await asyncio.sleep(0)
        await less()
        await slow
        assert "acme_raw" not in site.hub.broker.directory.exchanges
        peer.send("SUBSCRIBE", id="0", destination=RAW + "#")
        assert peer.error().headers["message"] == "Access refused"


async def test_a_retention_of_its_own_holds_at_once(site: Site):
    log = site.engine._exchanges["acme_face_v24"]._log
    assert log._age_ms == site.hub.limits.log_ms_max
    with_retention = changed(('"raw"]\n', '"raw"]\nretention = { face_v24 = { log_ms_max = 5, log_bytes_max = 7 } }\n'))
    await site.replace(with_retention)
    assert (log._age_ms, log._size_max) == (5, 7)
    await site.replace(DIRECTORY)
    assert (log._age_ms, log._size_max) == (site.hub.limits.log_ms_max, site.hub.limits.log_bytes_max)
