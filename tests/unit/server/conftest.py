"""A broker without sockets for each test; see ``tests.in_memory``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.in_memory import Site, open_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site
