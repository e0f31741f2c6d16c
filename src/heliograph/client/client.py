"""One connection of a client.

Two tasks serve it: ``_read`` takes what the server sends, ``_beat`` keeps the connection alive and notices a
dead peer.  Everything else happens in the caller's task.

Backpressure: a subscription holds at most ``prefetch`` messages that nobody has taken; when it is full, the
socket is not read, so the server holds the rest.  With the acknowledging modes the server's credit is the same
number, so that cannot happen.  While a receipt is awaited reading goes on up to ``RECEIVED_MAX``, since the
RECEIPT stands behind the messages, and the one who waits for it may be the one who should take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from heliograph.client.errors import ConnectionFailed, ServerRefused
from heliograph.client.subscription import Subscription
from heliograph.client.transaction import Transaction
from heliograph.errors import HeliographError
from heliograph.stomp.client_session import ClientSession, Connected, Delivery, Receipt, Refusal, ServerEvent
from heliograph.stomp.events import Violation
from heliograph.stomp.serializer import BEAT

#: Messages of one subscription kept while a receipt is awaited; as many as a server's backlog holds.
RECEIVED_MAX = 65_536

#: How long the reason of a lost connection may take to be read after the loss was noticed, seconds.
_REASON_S = 1.0


class Client:
    """A logged-in connection; made by ``connect``.

    ``server``: ``name/version``; ``session_id``: as the server named it.  Every method raises ``ServerRefused``
    or ``ConnectionFailed`` once the connection has ended, whatever ended it.
    """

    def __init__(self, socket: ClientConnection, session: ClientSession, timeout_s: float) -> None:
        self.session = session
        self.server = self.session_id = ""
        self.subscriptions: dict[str, Subscription] = {}
        self.closing = False
        self._socket = socket
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._fault: ServerRefused | ConnectionFailed | None = None
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._receipts: dict[str, asyncio.Future[None]] = {}
        self._subscribed = 0  # how many subscriptions were made ...
        self._named = 0  # ... and how many receipts and transactions
        self._full: set[Subscription] = set()
        self._room = asyncio.Event()
        self._heard_s = self._spoke_s = self._loop.time()
        self._writing = 0
        self._reader = asyncio.create_task(self._read())
        self._beater: asyncio.Task[None] | None = None

    # --- what a caller does

    async def send(
        self,
        destination: str,
        body: bytes | str,
        headers: Mapping[str, str] | None = None,
        *,
        receipt: bool = True,
    ) -> None:
        """Publish ``body`` to ``destination`` (``/exchange/{exchange}/{key}``).

        With a receipt it returns when the server has stored it as it promises; without one, when it is written.
        """
        if receipt:
            await self._within(await self.submit(destination, body, headers), "SEND")
        else:
            await self.write(self.session.send(destination, _octets(body), headers))

    async def submit(
        self, destination: str, body: bytes | str, headers: Mapping[str, str] | None = None
    ) -> asyncio.Future[None]:
        """Write a SEND and give a future of its RECEIPT, so that many can be on their way at once."""
        return await self._request(lambda receipt: self.session.send(destination, _octets(body), headers, receipt))

    def subscribe(
        self,
        destination: str,
        *,
        ack: str = "auto",
        prefetch: int = 256,
        headers: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Subscribe to ``/exchange/{exchange}/{pattern}``, from the moment the result is entered or iterated over.

        ``ack``: auto, client (cumulative) or client-individual.  ``prefetch``: how many messages may wait here
        that are not acknowledged (with ack:auto: not taken).
        """
        subscription = Subscription(self, str(self._subscribed), destination, ack, prefetch, headers)
        self._subscribed += 1
        return subscription

    def transaction(self) -> Transaction:
        """A transaction to be entered; it is committed at the end of its block, or aborted by an exception."""
        return Transaction(self, self._name("t"))

    async def close(self) -> None:
        """Say DISCONNECT, wait for its receipt, close.  Nothing is raised: there is nobody left to help."""
        if self.closing:
            return
        self.closing = True
        self._room.set()
        for subscription in self.subscriptions.values():
            subscription.wake()
        try:
            if self._fault is None and self._connected.done():
                await self.confirmed(self.session.disconnect, "DISCONNECT")
        except HeliographError:
            pass
        finally:
            self._fail(ConnectionFailed("Connection closed", "This client closed it."))
            if self._beater is not None:
                self._beater.cancel()
            await self._socket.close()
            await asyncio.wait({self._reader}, timeout=_REASON_S)
            self._reader.cancel()

    # --- for subscriptions, transactions and ``connect``

    async def log_in(self, connect_frame: bytes) -> None:
        """Say CONNECT and wait for the answer."""
        await self.write(connect_frame)
        await self._connected
        self._beater = asyncio.create_task(self._beat())

    async def write(self, frame: bytes) -> None:
        """Write a frame; waits while the server does not read."""
        self.check()
        self._spoke_s = self._loop.time()
        self._writing += 1
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            # Why it closed may still have to be read.
            self._room.set()
            await asyncio.wait({self._reader}, timeout=_REASON_S)
            self._fail(ConnectionFailed("Connection lost", "The server closed it without saying why."))
            self.check()
        finally:
            self._writing -= 1

    async def confirmed(self, frame: Callable[[str], bytes], what: str) -> None:
        """Write the frame that ``frame`` makes with a receipt id, and wait for the RECEIPT."""
        await self._within(await self._request(frame), what)

    async def unsubscribe(self, subscription_id: str) -> None:
        """UNSUBSCRIBE, unless the connection has ended anyway."""
        if self._fault is None and not self.closing:
            await self.write(self.session.unsubscribe(subscription_id))

    def check(self) -> None:
        """Raise why the connection has ended, if it has."""
        if self._fault is not None:
            raise self._fault.again()

    def make_room(self, subscription: Subscription) -> None:
        """``subscription`` is not full any more."""
        self._full.discard(subscription)
        if not self._full:
            self._read_on()

    def _read_on(self) -> None:
        """Read from the socket (again); what was not read meanwhile is no silence of the server's."""
        if not self._room.is_set():
            self._heard_s = self._loop.time()
            self._room.set()

    # --- receipts

    async def _request(self, frame: Callable[[str], bytes]) -> asyncio.Future[None]:
        receipt_id = self._name("r")
        octets = frame(receipt_id)
        future: asyncio.Future[None] = self._loop.create_future()
        self._receipts[receipt_id] = future
        future.add_done_callback(_no_complaint)
        future.add_done_callback(lambda _: self._receipts.pop(receipt_id, None))
        self._read_on()  # the RECEIPT stands behind whatever is not read yet
        try:
            await self.write(octets)
        except BaseException:
            future.cancel()
            raise
        return future

    async def _within(self, future: Awaitable[None], what: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await future
        except TimeoutError:
            raise ConnectionFailed("No receipt", f"{what} was not confirmed within {self._timeout_s:g} s.") from None

    def _name(self, kind: str) -> str:
        self._named += 1
        return f"{kind}{self._named}"

    # --- the reading task

    async def _read(self) -> None:
        try:
            while self._fault is None:
                octets = await self._socket.recv(decode=False)
                self._heard_s = self._loop.time()
                for event in self.session.receive(octets):
                    _READERS[type(event)](self, event)
                while self._must_pause():
                    self._room.clear()
                    await self._room.wait()
                    self._heard_s = self._loop.time()
        except ConnectionClosed as closed:
            self._fail(ConnectionFailed("Connection lost", f"It was closed: {closed}."))
        finally:
            self._fail(ConnectionFailed("Connection lost", "This client stopped reading."))
            await self._socket.close()

    def _must_pause(self) -> bool:
        if not self._full or self.closing or self._fault is not None or self._socket.close_code is not None:
            return False
        return not self._receipts or any(each.waiting >= RECEIVED_MAX for each in self._full)

    def _on_connected(self, event: Connected) -> None:
        self.server, self.session_id = event.server, event.session
        if not self._connected.done():
            self._connected.set_result(None)

    def _on_delivery(self, event: Delivery) -> None:
        subscription = self.subscriptions.get(event.subscription)
        if subscription is None or self.closing:
            return  # it was on its way when the UNSUBSCRIBE was
        subscription.deliver(event)
        if subscription.waiting >= subscription.prefetch:
            self._full.add(subscription)

    def _on_receipt(self, event: Receipt) -> None:
        future = self._receipts.get(event.receipt_id)
        if future is not None and not future.done():
            future.set_result(None)

    def _on_refusal(self, event: Refusal) -> None:
        self._fail(ServerRefused(event.message, event.detail, event.receipt_id))

    def _on_violation(self, event: Violation) -> None:
        self._fail(ConnectionFailed(event.error.message, event.error.detail))

    def _fail(self, fault: ServerRefused | ConnectionFailed) -> None:
        """The connection has ended; the first reason counts."""
        if self._fault is not None:
            return
        self._fault = fault
        for future in (self._connected, *self._receipts.values()):
            if not future.done():
                future.set_exception(fault.again())
        _no_complaint(self._connected)
        for subscription in self.subscriptions.values():
            subscription.wake()
        self._room.set()

    # --- the beating task

    async def _beat(self) -> None:
        heartbeat = self.session.heartbeat
        intervals_ms = [ms for ms in (heartbeat.send_ms, heartbeat.receive_ms) if ms]
        if not intervals_ms:
            return
        look_s = min(intervals_ms) / 1000 / 5
        beats: set[asyncio.Task[None]] = set()  # at most one: it may have to wait until the server reads
        while self._fault is None:
            await asyncio.sleep(look_s)
            now_s = self._loop.time()
            if not self._must_pause() and heartbeat.peer_dead(now_s - self._heard_s):
                self._fail(ConnectionFailed("Heart-beat missed", f"Nothing came for twice {heartbeat.receive_ms} ms."))
                await self._socket.close()
            elif not self._writing and heartbeat.send_due(now_s - self._spoke_s, look_s):
                beat = asyncio.create_task(self.write(BEAT))
                beats.add(beat)
                beat.add_done_callback(beats.discard)
                beat.add_done_callback(_no_complaint)


_READERS: dict[type[ServerEvent], Callable[..., None]] = {
    Connected: Client._on_connected,
    Delivery: Client._on_delivery,
    Receipt: Client._on_receipt,
    Refusal: Client._on_refusal,
    Violation: Client._on_violation,
}


def _octets(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body


def _no_complaint(future: asyncio.Future[None]) -> None:
    """Whoever awaits the future gets its exception; whoever does not learns of it by the next call."""
    if future.done() and not future.cancelled():
        future.exception()
