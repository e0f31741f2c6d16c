"""Pages over several exchanges, whose limits the test sets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.broker.history import History, Page, Period
from heliograph.directory.principal import Partner, Principal
from heliograph.engine.interface import Binding, Envelope
from heliograph.errors import AccessError, LimitError
from heliograph.limits import Limits
from tests.in_memory import DIRECTORY, PARTNER, Site, open_site

ONE, TWO = "acme_event_full_v24", "acme_face_v24"
BINDINGS = [Binding(name, ("7", "#"), "7") for name in (ONE, TWO)]


class Shelf:
    def __init__(self, site: Site, **limits: Any) -> None:
        self.site = site
        self.history = History(site.hub.broker, Limits(**limits))
        principal = site.hub.broker.directory.principals[PARTNER[0]]
        assert isinstance(principal, Partner)
        self.principal: Principal = principal

    async def store(self, *exchanges: str, key: str = "7.1", body: bytes = b"{}") -> None:
        """One after the other, at times that differ."""
        for exchange in exchanges:
            self.site.hub.broker.exchange(exchange)([Envelope(exchange, key, {})], [body])
            await asyncio.sleep(0.002)
        await self.site.turn()

    async def page(self, befores: dict[str, int] | None = None, count: int = 100) -> Page:
        return await self.history.page(self.principal, BINDINGS, Period(), befores, count)

    async def walk(self, count: int = 100) -> list[list[str]]:
        """The exchanges of the events of each page."""
        pages = [await self.page(None, count)]
        while pages[-1].befores:
            assert len(pages) < 500
            pages.append(await self.page(pages[-1].befores, count))
        identities = [(e.envelope.exchange, e.offset) for page in pages for e in page.events]
        assert len(set(identities)) == len(identities)
        return [[event.envelope.exchange for event in page.events] for page in pages]


async def test_exchanges_are_merged_by_time_whatever_the_size_of_a_page():
    async with open_site() as site:
        shelf = Shelf(site)
        stored = [ONE, TWO, TWO, ONE, ONE, TWO, ONE]
        await shelf.store(*stored)
        for count in (1, 2, 3, 100):
            pages = await shelf.walk(count)
            assert [each for page in pages for each in page] == stored[::-1]
            assert all(len(page) <= count for page in pages)


async def test_a_page_costs_so_much_and_the_walk_still_ends_with_everything():
    async with open_site() as site:
        shelf = Shelf(site, history_scan_bytes_max=1)
        for _ in range(12):
            await shelf.store(TWO, key="9.1", body=bytes(30_000))
        await shelf.store(ONE, TWO)
        for _ in range(12):
            await shelf.store(TWO, key="9.1", body=bytes(30_000))
        pages = await shelf.walk()
        assert [each for page in pages for each in page] == [TWO, ONE]
        assert [] in pages


async def test_a_page_of_large_bodies_ends_sooner():
    async with open_site() as site:
        shelf = Shelf(site, history_page_bytes_max=1_000)
        await shelf.store(*[ONE] * 5, body=b"x" * 600)
        assert [len(page) for page in await shelf.walk()] == [2, 2, 1]


async def test_a_login_reads_so_many_at_once():
    async with open_site() as site:
        shelf = Shelf(site, history_reads_max=1)
        await shelf.store(ONE)
        reading = asyncio.create_task(shelf.page())
        await asyncio.sleep(0)
        with pytest.raises(LimitError, match="history_reads_max"):
            await shelf.page()
        assert len((await reading).events) == 1
        assert len((await shelf.page()).events) == 1


async def test_what_is_withdrawn_while_it_is_read_is_not_told():
    async with open_site() as site:
        shelf = Shelf(site)
        await shelf.store(ONE)
        reading = asyncio.create_task(shelf.page())
        await asyncio.sleep(0)
        granted = 'grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]'
        assert granted in DIRECTORY
        await site.replace(DIRECTORY.replace(granted, granted.replace('"event_full_v24", ', "")))
        with pytest.raises(AccessError, match="Access withdrawn"):
            await reading
