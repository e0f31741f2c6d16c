"""SUBSCRIBE: from the headers of the frame to an open outlet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from heliograph.broker.subscription import AckMode
from heliograph.engine.interface import Confirm
from heliograph.server.hub import Hub
from heliograph.server.stomp.arguments import read_arguments
from heliograph.server.stomp.outlet import Outlet, outlet_of
from heliograph.stomp.events import Subscribe

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection


def open_outlet(
    connection: StompConnection, hub: Hub, request: Subscribe, subscribed: Callable[[Outlet], Confirm]
) -> Outlet:
    """The outlet of a new subscription of ``connection``.

    Held back where its RECEIPT has to wait until the subscription is stored: then ``subscribed`` of it is called.
    """
    principal = hub.subscriber(connection)
    arguments = read_arguments(request, time.time_ns() // 1_000_000)
    durable = arguments.durable(principal)
    outlet = outlet_of(connection, request, annotated=durable is not None or arguments.start is not None)
    outlet.durable = None if arguments.dead_letters else durable  # what UNSUBSCRIBE may delete
    outlet.held = durable is not None and request.receipt is not None
    outlet.subscription = hub.broker.subscribe(
        principal,
        request.destination,
        AckMode(request.ack),
        request.prefetch_count,
        outlet.wake,
        outlet.ended,
        arguments.start,
        durable,
        subscribed(outlet) if outlet.held else None,
    )
    return outlet
