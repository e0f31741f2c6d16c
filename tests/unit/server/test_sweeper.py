"""The clock of all connections."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.server import sweeper
from heliograph.server.sweeper import Sweeper
from tests.clock import StillClock
from tests.in_memory import Site, open_site


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


async def test_time_in_which_the_server_did_not_run_is_nobodys_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_S", 0.02)
    async with open_site(heartbeat_ms_min=100) as site:
        peer, stranger = await site.connect(heart_beat="100,0"), site.open()
        stranger.connection.opened_s -= site.hub.limits.login_ms_max / 1000 - 0.25
        sweeping, clock = Sweeper(site.hub), StillClock()
        sweeping.start()
        clock.jump(0.4)  # as a suspended process, or one that gets no processor
        await clock.go(0.05)
        assert peer.link.closed is None
        assert stranger.link.closed is None
        await clock.go(0.4)
        sweeping.stop()
        assert peer.error().headers["message"] == "Heart-beat missed"
        assert stranger.error().headers["message"] == "Login timed out"
