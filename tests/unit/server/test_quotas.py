"""A partner's quota: what is beyond it is refused with words, and nobody else notices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.in_memory import DIRECTORY, OTHER_PARTNER, PARTNER, SERVICE, SYSTEM, Peer, Site, face, open_site

FACE = "/exchange/acme_face_v24/"


def with_quota(**quota: int) -> str:
    """The directory in which Northwind has it."""
    text = 'password = "correct horse: battery"\n'
    assert DIRECTORY.count(text) == 1
    return DIRECTORY.replace(text, f"{text}quota = {{ {', '.join(f'{k} = {v}' for k, v in quota.items())} }}\n")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    text = with_quota(connections=2, subscriptions=3, durable_subscriptions=1)
    async with open_site(text, partner_connections_max=4, partner_subscriptions_max=5, partner_durables_max=2) as site:
        yield site


async def refused(site: Site, who: tuple[str, str]) -> str:
    peer = site.open(who)
    peer.send("CONNECT", accept_version="1.2")
    await site.answered(peer)
    return peer.error().headers["message"]


def subscribe(peer: Peer, number: int, **headers: object) -> None:
    peer.send("SUBSCRIBE", id=number, destination=FACE + "#", **headers)


async def test_connections(site: Site) -> None:
    peers = [await site.connect(PARTNER) for _ in range(2)]
    assert await refused(site, PARTNER) == "Too many connections"
    for _ in range(4):
        await site.connect(OTHER_PARTNER)
    assert await refused(site, OTHER_PARTNER) == "Too many connections"
    for who in (SYSTEM, SERVICE):
        for _ in range(6):
            await site.connect(who)
    peers[0].send("DISCONNECT")
    await site.turn()
    await site.connect(PARTNER)  # the socket of the first may still be there
    peers[0].gone()
    assert await refused(site, PARTNER) == "Too many connections"
    peers[1].gone()
    await site.connect(PARTNER)


async def test_nothing_is_kept_of_who_has_gone(site: Site) -> None:
    peers = [await site.connect(PARTNER), await site.connect(OTHER_PARTNER)]
    peers.append(site.open(PARTNER))
    peers[-1].send("CONNECT", accept_version="1.2")
    for peer in peers:
        peer.gone()
    await site.turn()
    assert not site.hub.quotas._by_login
    assert not site.hub.quotas._logins
    assert not site.hub.quotas._subscribed


async def test_subscriptions_of_all_connections_together(site: Site) -> None:
    first, second = await site.connect(PARTNER), await site.connect(PARTNER)
    for number in range(2):
        subscribe(first, number)
    subscribe(second, 0)
    first.send("UNSUBSCRIBE", id=0)
    subscribe(second, 1)
    await site.turn()
    assert second.heard() == []
    subscribe(second, 2)
    error = second.error()
    assert error.headers["message"] == "Too many subscriptions"
    assert b"has 3, which is its quota (subscriptions)" in error.body
    assert first.link.closed is None
    subscribe(first, 3)  # those of the second are gone
    await site.turn()
    assert first.link.closed is None


async def test_durable_subscriptions(site: Site) -> None:
    peer = await site.connect(PARTNER)
    subscribe(peer, 0, x_queue_name="one")
    peer.send("UNSUBSCRIBE", id=0)
    subscribe(peer, 0, x_queue_name="one")  # it is there already
    subscribe(peer, 1, x_queue_name="two")
    error = peer.error()
    assert error.headers["message"] == "Too many durable subscriptions"
    assert b"quota (durable_subscriptions)" in error.body
    other = await site.connect(OTHER_PARTNER)
    for number in range(2):
        subscribe(other, number, x_queue_name=f"queue {number}")
    subscribe(other, 2, x_queue_name="queue 2")
    assert other.error().headers["message"] == "Too many durable subscriptions"
    service = await site.connect(SERVICE)
    for number in range(4):
        subscribe(service, number, x_queue_name=f"queue {number}")
    await site.turn()
    assert service.link.closed is None


async def publish(site: Site, count: int) -> None:
    peer = await site.connect(SYSTEM)
    for number in range(count):
        peer.send("SEND", face(number=number), destination=FACE + "7.12345.create")
    await site.turn()
    peer.gone()


def received(peer: Peer) -> int:
    return len([each for each in peer.heard() if each.command == "MESSAGE"])


async def test_a_rate_holds_deliveries_back_and_a_change_of_it_holds_at_once(site: Site) -> None:
    await site.replace(with_quota(messages_per_s=3))
    peer = await site.connect(PARTNER)
    subscribe(peer, 0)
    await site.turn()
    await publish(site, 50)
    assert 3 <= received(peer) <= 5
    await site.replace(DIRECTORY)
    await site.turn()
    assert 45 <= received(peer) <= 47
    await site.replace(with_quota(messages_per_s=3))
    await site.turn()
    await publish(site, 50)
    assert 3 <= received(peer) <= 5
    await site.replace(with_quota(messages_per_s=1_000_000))
    await site.turn()
    assert 45 <= received(peer) <= 47
    assert peer.link.closed is None


async def test_without_a_rate_the_engine_s_own_feed_is_used(site: Site) -> None:
    for who in (PARTNER, SERVICE):
        peer = await site.connect(who)
        subscribe(peer, 0)
        (outlet,) = peer.connection.outlets
        assert type(outlet.subscription._feed).__name__ == "TransientFeed"
