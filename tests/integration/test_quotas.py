"""Quotas as a partner meets them: set over HTTP while it is connected, on the real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count

import pytest

from heliograph.client import ServerRefused, Subscription, connect
from tests.integration.conftest import NORTHWIND, Process, address
from tests.integration.sse import EventSource
from tests.integration.test_http_history import DATABASES, EVENTS, FULL, People, event, serve

DESTINATION = f"/exchange/{FULL}/#"
RATE = 20
NUMBERS = count(1)


@pytest.fixture(scope="module", params=DATABASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    process, token = serve(tmp_path_factory.mktemp("quotas"), request)
    yield process, token
    process.kill()


@pytest.fixture
def people(served: tuple[Process, str]) -> Iterator[People]:
    people = People(*served)
    yield people
    grant(people)


@pytest.fixture
def url(served: tuple[Process, str]) -> str:
    return address(served[0])


def grant(people: People, **quota: int) -> None:
    """Northwind has this quota from now on, and no other."""
    entry = people.maria("GET", "/partners/7").body
    fields = {name: entry[name] for name in ("name", "email", "grants")} | {"quota": quota}
    changed = people.maria("PUT", "/partners/7", fields)
    assert changed.status == 200
    assert {name: each for name, each in changed.body["quota"].items() if each is not None} == quota


def post(people: People, many: int) -> list[int]:
    """So many events; their numbers."""
    sent = [next(NUMBERS) for _ in range(many)]
    assert people.acme("POST", EVENTS, [event(number) for number in sent]).status == 200
    return sent


async def received(subscription: Subscription, many: int) -> list[int]:
    found: list[int] = []
    async for message in subscription:
        found.append(message.json()["eventId"])
        if len(found) == many:
            break
    return found


async def test_a_rate_holds_deliveries_back_from_when_it_is_set_and_loses_nothing(people: People, url: str) -> None:
    async with connect(url, *NORTHWIND.values()) as client, client.subscribe(DESTINATION) as subscription:
        sent = await asyncio.to_thread(post, people, 200)
        assert await received(subscription, 200) == sent
        await asyncio.to_thread(grant, people, messages_per_s=RATE)
        began = time.monotonic()
        sent = await asyncio.to_thread(post, people, 4 * RATE)
        assert await received(subscription, 4 * RATE) == sent
        assert time.monotonic() - began > 2.5  # what one second gives may come at once
        sent = await asyncio.to_thread(post, people, 100 * RATE)
        await asyncio.to_thread(grant, people)
        began = time.monotonic()
        assert await received(subscription, 100 * RATE) == sent
        assert time.monotonic() - began < 20


async def test_a_rate_in_octets_is_shared_by_all_subscriptions(people: People, url: str) -> None:
    await asyncio.to_thread(grant, people, bytes_per_s=500)
    async with (
        connect(url, *NORTHWIND.values()) as one,
        connect(url, *NORTHWIND.values()) as other,
        one.subscribe(DESTINATION) as first,
        other.subscribe(DESTINATION) as second,
    ):
        began = time.monotonic()
        sent = await asyncio.to_thread(post, people, 10)  # each of over 100 octets
        assert list(await asyncio.gather(received(first, 10), received(second, 10))) == [sent, sent]
        assert time.monotonic() - began > 1


def test_a_rate_holds_a_stream_of_events_back_too(people: People) -> None:
    grant(people, messages_per_s=RATE)
    with EventSource(people.northwind, f"/events/stream?exchange={FULL}") as stream:
        began = time.monotonic()
        sent = post(people, 3 * RATE)
        assert [each.data["body"]["eventId"] for each in stream.events(3 * RATE)] == sent
        assert time.monotonic() - began > 1.5


async def test_what_is_beyond_a_quota_is_refused_and_what_is_open_stays(people: People, url: str) -> None:
    async with connect(url, *NORTHWIND.values()) as client, client.subscribe(DESTINATION) as subscription:
        await asyncio.to_thread(grant, people, connections=1, subscriptions=1)
        with pytest.raises(ServerRefused, match="Too many connections"):
            async with connect(url, *NORTHWIND.values()):
                pass
        async with connect(url, "desk@contoso.example", "paper clip staple"):
            pass
        sent = await asyncio.to_thread(post, people, 1)
        assert await received(subscription, 1) == sent
        with pytest.raises(ServerRefused, match="Too many subscriptions"):
            async with client.subscribe(DESTINATION):
                pass


async def test_durable_subscriptions_are_counted_while_nobody_is_connected(people: People, url: str) -> None:
    first, second = ({"durable": "true", "x-queue-name": name} for name in ("first", "second"))
    await asyncio.to_thread(grant, people, durable_subscriptions=1)
    async with connect(url, *NORTHWIND.values()) as client, client.subscribe(DESTINATION, headers=first):
        pass
    async with connect(url, *NORTHWIND.values()) as client:
        with pytest.raises(ServerRefused, match="Too many durable subscriptions"):
            async with client.subscribe(DESTINATION, headers=second):
                pass
    async with connect(url, *NORTHWIND.values()) as client, client.subscribe(DESTINATION, headers=first):
        pass
