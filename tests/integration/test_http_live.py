"""Live connections, subscriptions and dead letters over HTTP, while STOMP clients use the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from heliograph.client import Client, ServerRefused
from tests.integration.conftest import ARCHIVER, CONTOSO, NORTHWIND, Operated, address
from tests.integration.http_client import Answer, HttpClient

FULL = "/exchange/acme_event_full_v24"


def event(number: int, camera: int) -> dict:
    """Of Contoso's account, which may have any camera; each test has one of its own."""
    return {
        "eventId": number,
        "type": "vmdDetected",
        "source": {"type": "camera", "sourceId": camera, "accountId": 777},
        "timestamp": "2021-05-04T07:10:03.371+0000",
    }


async def ask(http: HttpClient, method: str, path: str, body: Any = None) -> Answer:
    return await asyncio.to_thread(http, method, path, body)


def at_s(time_told: str) -> float:
    """RFC 3339 as seconds since 1970."""
    return datetime.fromisoformat(time_told).timestamp()


async def publish(operated: Operated, camera: int, *numbers: int) -> None:
    answer = await ask(operated.acme, "POST", "/systems/acme/events", [event(each, camera) for each in numbers])
    assert [each["status"] for each in answer.body] == [201] * len(numbers)


async def until(http: HttpClient, path: str, condition: Callable[[Any], bool]) -> Any:
    """What is there once ``condition`` holds."""
    deadline = time.monotonic() + 10
    while True:
        found = (await ask(http, "GET", path)).body
        if condition(found):
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def all_of(http: HttpClient, path: str) -> list[dict]:
    """All pages."""
    found: list[dict] = []
    while path:
        answer = await ask(http, "GET", path)
        assert answer.status == 200, answer.body
        found += answer.body
        path = answer.headers.get("link", "")[1:].partition(">")[0]
    return found


async def refused(client: Client) -> ServerRefused:
    """The ERROR that has ended a connection."""
    async with asyncio.timeout(10):
        while True:
            try:
                client.check()
            except ServerRefused as error:
                return error
            await asyncio.sleep(0.01)


async def subscription_of(http: HttpClient, **fields: object) -> dict:
    (found,) = [each for each in await all_of(http, "/subscriptions?limit=2") if each.items() >= fields.items()]
    return found


# --- connections


async def test_a_connection_is_listed_with_what_is_known_of_it(operated: Operated):
    began_s = time.time()
    async with operated.connect(NORTHWIND) as client, client.subscribe(f"{FULL}/7.#"):
        answer = await ask(operated.maria, "GET", f"/connections/{client.session_id}")
        assert answer.status == 200
        found = answer.body
        assert found["login"] == NORTHWIND["HELIOGRAPH_LOGIN"]
        assert (found["partner"], found["transport"], found["version"]) == (7, "ws", "1.2")
        assert (found["state"], found["subscriptions"], found["held"]) == ("connected", 1, False)
        assert found["heart_beat"] == {"send_ms": 10_000, "receive_ms": 10_000}
        assert found["address"].startswith("127.0.0.1:")
        assert began_s - 1 <= at_s(found["opened_at"]) <= at_s(found["heard_at"]) <= time.time() + 1
        assert found["octets_in"] > 100
        assert found["octets_out"] > 100
        assert found["rates"]["octets_in"] > 0
        assert client.session_id in {each["id"] for each in await all_of(operated.maria, "/connections?limit=1")}
    assert (await ask(operated.maria, "GET", f"/connections/{client.session_id}")).status == 404


async def test_plain_tcp_and_a_connection_without_login_are_listed_too(operated: Operated):
    place = urlsplit(address(operated.process, "stomp"))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    host, port = writer.get_extra_info("sockname")
    found = await until(
        operated.maria, "/connections?limit=200", lambda all_: any(each["transport"] == "tcp" for each in all_)
    )
    (mine,) = [each for each in found if each["address"] == f"{host}:{port}"]
    assert (mine["login"], mine["state"], mine["octets_in"]) == (None, "waiting for CONNECT", 0)
    assert (await ask(operated.maria, "DELETE", f"/connections/{mine['id']}")).status == 204
    assert b"message:Connection closed" in await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()


async def test_connections_come_in_pages_and_of_one_login(operated: Operated):
    async with operated.connect(CONTOSO) as one, operated.connect(CONTOSO) as two, operated.connect(NORTHWIND):
        path = f"/connections?limit=1&login={CONTOSO['HELIOGRAPH_LOGIN']}"
        assert [each["id"] for each in await all_of(operated.maria, path)] == [one.session_id, two.session_id]
        for path in ("/connections", "/subscriptions"):
            assert (await ask(operated.maria, "GET", f"{path}?after=x")).status == 422


async def test_the_octets_of_a_connection_have_a_rate(operated: Operated):
    async with operated.connect(CONTOSO) as client, client.subscribe(f"{FULL}/9.777.801.#") as subscription:
        path = f"/connections/{client.session_id}"
        await ask(operated.maria, "GET", path)
        await asyncio.sleep(1.1)
        await ask(operated.maria, "GET", path)  # what is measured from
        await publish(operated, 801, *range(50))
        messages = aiter(subscription)
        octets = sum([len((await anext(messages)).body) for _ in range(50)])
        await asyncio.sleep(1.1)
        rates = (await ask(operated.maria, "GET", path)).body["rates"]
        assert rates["octets_out"] * rates["over_ms"] / 1000 > octets
        assert 1_000 < rates["over_ms"] < 10_000


async def test_a_closed_connection_is_told_why(operated: Operated):
    async with operated.connect(NORTHWIND) as client, operated.connect(NORTHWIND) as other:
        path = f"/connections/{client.session_id}"
        assert (await ask(operated.maria, "DELETE", f"{path}?reason=the%20disk%20is%20moved")).status == 204
        error = await refused(client)
        assert error.message == "Connection closed"
        assert "the disk is moved" in error.detail
        assert (await ask(operated.maria, "DELETE", path)).status == 404
        async with other.subscribe(f"{FULL}/7.#"):
            pass


async def test_only_operators_see_connections(operated: Operated):
    for http in (operated.of(NORTHWIND), operated.of(ARCHIVER), operated.acme):
        assert http("GET", "/connections").status == 403
        assert http("DELETE", "/connections/session-x").status == 403
    assert HttpClient(operated.maria.url)("GET", "/connections").status == 401


# --- subscriptions


async def test_a_live_subscription_tells_its_rates_once_it_is_looked_at(operated: Operated):
    contoso = operated.of(CONTOSO)
    async with (
        operated.connect(CONTOSO) as client,
        client.subscribe(f"{FULL}/9.777.802.#", ack="client-individual", prefetch=20) as subscription,
    ):
        found = await subscription_of(contoso, pattern="9.777.802.#")
        assert (found["kind"], found["owner"], found["exchange"]) == ("live", "partner 9", "acme_event_full_v24")
        assert (found["ack"], found["connections"], found["name"]) == ("client-individual", [client.session_id], None)
        assert (found["rates"], found["acked_at"], found["backlog"], found["unacked"]) == (None, None, 0, 0)
        await publish(operated, 802, *range(30))
        messages = aiter(subscription)
        for _ in range(5):
            await (await anext(messages)).ack(receipt=True)
        path = f"/subscriptions/{found['id']}"
        found = await until(contoso, path, lambda each: each["unacked"] == 20)
        assert (found["backlog"], found["backlog_at_most"]) == (5, 5)
        assert abs(at_s(found["acked_at"]) - time.time()) < 10
        rates = found["rates"]
        assert round(rates["delivered"] * rates["over_ms"] / 1000) == 25
        assert round(rates["acked"] * rates["over_ms"] / 1000) == 5


async def test_a_durable_subscription_is_listed_with_its_consumers_and_its_backlog(operated: Operated):
    headers = {"x-queue-name": "q-803", "x-expires": "3600000"}
    async with operated.connect(CONTOSO) as one, operated.connect(CONTOSO) as two:
        for client in (one, two):
            await client.subscribe(f"{FULL}/9.777.803.#", ack="client", prefetch=1, headers=headers).__aenter__()
        found = await subscription_of(operated.maria, name="q-803")
        assert (found["kind"], found["owner"], found["expires_at"]) == ("durable", "partner 9", None)
        assert sorted(found["connections"]) == sorted([one.session_id, two.session_id])
        await publish(operated, 803, *range(10))
        path = f"/subscriptions/{found['id']}"
        found = await until(operated.maria, path, lambda each: each["unacked"] == 2)
        assert (found["backlog"], found["backlog_at_most"]) == (8, 8)
        assert found["rates"]["delivered"] > 0
    found = await until(operated.maria, path, lambda each: each["connections"] == [])
    await publish(operated, 804, 1, 2, 3)
    await publish(operated, 803, 11)
    assert round(at_s(found["expires_at"]) - at_s(found["used_at"]), 3) == 3_600
    listed = await subscription_of(operated.maria, name="q-803")
    assert listed["backlog"] <= 11 < listed["backlog_at_most"], "what is in the log was not looked at"
    counted = (await ask(operated.maria, "GET", path)).body
    assert (counted["backlog"], counted["backlog_at_most"], counted["unacked"]) == (11, 11, 0)


async def test_the_last_acknowledgement_of_a_durable_subscription_is_known(operated: Operated):
    async with operated.connect(CONTOSO) as client:
        mine = client.subscribe(f"{FULL}/9.777.805.#", ack="client", headers={"x-queue-name": "q-805"})
        async with mine as subscription:
            await publish(operated, 805, 1)
            found = await subscription_of(operated.maria, name="q-805")
            assert found["acked_at"] is None
            await (await anext(aiter(subscription))).ack(receipt=True)
            found = await subscription_of(operated.maria, name="q-805")
            assert abs(at_s(found["acked_at"]) - time.time()) < 10
            assert (found["unacked"], found["backlog"]) == (0, 0)


async def test_everybody_sees_and_deletes_its_own_alone(operated: Operated):
    northwind, contoso = operated.of(NORTHWIND), operated.of(CONTOSO)
    async with operated.connect(CONTOSO) as client:
        headers = {"x-queue-name": "q-806"}
        await client.subscribe(f"{FULL}/9.777.806.#", headers=headers).__aenter__()
        await client.subscribe(f"{FULL}/9.777.807.#").__aenter__()
        durable = await subscription_of(contoso, name="q-806")
        live = await subscription_of(contoso, pattern="9.777.807.#")
        theirs = await all_of(northwind, "/subscriptions")
        assert not {each["id"] for each in theirs} & {durable["id"], live["id"]}
        assert {each["owner"] for each in theirs} <= {"partner 7"}
        for found in (durable, live):
            path = f"/subscriptions/{found['id']}"
            assert northwind("GET", path).status == northwind("DELETE", path).status == 404
        assert operated.acme("GET", "/subscriptions").status == 403
        assert contoso("DELETE", f"/subscriptions/{live['id']}").status == 204
        error = await refused(client)
        assert error.message == "Subscription ended"
        assert "Its owner" in error.detail
        assert "9.777.807.#" in error.detail
        assert contoso("GET", f"/subscriptions/{live['id']}").status == 404
    assert contoso("DELETE", f"/subscriptions/{durable['id']}").status == 204
    assert contoso("GET", f"/subscriptions/{durable['id']}").status == 404


async def test_an_operator_deletes_a_durable_subscription_under_its_consumer(operated: Operated):
    async with operated.connect(ARCHIVER) as client:
        await client.subscribe(f"{FULL}/#", headers={"x-queue-name": "q-808"}).__aenter__()
        found = await subscription_of(operated.maria, name="q-808")
        assert found["owner"] == "service archiver"
        assert operated.maria("DELETE", f"/subscriptions/{found['id']}").status == 204
        error = await refused(client)
        assert (error.message, error.detail) == ("Subscription deleted", "An operator has deleted it.")
    async with operated.connect(ARCHIVER) as client:
        with pytest.raises(ServerRefused, match="No durable subscription"):
            await client.subscribe(f"{FULL}/#", headers={"x-queue-name": "q-808", "x-dead-letter": "true"}).__aenter__()


@pytest.mark.parametrize("name", ["x", "durable.", "durable.!", "live.a.b", "live..", "durable.YQ", "durable.YQo%3D"])
def test_what_is_no_subscription_is_not_there(operated: Operated, name: str):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/dead-letters"), ("GET", "/dead-letters/1")):
        answer = operated.maria(method, f"/subscriptions/{name}{path}")
        assert (answer.status, answer.body["title"]) == (404, "Not there")


# --- dead letters


async def dead(operated: Operated, camera: int, *numbers: int) -> str:
    """The path of the dead letters of a durable subscription that has these."""
    name = f"q-{camera}"
    async with operated.connect(CONTOSO) as client:
        mine = client.subscribe(f"{FULL}/9.777.{camera}.#", ack="client", headers={"x-queue-name": name})
        async with mine as subscription:
            await publish(operated, camera, *numbers)
            messages = aiter(subscription)
            for _ in numbers:
                await (await anext(messages)).nack(requeue=False, receipt=True)
    return f"/subscriptions/{(await subscription_of(operated.maria, name=name))['id']}/dead-letters"


async def test_dead_letters_are_listed_in_pages_and_shown_with_their_bodies(operated: Operated):
    path = await dead(operated, 810, 1, 2, 3)
    contoso = operated.of(CONTOSO)
    listed = await all_of(contoso, f"{path}?limit=2")
    assert [each["deliveries"] for each in listed] == [1, 1, 1]
    assert {each["key"] for each in listed} == {"9.777.810.create.vmdDetected"}
    assert all(abs(at_s(each["received_at"]) - time.time()) < 60 for each in listed)
    assert {each["reason"] for each in listed} == {"rejected by the consumer"}
    assert listed == await all_of(operated.maria, path)
    shown = contoso("GET", f"{path}/{listed[1]['offset']}").body
    assert json.loads(shown["body"]) == event(2, 810)
    assert shown.items() >= listed[1].items()
    assert shown["body_base64"] is None
    assert contoso("GET", f"{path}/{listed[2]['offset'] + 1}").status == 404
    assert operated.of(NORTHWIND)("GET", path).status == 404
    assert (await subscription_of(operated.maria, name="q-810"))["dead_letters"] == 3


async def test_replayed_dead_letters_come_to_the_consumer_and_purged_ones_never_again(operated: Operated):
    path = await dead(operated, 811, 1, 2, 3, 4)
    contoso = operated.of(CONTOSO)
    first, second, third, _ = [each["offset"] for each in await all_of(contoso, path)]
    assert operated.of(NORTHWIND)("POST", f"{path}/replay", {}).status == 404
    assert contoso("POST", f"{path}/purge", {"offsets": [second, second + 1_000_000]}).body == {"count": 1}
    assert contoso("POST", f"{path}/replay", {"offsets": [third, first]}).body == {"count": 2}
    assert [json.loads(contoso("GET", f"{path}/{each['offset']}").body["body"])["eventId"]
            for each in await all_of(contoso, path)] == [4]  # fmt: skip
    assert operated.maria("POST", f"{path}/replay", {}).body == {"count": 1}
    async with (
        operated.connect(CONTOSO) as client,
        client.subscribe(f"{FULL}/9.777.811.#", headers={"x-queue-name": "q-811"}) as subscription,
    ):
        messages = aiter(subscription)
        found = [await asyncio.wait_for(anext(messages), 10) for _ in range(3)]
        assert [message.json()["eventId"] for message in found] == [1, 3, 4]
    assert await all_of(contoso, path) == []
    assert contoso("POST", f"{path}/purge", {}).body == {"count": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"offsets": ["1"]}, "/offsets/0"), ({"ofsets": []}, "/ofsets"), ({"offsets": "all"}, "/offsets")],
)
async def test_what_is_to_be_replayed_is_a_list_of_offsets(operated: Operated, body: dict, pointer: str):
    path = await dead(operated, 812, 1)
    answer = operated.maria("POST", f"{path}/replay", body)
    assert (answer.status, [each["pointer"] for each in answer.body["errors"]]) == (422, [pointer])
    assert operated.maria("POST", f"{path}/purge", {}).body == {"count": 1}


async def test_dead_letters_of_what_is_not_granted_any_more_are_not_shown(operated: Operated):
    path = await dead(operated, 813, 1)
    contoso, grant = operated.of(CONTOSO), "/partners/9/grants/acme/event_full_v24"
    assert operated.maria("DELETE", grant).status == 204
    try:
        for method, place in (("GET", path), ("POST", f"{path}/replay"), ("POST", f"{path}/purge")):
            assert contoso(method, place, {} if method == "POST" else None).status == 403
        assert operated.maria("GET", path).status == 200
    finally:
        assert operated.maria("PUT", grant).status == 200
    assert len(contoso("GET", path).body) == 1
