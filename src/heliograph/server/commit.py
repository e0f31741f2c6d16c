"""Whether all acknowledgements of a transaction can be done, before any is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.broker.subscription import AckMode, not_unacked
from heliograph.errors import ProtocolError
from heliograph.stomp.events import Ack, Nack, Send

if TYPE_CHECKING:
    from heliograph.server.outlet import Outlet
    from heliograph.server.stomp_connection import StompConnection


def check_settlements(connection: StompConnection, actions: list[Send | Ack | Nack]) -> None:
    """ProtocolError unless every ACK and NACK names a delivery that is still unacknowledged in its turn."""
    single: set[tuple[Outlet, int]] = set()
    up_to: dict[Outlet, int] = {}  # by cumulative acknowledgement
    for action in actions:
        if isinstance(action, Send):
            continue
        outlet, tag = connection.find_delivery(action.ack_id)
        if not outlet.subscription.holds(tag) or (outlet, tag) in single or tag <= up_to.get(outlet, 0):
            raise ProtocolError("Subscription not found", not_unacked(tag))
        if outlet.subscription.ack_mode is AckMode.CLIENT:
            up_to[outlet] = tag
        else:
            single.add((outlet, tag))
