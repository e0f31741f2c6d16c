"""stompman, over both of its transports, on an event loop in a thread of its own."""

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from threading import Thread
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import stompman
from stompman.connection_ws import WebSocketConnection

from tests.blackbox.clients.connection import (
    WAIT_S,
    Connection,
    Delivery,
    Endpoint,
    Kind,
    Refused,
    Subscription,
)

T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="stompman", daemon=True).start()
    return loop


def end_loop() -> None:
    """At the end of all tests; nothing of it may run then."""
    if _loop.cache_info().currsize:
        _loop().call_soon_threadsafe(_loop().stop)


class _Transaction(NamedTuple):
    context: AbstractAsyncContextManager[stompman.Transaction]
    open: stompman.Transaction


class Stompman(Connection):
    """stompman names subscriptions, transactions and receipts itself, and waits for the RECEIPT of its DISCONNECT."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._client = stompman.Client(
            on_error_frame=self._on_error_frame,
            connect_retry_attempts=1,
            disconnect_confirmation_timeout=int(WAIT_S * 2),  # a missing RECEIPT is seen as a missed deadline here
            **settings,
        )
        self._over = asyncio.run_coroutine_threadsafe(self._live(), _loop())
        self._stop: asyncio.Event
        if not self._wait_for(self.connected, WAIT_S):
            self.abandon()
            raise Refused(None)

    async def _live(self) -> None:
        self._stop = asyncio.Event()
        try:
            async with self._client:
                self.on_connected({})
                await self._stop.wait()
        finally:
            self.on_closed()

    def subscribe(self, destination, ack="auto", *, prefetch=None, subscription_id=None, confirm=True):
        assert subscription_id is None
        inbox = Subscription("")

        async def deliver(frame: stompman.AckableMessageFrame) -> None:
            inbox.deliver(Delivery(frame.headers, frame.body, frame))  # type: ignore[arg-type]

        inbox.handle = self._run(
            self._client.subscribe_with_manual_ack(
                destination,
                deliver,
                ack=ack,
                headers={} if prefetch is None else {"prefetch-count": str(prefetch)},
                receipt_timeout=WAIT_S if confirm else None,
            )
        )
        return inbox

    def unsubscribe(self, subscription):
        self._run(subscription.handle.unsubscribe())

    def send(self, destination, body, headers=None, *, transaction=None, confirm=False):
        options: dict[str, Any] = {"content_type": "application/json", "headers": dict(headers or {})}
        if transaction is not None:
            self._run(transaction.open.send(body, destination, **options))
        else:
            self._run(self._client.send(body, destination, receipt_timeout=WAIT_S if confirm else None, **options))

    def ack(self, subscription: Subscription, delivery: Delivery, transaction: object = None) -> None:
        self._run(delivery.handle.ack())  # type: ignore[attr-defined]

    def nack(self, subscription, delivery, *, requeue=True):
        self._run(delivery.handle.nack())

    def begin(self):
        context = self._client.begin()
        return _Transaction(context, self._run(context.__aenter__()))

    def commit(self, transaction):
        self._run(transaction.context.__aexit__(None, None, None))

    def abort(self, transaction):
        reason = RuntimeError("abort")
        self._run(transaction.context.__aexit__(type(reason), reason, None))

    def disconnect(self):
        for subscription in self._client._active_subscriptions.get_all():
            self._run(subscription.unsubscribe())
        _loop().call_soon_threadsafe(self._stop.set)
        self._over.result(WAIT_S)

    def abandon(self):
        self._over.cancel()
        assert self.closed.wait(WAIT_S)

    def _on_error_frame(self, frame: stompman.ErrorFrame) -> None:
        self.on_error(frame.headers, frame.body)  # type: ignore[arg-type]

    @staticmethod
    def _run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(WAIT_S)


def _dial(
    transport: str, endpoint: Endpoint, login: str, passcode: str, heart_beat_ms: tuple[int, int] = (1000, 1000)
) -> Connection:
    """Heart-beats always: at 0,0 this client sends them without a pause."""
    host, port = endpoint.tcp_address
    settings: dict[str, Any] = {}
    if transport == "ws":
        url = urlsplit(endpoint.ws_url)
        host, port = url.hostname or "", url.port or 0
        settings["connection_class"] = WebSocketConnection
    server = stompman.ConnectionParameters(host, port, login, passcode, "/ws" if transport == "ws" else None)
    if endpoint.ca_file:
        settings["ssl"] = ssl.create_default_context(cafile=endpoint.ca_file)
    return Stompman(servers=[server], heartbeat=stompman.Heartbeat(*heart_beat_ms), **settings)


_ABILITIES = frozenset({"nack", "beats"})

KINDS = (
    Kind("stompman-ws", partial(_dial, "ws"), "1.2", _ABILITIES),
    Kind("stompman-tcp", partial(_dial, "tcp"), "1.2", _ABILITIES | {"tls"}),
)
