"""The SENDs of one connection that came at once: all up to the first fault are published, then that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from heliograph.broker.publisher import Letter, Publisher
from heliograph.errors import ServerError

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection


def publish(
    connection: StompConnection,
    publisher: Publisher,
    letters: Sequence[Letter],
    bodies: Sequence[bytes],
    receipts: Mapping[int, str],
) -> None:
    """``receipts``: of those that ask for one, by place, in order."""
    runs, count, fault = publisher.plan(letters, bodies)
    asked = [receipt for place, receipt in receipts.items() if place < count]
    try:
        publisher.publish(runs, connection.confirm(asked))
    except ServerError as error:
        connection.fail(error, asked[0] if asked else None)
    else:
        if fault is not None:
            connection.fail(fault, receipts.get(count))
