"""One message, as a subscriber gets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from heliograph.errors import DestinationError
from heliograph.stomp.client_session import Delivery
from heliograph.topic.destination import Destination, parse_destination

if TYPE_CHECKING:
    from heliograph.client.subscription import Subscription
    from heliograph.client.transaction import Transaction


class Message:
    """A message and its acknowledgement.

    ``body`` is as it was published.  With ack:auto there is nothing to acknowledge.
    """

    __slots__ = ("_delivery", "subscription")

    def __init__(self, delivery: Delivery, subscription: Subscription) -> None:
        self._delivery = delivery
        self.subscription = subscription

    def __repr__(self) -> str:
        return f"<Message {self.message_id!r} of {self.destination!r}, {len(self.body)} octets>"

    @property
    def destination(self) -> str:
        """``/exchange/{exchange}/{key}``; the key is the message's own, not the pattern."""
        return self._delivery.destination

    @property
    def exchange(self) -> str:
        """The destination's exchange; "" where the server has other destinations."""
        return self._parts.exchange

    @property
    def key(self) -> str:
        """The routing key."""
        return self._parts.key

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers of the MESSAGE, the publisher's own among them."""
        return self._delivery.headers

    @property
    def body(self) -> bytes:
        """The octets of the body."""
        return self._delivery.body

    @property
    def message_id(self) -> str:
        """Unique in its session; with ack:auto it names the event for good."""
        return self._delivery.message_id

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, and not acknowledged."""
        return self._delivery.redelivered

    def json(self) -> Any:
        """The body as JSON; ``msgspec.DecodeError`` (a ValueError) where it is none."""
        return msgspec.json.decode(self.body)

    async def ack(self, *, receipt: bool = False, transaction: Transaction | None = None) -> None:
        """Acknowledge it; with ack:client, all before it too.  ``receipt``: wait until the server has noted it."""
        await self.subscription.settle(self._delivery.ack_id, None, receipt, transaction)

    async def nack(
        self, *, requeue: bool = True, receipt: bool = False, transaction: Transaction | None = None
    ) -> None:
        """Give it back: to be delivered again, or not (``requeue=False``)."""
        await self.subscription.settle(self._delivery.ack_id, requeue, receipt, transaction)

    @property
    def _parts(self) -> Destination:
        try:
            return parse_destination(self.destination)
        except DestinationError:
            return Destination("", self.destination)
