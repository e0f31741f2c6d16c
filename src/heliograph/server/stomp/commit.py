"""COMMIT: whether all of a transaction can be done, before any is; and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from heliograph.broker.publisher import Publisher
from heliograph.broker.subscription import AckMode, not_unacked
from heliograph.countdown import Countdown
from heliograph.engine.interface import Confirm
from heliograph.errors import ProtocolError
from heliograph.stomp.events import Ack, Nack, Send

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection
    from heliograph.server.stomp.outlet import Outlet


def commit(
    connection: StompConnection,
    publisher: Publisher,
    actions: Sequence[Send | Ack | Nack],
    awaited: Callable[[], Confirm],
) -> None:
    """All or nothing: ClientError unless every part can be done, and nothing is done then.

    ``awaited`` makes what is called when all is stored.
    """
    sends = [action for action in actions if isinstance(action, Send)]
    settlements = [action for action in actions if not isinstance(action, Send)]
    heads, bodies = [send.head for send in sends], [send.body for send in sends]
    runs, _, fault = publisher.plan(heads, bodies) if sends else ([], 0, None)
    if fault is not None:
        raise fault
    check_settlements(connection, settlements)
    stored = Countdown(len(settlements) + 1, awaited())
    publisher.publish(runs, stored)
    for action in settlements:
        outlet, tag = connection.find_delivery(action.ack_id)
        if isinstance(action, Ack):
            outlet.subscription.ack(tag, stored)
        else:
            outlet.subscription.nack(tag, action.requeue, stored)
        outlet.wake_if_ready()


def check_settlements(connection: StompConnection, settlements: Sequence[Ack | Nack]) -> None:
    """ProtocolError unless every ACK and NACK names a delivery that is still unacknowledged in its turn."""
    single: set[tuple[Outlet, int]] = set()
    up_to: dict[Outlet, int] = {}  # by cumulative acknowledgement
    for action in settlements:
        outlet, tag = connection.find_delivery(action.ack_id)
        if not outlet.subscription.holds(tag) or (outlet, tag) in single or tag <= up_to.get(outlet, 0):
            raise ProtocolError("Subscription not found", not_unacked(tag))
        if outlet.subscription.ack_mode is AckMode.CLIENT:
            up_to[outlet] = tag
        else:
            single.add((outlet, tag))
