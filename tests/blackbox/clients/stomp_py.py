"""stomp.py: over WebSocket with Basic credentials in the handshake, over TCP with login and passcode."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import stomp

from tests.blackbox.clients.connection import WAIT_S, Connection, Delivery, Endpoint, Kind, Subscription, new_id

_TCP = {"1.0": stomp.StompConnection10, "1.1": stomp.StompConnection11, "1.2": stomp.StompConnection12}


class _Listener(stomp.ConnectionListener):  # type: ignore[misc]
    def __init__(self, connection: "StompPy") -> None:
        self._connection = connection

    def on_connected(self, frame: Any) -> None:
        self._connection.on_connected(frame.headers)

    def on_message(self, frame: Any) -> None:
        self._connection.on_message(frame.headers, frame.body)

    def on_error(self, frame: Any) -> None:
        self._connection.on_error(frame.headers, frame.body)

    def on_receipt(self, frame: Any) -> None:
        self._connection.on_receipt(frame.headers["receipt-id"])

    def on_disconnected(self) -> None:
        self._connection.on_closed()


class StompPy(Connection):
    def __init__(self, client: Any, version: str, login: Mapping[str, str]) -> None:
        super().__init__()
        self._client = client
        self._version = version
        client.set_listener("", _Listener(self))
        client.connect(**login)
        self.wait_until_connected()

    def subscribe(self, destination, ack="auto", *, prefetch=None, subscription_id=None, confirm=True):
        subscription = self._new_subscription(subscription_id)
        headers = {} if prefetch is None else {"prefetch-count": str(prefetch)}
        receipt = self._expect_receipt() if confirm else None
        self._client.subscribe(destination, subscription.id, ack, headers | _asking(receipt))
        if receipt:
            self._await_receipt(receipt)
        return subscription

    def unsubscribe(self, subscription):
        self._client.unsubscribe(id=subscription.id)

    def send(self, destination, body, headers=None, *, transaction=None, confirm=False):
        receipt = self._expect_receipt() if confirm else None
        extra = {} if transaction is None else {"transaction": transaction}
        self._client.send(destination, body, "application/json", {**(headers or {}), **extra, **_asking(receipt)})
        if receipt:
            self._await_receipt(receipt)

    def ack(self, subscription: Subscription, delivery: Delivery, transaction: object = None) -> None:
        self._client.ack(*self._named(subscription, delivery), transaction=transaction)

    def nack(self, subscription, delivery, *, requeue=True):
        headers = {} if requeue else {"requeue": "false"}
        self._client.nack(*self._named(subscription, delivery), **headers)

    def begin(self):
        return self._client.begin(new_id("tx"))

    def commit(self, transaction):
        self._client.commit(transaction)

    def abort(self, transaction):
        self._client.abort(transaction)

    def disconnect(self):
        receipt = self._expect_receipt()
        self._disconnect(receipt)
        assert self._receipts[receipt].wait(WAIT_S), "no RECEIPT for DISCONNECT"
        assert self.closed.wait(WAIT_S), "still connected"

    def abandon(self):
        """In good order all the same: its reader does not notice that the socket was closed under it."""
        self._disconnect(self._expect_receipt())
        assert self.closed.wait(WAIT_S), "still connected"

    def _disconnect(self, receipt: str) -> None:
        """In a thread, for it waits without a deadline."""

        def disconnect() -> None:
            with suppress(Exception):  # closed meanwhile
                self._client.disconnect(receipt)

        Thread(target=disconnect, daemon=True).start()

    def _named(self, subscription: Subscription, delivery: Delivery) -> list[str]:
        if self._version == "1.2":
            return [delivery.headers["ack"]]
        message_id = delivery.headers["message-id"]
        return [message_id] if self._version == "1.0" else [message_id, subscription.id]


def _asking(receipt: str | None) -> dict[str, str]:
    return {} if receipt is None else {"receipt": receipt}


def _dial_ws(endpoint: Endpoint, login: str, passcode: str, heart_beat_ms: tuple[int, int] = (0, 0)) -> Connection:
    url = urlsplit(endpoint.ws_url)
    address = (url.hostname, url.port)
    basic = base64.b64encode(f"{login}:{passcode}".encode()).decode()
    client = stomp.WSStompConnection(
        [address],
        ws_path=url.path,
        header={"Authorization": f"Basic {basic}"},
        heartbeats=heart_beat_ms,
        timeout=WAIT_S,
        reconnect_attempts_max=1,
        auto_decode=False,
    )
    if endpoint.ca_file:
        client.set_ssl([address], ca_certs=endpoint.ca_file)
    return StompPy(client, "1.2", {})


def _dial_tcp(
    version: str, endpoint: Endpoint, login: str, passcode: str, heart_beat_ms: tuple[int, int] = (0, 0)
) -> Connection:
    beats = {} if version == "1.0" else {"heartbeats": heart_beat_ms}
    client = _TCP[version]([endpoint.tcp_address], reconnect_attempts_max=1, auto_decode=False, **beats)
    if endpoint.ca_file:
        client.set_ssl([endpoint.tcp_address], ca_certs=endpoint.ca_file)
    return StompPy(client, version, {"username": login, "passcode": passcode})


_V10 = frozenset({"settle-in-transaction", "own-id", "login-error", "tls"})
_V11 = _V10 | {"nack", "drop", "beats"}
_V12 = _V11 | {"escapes"}

KINDS = (
    Kind("stomp.py-ws", _dial_ws, "1.2", _V12),
    Kind("stomp.py-tcp-1.2", partial(_dial_tcp, "1.2"), "1.2", _V12),
    Kind("stomp.py-tcp-1.1", partial(_dial_tcp, "1.1"), "1.1", _V11),
    Kind("stomp.py-tcp-1.0", partial(_dial_tcp, "1.0"), "1.0", _V10),
)
