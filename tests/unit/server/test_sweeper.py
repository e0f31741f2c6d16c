"""The clock of all connections."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.server import sweeper
from heliograph.server.sweeper import Sweeper
from tests.in_memory import Site


async def test_a_connection_that_fails_at_its_tick_stops_no_other_clock(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_S", 0.005)
    broken, good = site.open(), site.open()
    broken.connection.opened_s = None  # type: ignore[assignment]
    good.connection.opened_s -= site.hub.limits.login_ms_max / 1000 - 0.02
    clock = Sweeper(site.hub)
    clock.start()
    async with asyncio.timeout(5):
        while good.link.closed is None:
            await asyncio.sleep(0.005)
    clock.stop()
    assert broken.link.aborted
    assert good.error().headers["message"] == "Login timed out"
