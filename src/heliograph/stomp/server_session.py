"""The server's half of a STOMP session, without I/O: octets in, events out.

The session knows what is legal when, which subscriptions and transactions are open, and reads the
headers of every verb.  It does not know who the client is or what it may do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

from heliograph.errors import ClientError, LimitError, ProtocolError
from heliograph.limits import Limits
from heliograph.stomp import heartbeat, version
from heliograph.stomp.events import (
    Ack,
    Commit,
    Connect,
    Disconnect,
    Done,
    Event,
    Nack,
    Send,
    Subscribe,
    Unsubscribe,
    Violation,
)  # fmt: skip
from heliograph.stomp.frame import CLIENT_COMMANDS, Frame, Head, SendHead
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.parser import HeadCache, Parser
from heliograph.stomp.short_way import ShortWay
from heliograph.stomp.transactions import Action, Transactions

#: Headers of a SEND that a MESSAGE does not repeat: they concern the SEND alone, or are the server's to set.
NOT_PASSED_ON = frozenset({
    "destination", "content-length", "message-id", "receipt", "transaction", "login", "passcode",
    "subscription", "ack", "redelivered", "user-id", "x-stream-offset", "x-received-at", "x-replayed", "x-gap",
})  # fmt: skip

ACK_MODES = ("auto", "client", "client-individual")


class State(Enum):
    """Where a session is.  ``LOGIN``: CONNECT was read, the server has not answered it yet."""

    NEW = "waiting for CONNECT"
    LOGIN = "logging in"
    OPEN = "connected"
    OVER = "over"


class ServerSession:
    """One client's session.

    ``receive`` gives the events of the octets that were not read by ``short_way``; a ``Connect`` is the last of its
    batch, and the answer (``accept``, then ``resume``) decides how the rest is read.  A ``Violation`` or
    ``Disconnect`` ends it.
    """

    __slots__ = ("_limits", "_parser", "_readers", "_subscriptions", "_transactions", "heartbeat", "id", "short_way",
                 "state", "version")  # fmt: skip

    def __init__(self, session_id: str, limits: Limits, cache: HeadCache | None = None) -> None:
        self.id = session_id
        self.state = State.NEW
        self.version = version.V12
        self.heartbeat = HeartBeat()
        self._limits = limits
        self._parser = Parser(limits, cache)
        self._parser.pause_after = CLIENT_COMMANDS  # before the login one frame is read, whatever it is
        self._parser.bytes_max = limits.unauthenticated_bytes_max
        self._parser.caching = False
        self._transactions: Transactions | None = None
        self._subscriptions: set[str] = set()
        self._readers = _READERS[State.NEW]
        self.short_way = ShortWay(self._parser, limits.body_bytes_max)

    def receive(self, data: bytes) -> list[Event]:
        """The events of ``data``."""
        return self._read(data) if data else []

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        readers = self._readers
        for frame in self._parser.feed(data):
            try:
                event = readers[frame.head.command](self, frame)
            except ClientError as error:
                self._end()
                events.append(Violation(error, frame.receipt))
                return events
            if event is not None:
                events.append(event)
            readers = self._readers
        if self._parser.error is not None and self.state is not State.OVER:
            self._end()
            events.append(Violation(self._parser.error, self._parser.error_receipt))
        return events

    def accept(self, publishes: bool = True) -> None:
        """The login was right: the session is open.  ``resume`` reads what came meanwhile.

        ``publishes``: whether it is worth looking for the heads of earlier SENDs.
        """
        self._move(State.OPEN)
        self._parser.pause_after = frozenset()
        self._parser.bytes_max = 1 << 62
        self._parser.caching = True
        self._parser.version = self.version
        self.short_way.admit(self._parser.heads if publishes else None, acks=self.version == version.V12)

    def resume(self) -> list[Event]:
        """The events of what was held back during the login."""
        return self._read(b"")

    def end(self) -> None:
        """The server has ended the session by itself; nothing comes of what the client may still send."""
        self._end()

    def ended(self, tag: str) -> None:
        """The server has ended the subscription ``tag`` by itself."""
        self._subscriptions.discard(tag)

    # --- the verbs, in the order of the specification

    def _connect(self, frame: Frame) -> Event:
        headers = frame.head.headers
        self.version = version.negotiate(headers.get("accept-version"))
        self.heartbeat = heartbeat.negotiate(headers.get("heart-beat"), self._limits)
        self._move(State.LOGIN)
        return Connect(headers.get("login", ""), headers.get("passcode", ""))

    def _send(self, frame: Frame) -> Event | None:
        head = frame.head.send
        if head is None:
            head = frame.head.send = _send_head(frame.head)
            if head.transaction is None:
                frame.head.sent_alone = head
        send = Send(head, frame.body, frame.receipt)
        return send if head.transaction is None else self._keep(frame, send)

    def _subscribe(self, frame: Frame) -> Event:
        headers = frame.head.headers
        destination = _required(frame, "destination")
        subscription_id = headers.get("id")
        ack = headers.get("ack", "auto")
        if ack not in ACK_MODES:
            raise ProtocolError("Invalid header", f"ack is {ack[:32]!r}; it is one of {', '.join(ACK_MODES)}.")
        if subscription_id is not None and len(subscription_id.encode()) > self._limits.subscription_id_bytes_max:
            raise LimitError(
                "Subscription id too long",
                f"An id has at most {self._limits.subscription_id_bytes_max} octets (subscription_id_bytes_max).",
            )
        tag = _tag(subscription_id, destination)
        if tag in self._subscriptions:
            raise ProtocolError(
                "Duplicate subscription",
                f"This connection has a subscription with {_named(subscription_id, destination)} already; "
                "give each its own 'id', or UNSUBSCRIBE first.",
            )
        if len(self._subscriptions) >= self._limits.subscriptions_max:
            raise LimitError(
                "Too many subscriptions",
                f"A connection has at most {self._limits.subscriptions_max} subscriptions (subscriptions_max).",
            )
        self._subscriptions.add(tag)
        prefetch = _prefetch_count(headers.get("prefetch-count"))
        return Subscribe(tag, subscription_id, destination, ack, prefetch, headers, frame.receipt)

    def _unsubscribe(self, frame: Frame) -> Event:
        headers = frame.head.headers
        subscription_id, destination = headers.get("id"), headers.get("destination", "")
        if subscription_id is None and not destination:
            raise ProtocolError(
                "Missing header", "\"UNSUBSCRIBE\" must include the 'id' or the 'destination' of its SUBSCRIBE."
            )
        tag = _tag(subscription_id, destination)
        if tag not in self._subscriptions:
            raise ProtocolError(
                "No subscription found",
                f"This connection has no subscription with {_named(subscription_id, destination)}.",
            )
        self._subscriptions.remove(tag)
        return Unsubscribe(tag, headers, frame.receipt)

    def _ack(self, frame: Frame) -> Event | None:
        return self._keep(frame, Ack(self._ack_id(frame), frame.receipt))

    def _nack(self, frame: Frame) -> Event | None:
        requeue = frame.head.headers.get("requeue", "true")
        if requeue not in ("true", "false"):
            raise ProtocolError("Invalid header", f"requeue is {requeue[:32]!r}; it is 'true' or 'false'.")
        return self._keep(frame, Nack(self._ack_id(frame), requeue == "true", frame.receipt))

    def _begin(self, frame: Frame) -> Event:
        self._open_transactions.begin(_required(frame, "transaction"))
        return Done(frame.receipt)

    def _commit(self, frame: Frame) -> Event:
        return Commit(self._open_transactions.take(_required(frame, "transaction")), frame.receipt)

    def _abort(self, frame: Frame) -> Event:
        self._open_transactions.take(_required(frame, "transaction"))
        return Done(frame.receipt)

    def _disconnect(self, frame: Frame) -> Event:
        self._end()
        return Disconnect(frame.receipt)

    def _not_yet(self, frame: Frame) -> Event:
        raise ProtocolError(
            "Illegal command",
            f"You must log in using CONNECT first; {frame.head.command} came while {self.state.value}.",
        )

    def _again(self, frame: Frame) -> Event:
        raise ProtocolError("Illegal command", "This session is connected already; CONNECT comes once.")

    def _ignore(self, frame: Frame) -> None:
        return None

    # --- parts of them

    @property
    def _open_transactions(self) -> Transactions:
        if self._transactions is None:
            self._transactions = Transactions(self._limits)
        return self._transactions

    def _keep(self, frame: Frame, action: Action) -> Event | None:
        """``action`` itself, or its receipt alone where it belongs to a transaction."""
        name = frame.head.headers.get("transaction")
        if name is None:
            return action
        receipt, action.receipt = action.receipt, None
        self._open_transactions.add(name, action)
        return Done(receipt)

    def _ack_id(self, frame: Frame) -> str:
        """1.2 names the delivery by ``id``; 1.0 and 1.1 by ``message-id``, which is the same text here."""
        return _required(frame, "id" if self.version == version.V12 else "message-id")

    def _end(self) -> None:
        self._move(State.OVER)
        self.short_way.bar()
        self._transactions = None

    def _move(self, state: State) -> None:
        self.state = state
        self._readers = _READERS[state]


def _required(frame: Frame, name: str) -> str:
    value = frame.head.headers.get(name)
    if value is None:
        what = "destination" if name == "destination" else "header"
        raise ProtocolError(f"Missing {what}", f"\"{frame.head.command}\" must include a '{name}' header.")
    return value


def _send_head(head: Head) -> SendHead:
    """Checked once for each cached head.  A MESSAGE repeats the headers with content-type last."""
    headers = head.headers
    if "destination" not in headers:
        raise ProtocolError("Missing destination", "\"SEND\" must include a 'destination' header.")
    if "message-id" in headers:
        raise ProtocolError("Invalid header", "'message-id' is not allowed on 'SEND'; the server sets it.")
    # Some clients read 'Content-Length' or ' user-id' as what they look like, so these are not passed on either.
    passed_on = {name: value for name, value in headers.items() if name.strip().lower() not in NOT_PASSED_ON}
    if "content-type" in passed_on:
        passed_on["content-type"] = passed_on.pop("content-type")
    return SendHead(headers["destination"], passed_on, headers.get("transaction"))


def _tag(subscription_id: str | None, destination: str) -> str:
    return f"Q_{destination}" if subscription_id is None else f"T_{subscription_id}"


def _named(subscription_id: str | None, destination: str) -> str:
    return f"destination {destination[:256]!r} and no id" if subscription_id is None else f"id {subscription_id[:64]!r}"


def _prefetch_count(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ProtocolError("Invalid header", f"prefetch-count is {text[:32]!r}; it is a number of messages.")
    return int(text)


_Reader = Callable[[ServerSession, Frame], Event | None]

_VERBS: dict[str, _Reader] = {
    "SEND": ServerSession._send,
    "SUBSCRIBE": ServerSession._subscribe,
    "UNSUBSCRIBE": ServerSession._unsubscribe,
    "ACK": ServerSession._ack,
    "NACK": ServerSession._nack,
    "BEGIN": ServerSession._begin,
    "COMMIT": ServerSession._commit,
    "ABORT": ServerSession._abort,
    "DISCONNECT": ServerSession._disconnect,
}
_CONNECTS = ("CONNECT", "STOMP")


def _all(commands: Iterable[str], reader: _Reader) -> dict[str, _Reader]:
    return dict.fromkeys(commands, reader)


#: What is legal when: (state, command) → reader.
_READERS: dict[State, dict[str, _Reader]] = {
    State.NEW: {**_all(_VERBS, ServerSession._not_yet), **_all(_CONNECTS, ServerSession._connect)},
    State.LOGIN: _all((*_VERBS, *_CONNECTS), ServerSession._not_yet),
    State.OPEN: {**_VERBS, **_all(_CONNECTS, ServerSession._again)},
    State.OVER: _all((*_VERBS, *_CONNECTS), ServerSession._ignore),
}
