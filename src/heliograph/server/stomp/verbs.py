"""What a client asks for: one wire verb, one place to look."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from heliograph.errors import HeliographError
from heliograph.server.stomp.commit import commit
from heliograph.server.stomp.outlet import Outlet, ack_prefix
from heliograph.server.stomp.publishing import publish
from heliograph.server.stomp.subscribing import open_outlet
from heliograph.stomp.events import (
    Ack,
    Commit,
    Connect,
    Disconnect,
    Done,
    Nack,
    Send,
    Subscribe,
    Unsubscribe,
    Violation,
)

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection


def _connect(connection: StompConnection, event: Connect) -> None:
    connection.log_in(event)


def _send(connection: StompConnection, event: Send) -> None:
    publish(connection, connection.publisher, [event.head], [event.body], dict(enumerate(_given(event.receipt))))


def _subscribe(connection: StompConnection, event: Subscribe) -> None:
    receipts = _given(event.receipt)
    outlet = open_outlet(
        connection,
        connection.hub,
        event,
        lambda outlet: connection.awaited.add(partial(_subscribed, connection, outlet, receipts)),
    )
    connection.by_ack_prefix[outlet.ack_prefix] = outlet
    if not outlet.held:
        connection.answer(receipts)


def _subscribed(
    connection: StompConnection, outlet: Outlet, receipts: tuple[str, ...], error: HeliographError | None
) -> None:
    """A durable subscription is stored: its RECEIPT, then its deliveries."""
    connection.answer(receipts, error)
    if connection.by_ack_prefix.get(outlet.ack_prefix) is outlet:
        outlet.held = False
        outlet.wake_if_ready()


def _unsubscribe(connection: StompConnection, event: Unsubscribe) -> None:
    outlet = connection.by_ack_prefix.pop(ack_prefix(event.tag, connection.session))
    outlet.subscription.close()
    connection.deliver_no_more(outlet)
    receipts = _given(event.receipt)
    if outlet.durable is not None and event.headers.get("durable") == "true":
        connection.hub.broker.delete(outlet.durable, connection.confirm(receipts))
    else:
        connection.answer(receipts)


def _ack(connection: StompConnection, event: Ack) -> None:
    outlet, tag = connection.find_delivery(event.ack_id)
    outlet.subscription.ack(tag, connection.confirm(_given(event.receipt)))
    outlet.wake_if_ready()


def _nack(connection: StompConnection, event: Nack) -> None:
    outlet, tag = connection.find_delivery(event.ack_id)
    outlet.subscription.nack(tag, event.requeue, connection.confirm(_given(event.receipt)))
    outlet.wake_if_ready()


def _commit(connection: StompConnection, event: Commit) -> None:
    stored = partial(connection.answer, _given(event.receipt))
    commit(connection, connection.publisher, event.actions, lambda: connection.awaited.add(stored))


def _done(connection: StompConnection, event: Done) -> None:
    connection.answer(_given(event.receipt))


def _disconnect(connection: StompConnection, event: Disconnect) -> None:
    """Its RECEIPT is the last, so it waits for those that wait for the disk."""
    connection.close_subscriptions()
    connection.awaited.leave(partial(_leave, connection, _given(event.receipt)))


def _leave(connection: StompConnection, receipts: tuple[str, ...]) -> None:
    connection.answer(receipts)
    connection.close()


def _violation(connection: StompConnection, event: Violation) -> None:
    connection.fail(event.error, event.receipt)


def _given(receipt: str | None) -> tuple[str, ...]:
    return () if receipt is None else (receipt,)


VERBS: dict[type[Any], Callable[[StompConnection, Any], None]] = {
    Connect: _connect,
    Send: _send,
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
    Ack: _ack,
    Nack: _nack,
    Commit: _commit,
    Done: _done,
    Disconnect: _disconnect,
    Violation: _violation,
}
