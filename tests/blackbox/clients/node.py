"""The clients of Node.js, in a process of their own: ``js/driver.mjs`` says how they are talked to."""

import base64
import json
import signal
import subprocess
from functools import cache, partial
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

from tests.blackbox.clients.connection import (
    WAIT_S,
    Connection,
    Delivery,
    Endpoint,
    Kind,
    Subscription,
    new_id,
)

JS = Path(__file__).resolve().parent.parent / "js"


class NodeProcess:
    """One process, any number of connections."""

    def __init__(self) -> None:
        self._connections: dict[int, NodeConnection] = {}
        self._numbers = count(1)
        self._process = subprocess.Popen(
            ["node", "driver.mjs"], cwd=JS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = Thread(target=self._read, name="node", daemon=True)
        self._reader.start()

    def add(self, connection: "NodeConnection") -> int:
        number = next(self._numbers)
        self._connections[number] = connection
        return number

    def ask(self, number: int, what: str, **more: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"connection": number, "ask": what, **more}) + "\n")
        self._process.stdin.flush()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            assert self._process.wait(WAIT_S) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(WAIT_S)
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self._connections[told["connection"]].told(told)


@cache
def shared_process() -> NodeProcess:
    return NodeProcess()


def stop_shared_process() -> None:
    """At the end of all tests."""
    if shared_process.cache_info().currsize:
        shared_process().stop()
        shared_process.cache_clear()


class NodeConnection(Connection):
    def __init__(
        self,
        client: str,
        endpoint: Endpoint,
        login: str,
        passcode: str,
        heart_beat_ms: tuple[int, int] = (0, 0),
        process: NodeProcess | None = None,
    ) -> None:
        super().__init__()
        self._process = process or shared_process()
        self._faults: list[str] = []
        self.close_code: int | None = None
        self._number = self._process.add(self)
        self._ask(
            "dial",
            client=client,
            url=endpoint.ws_url,
            caFile=endpoint.ca_file,
            login=login,
            passcode=passcode,
            beats=heart_beat_ms,
        )
        self.wait_until_connected()

    def told(self, told: dict[str, Any]) -> None:
        """From the process's reader."""
        match told["tell"]:
            case "connected":
                self.on_connected(told["headers"])
            case "message":
                self.on_message(told["headers"], base64.b64decode(told["body"]))
            case "receipt":
                self.on_receipt(told["headers"]["receipt-id"])
            case "error":
                self.on_error(told["headers"], base64.b64decode(told["body"]))
            case "closed":
                self.close_code = told["code"]
                self.on_closed()
            case "fault":
                self._faults.append(told["detail"])

    def subscribe(self, destination, ack="auto", *, prefetch=None, subscription_id=None, confirm=True):
        subscription = self._new_subscription(subscription_id)
        headers = {"id": subscription.id, "ack": ack}
        if prefetch is not None:
            headers["prefetch-count"] = str(prefetch)
        if confirm:
            headers["receipt"] = self._expect_receipt()
        self._ask("subscribe", destination=destination, headers=headers)
        if confirm:
            self._await_receipt(headers["receipt"])
        return subscription

    def unsubscribe(self, subscription):
        self._ask("unsubscribe", id=subscription.id)

    def send(self, destination, body, headers=None, *, transaction=None, confirm=False):
        headers = {"content-type": "application/json", **(headers or {})}
        if transaction is not None:
            headers["transaction"] = transaction
        if confirm:
            headers["receipt"] = self._expect_receipt()
        self._ask("send", destination=destination, headers=headers, body=base64.b64encode(body).decode())
        if confirm:
            self._await_receipt(headers["receipt"])

    def ack(self, subscription: Subscription, delivery: Delivery, transaction: object = None) -> None:
        headers = {} if transaction is None else {"transaction": transaction}
        self._ask("ack", messageId=delivery.headers["message-id"], headers=headers)

    def nack(self, subscription, delivery, *, requeue=True):
        headers = {} if requeue else {"requeue": "false"}
        self._ask("nack", messageId=delivery.headers["message-id"], headers=headers)

    def begin(self):
        transaction = new_id("tx")
        self._ask("begin", transaction=transaction)
        return transaction

    def commit(self, transaction):
        self._ask("commit", transaction=transaction)

    def abort(self, transaction):
        self._ask("abort", transaction=transaction)

    def disconnect(self):
        receipt = self._expect_receipt()
        self._ask("disconnect", headers={"receipt": receipt})
        assert self._receipts[receipt].wait(WAIT_S), "no RECEIPT for DISCONNECT"
        assert self.closed.wait(WAIT_S), "still connected"

    def abandon(self):
        self._ask("abandon")
        assert self.closed.wait(WAIT_S)

    def _ask(self, what: str, **more: object) -> None:
        assert not self._faults, self._faults
        self._process.ask(self._number, what, **more)


_ABILITIES = frozenset({"nack", "drop", "settle-in-transaction", "own-id", "login-error", "beats", "tls"})

KINDS = (
    Kind("stompjs", partial(NodeConnection, "stompjs"), "1.2", _ABILITIES | {"escapes"}, needs_node=True),
    Kind("webstomp", partial(NodeConnection, "webstomp"), "1.2", _ABILITIES, needs_node=True),
)
