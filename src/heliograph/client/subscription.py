"""One subscription of a client: its bounded queue of messages, and the iterator over them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from heliograph.client.message import Message
from heliograph.stomp.client_session import Delivery

if TYPE_CHECKING:
    from heliograph.client.client import Client
    from heliograph.client.transaction import Transaction

ACK_MODES = ("auto", "client", "client-individual")


class Subscription:
    """An asynchronous iterable of messages; made by ``Client.subscribe``.

    ``async with`` subscribes on entry, so that whatever is published from then on is received, and
    unsubscribes at the end.  A plain ``async for`` does the same around the loop.
    """

    def __init__(
        self,
        client: Client,
        subscription_id: str,
        destination: str,
        ack: str,
        prefetch: int,
        headers: Mapping[str, str] | None,
    ) -> None:
        if ack not in ACK_MODES:
            raise ValueError(f"ack is {ack!r}; it is one of {', '.join(ACK_MODES)}")
        if prefetch < 1:
            raise ValueError(f"prefetch is {prefetch}; it is a number of messages, 1 or more")
        self.id = subscription_id
        self.destination = destination
        self.ack_mode = ack
        self.prefetch = prefetch
        self._headers = headers
        self._client = client
        self._received: deque[Message] = deque()
        self._taker: asyncio.Future[None] | None = None
        self.open = False

    def __repr__(self) -> str:
        return f"<Subscription {self.id} to {self.destination!r}{'' if self.open else ', not open'}>"

    async def __aenter__(self) -> Subscription:
        if self.open:
            raise RuntimeError("this subscription is open already; make another one")
        self.open = True
        self._client.subscriptions[self.id] = self
        session = self._client.session
        await self._client.confirmed(
            lambda receipt: session.subscribe(
                self.id, self.destination, self.ack_mode, self.prefetch, self._headers, receipt
            ),
            "SUBSCRIBE",
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    async def __aiter__(self) -> AsyncGenerator[Message, None]:
        if self.open:
            while (message := await self._next()) is not None:
                yield message
        else:
            async with self:
                while (message := await self._next()) is not None:
                    yield message

    async def unsubscribe(self) -> None:
        """End it.  What was received and not acknowledged is the server's again."""
        if self.open:
            self.open = False
            self._client.subscriptions.pop(self.id, None)
            self._received.clear()
            self._client.make_room(self)
            self.wake()
            await self._client.unsubscribe(self.id)

    async def settle(self, ack_id: str, requeue: bool | None, receipt: bool, transaction: Transaction | None) -> None:
        """ACK (``requeue`` None) or NACK; see ``Message.ack`` and ``Message.nack``."""
        if not ack_id:
            raise RuntimeError("with ack='auto' the server wants no acknowledgement; subscribe with ack='client'")
        if not self.open:
            raise RuntimeError("the subscription has ended, so the message is the server's again; acknowledge before")
        session, client = self._client.session, self._client
        name = None if transaction is None else transaction.name

        def frame(receipt_id: str | None) -> bytes:
            if requeue is None:
                return session.ack(ack_id, receipt_id, name)
            return session.nack(ack_id, requeue, receipt_id, name)

        if receipt:
            await client.confirmed(frame, "ACK" if requeue is None else "NACK")
        else:
            await client.write(frame(None))

    # --- from the client

    @property
    def waiting(self) -> int:
        """How many messages are here that nobody has taken."""
        return len(self._received)

    def deliver(self, delivery: Delivery) -> None:
        """Take a message in."""
        self._received.append(Message(delivery, self))
        self.wake()

    def wake(self) -> None:
        """There is a message, or there never will be one again."""
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    async def _next(self) -> Message | None:
        """The next message, or None when the client or the subscription was closed."""
        while not self._received:
            if not self.open or self._client.closing:
                return None
            self._client.check()
            if self._taker is not None:
                raise RuntimeError("two loops over one subscription; make a subscription for each")
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        message = self._received.popleft()
        if len(self._received) < self.prefetch:
            self._client.make_room(self)
        return message
