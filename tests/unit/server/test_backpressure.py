"""Publishers that are faster than the disk."""

from __future__ import annotations

import asyncio

from tests.in_memory import PARTNER, SYSTEM, Peer, Site

DESTINATION = "/exchange/acme_raw/a"


def fill(site: Site, full: bool = True) -> None:
    """As if so much was published and not stored yet, or as if that was stored now."""
    octets = site.engine.limits.uncommitted_bytes_max + 1
    site.engine.writer.uncommitted_bytes += octets if full else -octets


async def released(peer: Peer) -> None:
    async with asyncio.timeout(5):
        while not peer.link.reading:
            await asyncio.sleep(0.001)


async def test_a_publisher_is_not_read_from_until_the_disk_has_caught_up(site: Site):
    peer = await site.connect(SYSTEM)
    peer.send("SEND", b"x", destination=DESTINATION)
    assert peer.link.reading
    fill(site)
    peer.send("SEND", b"x", destination=DESTINATION)
    assert not peer.link.reading
    await asyncio.sleep(0.02)
    assert not peer.link.reading
    peer.connection.flush()
    assert not peer.link.reading
    fill(site, False)
    await released(peer)
    peer.send("SEND", b"x", destination=DESTINATION, receipt="r")
    await site.turn()
    assert [frame.command for frame in peer.heard()] == ["RECEIPT"]


async def test_who_only_consumes_is_read_from(site: Site):
    peer = await site.connect(PARTNER)
    fill(site)
    peer.send("SUBSCRIBE", id="0", destination="/exchange/acme_face_v24/#", receipt="r")
    assert peer.link.reading
    fill(site, False)


async def test_a_held_publisher_is_not_dead(site: Site):
    peer = await site.connect(SYSTEM, heart_beat="1000,0")
    fill(site)
    peer.send("SEND", b"x", destination=DESTINATION)
    now_s = site.hub.loop.time()
    for later_s in range(1, 20):
        peer.connection.tick(now_s + later_s, 0.2)
    assert peer.link.closed is None
    fill(site, False)
    await released(peer)
    peer.connection.tick(now_s + 20, 0.2)
    assert peer.link.closed is None
    peer.connection.tick(now_s + 23, 0.2)
    assert peer.error().headers["message"] == "Heart-beat missed"


async def test_a_publisher_that_went_while_it_was_held_is_forgotten(site: Site):
    peer = await site.connect(SYSTEM)
    fill(site)
    peer.send("SEND", b"x", destination=DESTINATION)
    peer.gone()
    fill(site, False)
    await asyncio.sleep(0.02)
    assert not peer.link.reading
