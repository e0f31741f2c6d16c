"""Whether all acknowledgements of a transaction can be done, in the order in which they stand."""

from __future__ import annotations

import pytest

from heliograph.errors import ProtocolError
from heliograph.server.stomp.commit import check_settlements
from heliograph.stomp.events import Ack, Nack
from tests.in_memory import SERVICE, Peer, Site


async def delivered(site: Site, mode: str) -> tuple[Peer, str]:
    """A connection with deliveries 1 to 4 unacknowledged, and what its ack ids begin with."""
    peer = await site.connect(SERVICE)
    peer.send("SUBSCRIBE", id="0", destination="/exchange/acme_raw/#", ack=mode)
    for _ in range(4):
        peer.send("SEND", destination="/exchange/acme_raw/a")
    await site.turn()
    ids = [message.headers["ack"] for message in peer.heard()]
    assert len(ids) == 4
    return peer, ids[0].removesuffix("1")


@pytest.mark.parametrize(
    ("mode", "tags", "fits"),
    [
        ("client-individual", [1, 2, 3, 4], True),
        ("client-individual", [4, 1, 3], True),
        ("client-individual", [1, 1], False),
        ("client-individual", [5], False),
        ("client-individual", [0], False),
        ("client", [1, 2, 3, 4], True),
        ("client", [4], True),
        ("client", [2, 4], True),
        ("client", [2, 2], False),
        ("client", [4, 2], False),
        ("client", [2, 1, 4], False),
        ("client", [5], False),
    ],
)
@pytest.mark.parametrize("kinds", ["ack", "nack", "mixed"])
async def test_each_must_be_unacknowledged_in_its_turn(
    site: Site, mode: str, tags: list[int], fits: bool, kinds: str
) -> None:
    peer, prefix = await delivered(site, mode)
    actions: list[Ack | Nack] = []
    for position, tag in enumerate(tags):
        is_ack = kinds == "ack" or (kinds == "mixed" and position % 2 == 0)
        actions.append(Ack(f"{prefix}{tag}", None) if is_ack else Nack(f"{prefix}{tag}", True, None))
    outlet, _ = peer.connection.find_delivery(f"{prefix}1")
    before = dict(outlet.subscription.unacked)
    if fits:
        check_settlements(peer.connection, list(actions))
    else:
        with pytest.raises(ProtocolError, match="Subscription not found"):
            check_settlements(peer.connection, list(actions))
    assert outlet.subscription.unacked == before, "it only looks"
    for action in actions:  # what it allows can be done, what it refuses cannot
        try:
            if isinstance(action, Ack):
                outlet.subscription.ack(peer.connection.find_delivery(action.ack_id)[1])
            else:
                outlet.subscription.nack(peer.connection.find_delivery(action.ack_id)[1], requeue=False)
        except ProtocolError:
            assert not fits
            break
    else:
        assert fits


async def test_subscriptions_are_judged_each_by_itself(site: Site) -> None:
    peer, prefix = await delivered(site, "client")
    other = prefix.replace("T_0", "T_1")
    peer.send("SUBSCRIBE", id="1", destination="/exchange/acme_raw/#", ack="client-individual")
    peer.send("SEND", destination="/exchange/acme_raw/a")
    await site.turn()
    tags = {message.headers["subscription"]: message.headers["ack"] for message in peer.heard()}
    check_settlements(peer.connection, [Ack(tags["0"], None), Ack(tags["1"], None)])
    with pytest.raises(ProtocolError, match="Subscription not found"):
        check_settlements(peer.connection, [Ack(f"{other}1", None)])
