"""COMMIT: whether all of a transaction can be done, before any is; doing it; and when all of it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.broker.publisher import Publisher
from heliograph.broker.subscription import AckMode, not_unacked
from heliograph.engine.interface import Confirm
from heliograph.errors import HeliographError, ProtocolError
from heliograph.stomp.events import Ack, Nack, Send

if TYPE_CHECKING:
    from heliograph.server.outlet import Outlet
    from heliograph.server.stomp_connection import StompConnection


def check_actions(connection: StompConnection, publisher: Publisher, actions: list[Send | Ack | Nack]) -> None:
    """ClientError unless every part of a transaction can be done; nothing is done yet."""
    for action in actions:
        if isinstance(action, Send):
            publisher.check(action.head, action.body)
    check_settlements(connection, actions)


def do_actions(
    connection: StompConnection, publisher: Publisher, actions: list[Send | Ack | Nack], stored: Confirm
) -> None:
    """Do every part, in order; ``stored`` is called once for each."""
    for action in actions:
        if isinstance(action, Send):
            publisher.publish(action.head, action.body, stored)
            continue
        outlet, tag = connection.find_delivery(action.ack_id)
        if isinstance(action, Ack):
            outlet.subscription.ack(tag, stored)
        else:
            outlet.subscription.nack(tag, action.requeue, stored)
        outlet.wake_if_ready()


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


class Countdown:
    """A ``Confirm`` that waits for ``count`` confirmations and passes on the first error, or None."""

    __slots__ = ("_confirm", "_error", "_left")

    def __init__(self, count: int, confirm: Confirm) -> None:
        self._left = count
        self._error: HeliographError | None = None
        self._confirm = confirm
        if not count:
            confirm(None)

    def __call__(self, error: HeliographError | None) -> None:
        """See ``Confirm``."""
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._confirm(self._error)
