"""That a live subscription is counted only while somebody looks at it, and where a list goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from heliograph.broker.watched_feed import WatchedFeed
from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.server import rates
from heliograph.server.http.live import subscriptions
from heliograph.server.rates import Rates
from tests.clock import StillClock
from tests.in_memory import OTHER_PARTNER, PARTNER, Site, frame, open_site

FACES = "/exchange/acme_face_v24/#"


def api_of(site: Site) -> Any:
    return SimpleNamespace(hub=site.hub, broker=site.hub.broker, rates=Rates(site.hub.loop))


async def test_a_subscription_is_counted_only_while_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEPT_S", 1)
    async with open_site() as site:
        peer = await site.connect()
        peer.send("SUBSCRIBE", destination=FACES, id=0)
        api, clock = api_of(site), StillClock()
        (live,) = subscriptions._all(api, None, None)
        assert isinstance(live, subscriptions.Live)
        subscription = live.outlet.subscription
        assert isinstance(subscription._feed, TransientFeed)
        subscriptions._shape(api, live, {})
        assert isinstance(subscription._feed, WatchedFeed)
        await clock.go(0.9)
        assert isinstance(subscription._feed, WatchedFeed)
        await clock.go(0.2)
        assert isinstance(subscription._feed, TransientFeed)


async def test_a_list_goes_on_behind_what_is_gone() -> None:
    async with open_site() as site:
        api, peers = api_of(site), [await site.connect(who) for who in (PARTNER, PARTNER, OTHER_PARTNER)]
        for peer in peers:
            peer.say(*(frame("SUBSCRIBE", destination=FACES, id=number) for number in ("1!", 1, 0)))
            peer.send("SUBSCRIBE", destination=FACES, id="durable", x_queue_name=f"q{peers.index(peer)}")
        orders = [subscriptions._order(each) for each in subscriptions._all(api, None, None)]
        assert orders == sorted(orders)
        assert len(orders) == 12
        assert [order[2] for order in orders[:3]] == ["q0", "q1", "q2"]
        mine = [subscriptions._order(each) for each in subscriptions._all(api, "partner 7", None)]
        assert [order for order in orders if order in mine] == mine
        assert len(mine) == 8
        for behind in orders[3:]:
            rest = [order for each in subscriptions._all(api, None, behind)
                    if (order := subscriptions._order(each)) > behind]  # fmt: skip
            assert rest == orders[orders.index(behind) + 1 :]
        peers[0].gone()
        rest = [subscriptions._order(each) for each in subscriptions._all(api, None, orders[3])]
        assert [order for order in rest if order > orders[3]] == orders[6:]
