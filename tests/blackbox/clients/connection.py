"""What the scenarios ask of a STOMP client, whichever it is; each ask has a deadline.

A client tells by callbacks, from a thread of its own; a ``Connection`` keeps what was told until it is asked for.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from threading import Event
from typing import NamedTuple

WAIT_S = 10.0

_ids = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}-{next(_ids)}"


class Endpoint(NamedTuple):
    """A broker's addresses; ``ca_file``: whom to trust where it speaks TLS."""

    ws_url: str
    tcp_address: tuple[str, int]
    ca_file: str | None = None


class Delivery(NamedTuple):
    """A MESSAGE as the client gave it; ``handle`` is what the client wants back to acknowledge it."""

    headers: Mapping[str, str]
    body: bytes
    handle: object = None

    @property
    def redelivered(self) -> bool:
        return self.headers["redelivered"] == "true"


class ErrorFrame(NamedTuple):
    """An ERROR as the client's error callback got it."""

    message: str
    body: str
    headers: Mapping[str, str]


class Refused(Exception):
    """The client did not get CONNECTED; ``error`` is what its error callback got, if anything."""

    def __init__(self, error: ErrorFrame | None) -> None:
        super().__init__(error)
        self.error = error


class Subscription:
    """What has been delivered to one subscription, in order."""

    def __init__(self, subscription_id: str) -> None:
        self.id = subscription_id
        self.handle: object = None  # the client's own
        self._inbox: SimpleQueue[Delivery] = SimpleQueue()

    def deliver(self, delivery: Delivery) -> None:
        self._inbox.put(delivery)

    def take(self, count: int = 1) -> list[Delivery]:
        """The next ``count`` deliveries."""
        deliveries: list[Delivery] = []
        try:
            while len(deliveries) < count:
                deliveries.append(self._inbox.get(timeout=WAIT_S))
        except Empty:
            raise AssertionError(f"{len(deliveries)} of {count} deliveries within {WAIT_S} s") from None
        return deliveries

    def one(self) -> Delivery:
        return self.take()[0]

    def take_rest(self) -> list[Delivery]:
        """What has come and was not taken, without waiting; ``Connection.fence`` first."""
        deliveries = []
        while not self._inbox.empty():
            deliveries.append(self._inbox.get())
        return deliveries


class Connection(ABC):
    """One client's connection."""

    def __init__(self) -> None:
        self.connected = Event()
        self.closed = Event()
        self.connected_headers: Mapping[str, str] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._errors: SimpleQueue[ErrorFrame | None] = SimpleQueue()
        self._receipts: dict[str, Event] = {}

    # --- what the client tells

    def on_connected(self, headers: Mapping[str, str]) -> None:
        self.connected_headers = headers
        self.connected.set()

    def on_message(self, headers: Mapping[str, str], body: bytes, handle: object = None) -> None:
        self.subscriptions[headers["subscription"]].deliver(Delivery(headers, body, handle))

    def on_error(self, headers: Mapping[str, str], body: bytes | str) -> None:
        text = body if isinstance(body, str) else body.decode()
        self._errors.put(ErrorFrame(headers["message"], text, headers))

    def on_receipt(self, receipt: str) -> None:
        self._receipts[receipt].set()

    def on_closed(self) -> None:
        self.closed.set()
        self._errors.put(None)

    # --- what is asked of it

    @abstractmethod
    def subscribe(
        self,
        destination: str,
        ack: str = "auto",
        *,
        prefetch: int | None = None,
        subscription_id: str | None = None,
        confirm: bool = True,
    ) -> Subscription:
        """SUBSCRIBE; with ``confirm`` it waits until that is done."""

    @abstractmethod
    def unsubscribe(self, subscription: Subscription) -> None:
        """UNSUBSCRIBE."""

    @abstractmethod
    def send(
        self,
        destination: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        transaction: object = None,
        confirm: bool = False,
    ) -> None:
        """SEND as application/json; with ``confirm`` it waits until that is done."""

    @abstractmethod
    def ack(self, subscription: Subscription, delivery: Delivery, transaction: object = None) -> None:
        """ACK."""

    @abstractmethod
    def nack(self, subscription: Subscription, delivery: Delivery, *, requeue: bool = True) -> None:
        """NACK."""

    @abstractmethod
    def begin(self) -> object:
        """BEGIN; what ``send``, ``ack``, ``commit`` and ``abort`` take for it."""

    @abstractmethod
    def commit(self, transaction: object) -> None:
        """COMMIT."""

    @abstractmethod
    def abort(self, transaction: object) -> None:
        """ABORT."""

    @abstractmethod
    def disconnect(self) -> None:
        """DISCONNECT as the client does it, and wait for its RECEIPT and the end."""

    @abstractmethod
    def abandon(self) -> None:
        """Let go of whatever is still there, in whatever state."""

    # --- what follows from that

    def fence(self, destination: str) -> None:
        """Wait until all that was asked for, and all that is due to it, has come; ``destination``: one it may read."""
        self.unsubscribe(self.subscribe(destination))

    def wait_until_connected(self, wait_s: float = WAIT_S) -> None:
        """Refused if an ERROR or the end comes first."""
        if self._wait_for(self.connected, wait_s):
            return
        raise Refused(self.error(wait_s))

    def error(self, wait_s: float = WAIT_S) -> ErrorFrame | None:
        """The next ERROR, or None where the connection was closed without one."""
        try:
            return self._errors.get(timeout=wait_s)
        except Empty:
            raise AssertionError(f"no ERROR, and no end, within {wait_s} s") from None

    @property
    def is_quiet(self) -> bool:
        """Neither an ERROR nor the end has come."""
        return self._errors.empty()

    def _wait_for(self, event: Event, wait_s: float) -> bool:
        """Whether ``event`` comes before an ERROR or the end."""
        step_s = 0.005
        for _ in range(int(wait_s / step_s)):
            if event.wait(step_s):
                return True
            if not self.is_quiet:
                return event.is_set()
        raise AssertionError(f"nothing within {wait_s} s")

    def _expect_receipt(self) -> str:
        receipt = new_id("receipt")
        self._receipts[receipt] = Event()
        return receipt

    def _await_receipt(self, receipt: str) -> None:
        came = self._wait_for(self._receipts[receipt], WAIT_S)
        assert came, f"no RECEIPT, but {self.error()}"

    def _new_subscription(self, subscription_id: str | None) -> Subscription:
        subscription = Subscription(subscription_id or new_id("sub"))
        self.subscriptions[subscription.id] = subscription
        return subscription


class Kind(NamedTuple):
    """A client: how to dial with it and what it can say.

    ``abilities``: ``nack``, ``drop`` (NACK with requeue:false), ``settle-in-transaction``, ``own-id`` (of a
    subscription), ``login-error`` (its error callback gets an ERROR before CONNECTED), ``escapes`` (in headers),
    ``beats`` (heart-beats), ``tls``.
    """

    name: str
    dial: Callable[..., Connection]  # (endpoint, login, passcode, heart_beat_ms)
    version: str
    abilities: frozenset[str]
    needs_node: bool = False
