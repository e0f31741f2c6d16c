"""The client's half of a STOMP 1.2 session, without I/O: frames as octets out, events in.

The session knows which frames a server may send when, and how heart-beats were agreed on.  It does not
know what a subscription's messages are for, nor what a receipt was asked for.

Only 1.2 is offered: every server that speaks the contract does (SESS-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from heliograph.errors import ClientError, ProtocolError
from heliograph.limits import Limits
from heliograph.stomp.events import Violation
from heliograph.stomp.frame import SERVER_COMMANDS, Frame
from heliograph.stomp.header import header_lines
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.parser import Parser
from heliograph.stomp.version import V12


class Connected(Struct):
    """CONNECTED.  ``server``: ``name/version``, or "" where the server keeps it to itself."""

    session: str
    server: str


class Delivery(Struct, gc=False):
    """MESSAGE.  ``ack_id`` is what ACK and NACK name, "" where none is wanted; ``headers``: all of them."""

    subscription: str
    destination: str
    message_id: str
    ack_id: str
    redelivered: bool
    headers: Mapping[str, str]
    body: bytes


class Receipt(Struct, gc=False):
    """RECEIPT."""

    receipt_id: str


class Refusal(Struct):
    """ERROR: the session is over.  ``receipt_id`` is that of the frame to blame, where it asked for one."""

    message: str
    detail: str
    receipt_id: str | None


#: A ``Violation`` here is the server's: its octets are not STOMP, or not legal now.
ServerEvent = Connected | Delivery | Receipt | Refusal | Violation


class State(Enum):
    """Where a session is."""

    NEW = "before CONNECT"
    LOGIN = "waiting for CONNECTED"
    OPEN = "connected"
    OVER = "over"


class ClientSession:
    """One session: the methods named after verbs give their frames; ``receive`` gives the events of octets."""

    __slots__ = ("_offer", "_parser", "heartbeat", "state")

    def __init__(self, limits: Limits) -> None:
        self.state = State.NEW
        self.heartbeat = HeartBeat()  #: as agreed on, from our side
        self._offer = HeartBeat()
        self._parser = Parser(_for_messages(limits), commands=SERVER_COMMANDS)

    def receive(self, data: bytes) -> list[ServerEvent]:
        """The events of ``data``; a ``Refusal`` or ``Violation`` is the last one ever."""
        events: list[ServerEvent] = []
        for frame in self._parser.feed(data):
            if self.state is State.OVER:
                return events
            try:
                events.append(_reader(self.state, frame)(self, frame))
            except ClientError as error:
                self.state = State.OVER
                events.append(Violation(error))
        if self._parser.error is not None and self.state is not State.OVER:
            self.state = State.OVER
            events.append(Violation(self._parser.error))
        return events

    # --- the verbs, in the order of the specification; each gives its frame

    def connect(self, host: str, heartbeat: HeartBeat, login: str = "", passcode: str = "") -> bytes:
        """CONNECT.  ``heartbeat``: what we can send and want to receive; the credentials may stand elsewhere."""
        self._offer = heartbeat
        self.state = State.LOGIN
        headers = {"accept-version": V12, "host": host, "heart-beat": str(heartbeat)}
        if login:
            headers |= {"login": login, "passcode": passcode}
        # Values of CONNECT are not escaped, so one that would need it cannot be said.
        if any(octet in value for value in headers.values() for octet in "\n\r\0"):
            raise ValueError("a line feed, carriage return or NUL cannot stand in host, login or passcode")
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        return f"CONNECT\n{lines}\n\0".encode()

    def send(
        self,
        destination: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        receipt: str | None = None,
        transaction: str | None = None,
    ) -> bytes:
        """SEND."""
        own = _own(destination=destination, receipt=receipt, transaction=transaction)
        own["content-length"] = str(len(body))
        return _frame("SEND", own, headers, body)

    def subscribe(
        self,
        subscription: str,
        destination: str,
        ack: str = "auto",
        prefetch_count: int | None = None,
        headers: Mapping[str, str] | None = None,
        receipt: str | None = None,
    ) -> bytes:
        """SUBSCRIBE."""
        own = _own(id=subscription, destination=destination, ack=ack, receipt=receipt)
        if prefetch_count is not None:
            own["prefetch-count"] = str(prefetch_count)
        return _frame("SUBSCRIBE", own, headers)

    def unsubscribe(self, subscription: str, receipt: str | None = None) -> bytes:
        """UNSUBSCRIBE."""
        return _frame("UNSUBSCRIBE", _own(id=subscription, receipt=receipt))

    def ack(self, ack_id: str, receipt: str | None = None, transaction: str | None = None) -> bytes:
        """ACK."""
        return _frame("ACK", _own(id=ack_id, receipt=receipt, transaction=transaction))

    def nack(
        self, ack_id: str, requeue: bool = True, receipt: str | None = None, transaction: str | None = None
    ) -> bytes:
        """NACK.  ``requeue``: deliver again, which is the server's default."""
        own = _own(id=ack_id, receipt=receipt, transaction=transaction)
        if not requeue:
            own["requeue"] = "false"
        return _frame("NACK", own)

    def begin(self, transaction: str, receipt: str | None = None) -> bytes:
        """BEGIN."""
        return _frame("BEGIN", _own(transaction=transaction, receipt=receipt))

    def commit(self, transaction: str, receipt: str | None = None) -> bytes:
        """COMMIT."""
        return _frame("COMMIT", _own(transaction=transaction, receipt=receipt))

    def abort(self, transaction: str, receipt: str | None = None) -> bytes:
        """ABORT."""
        return _frame("ABORT", _own(transaction=transaction, receipt=receipt))

    def disconnect(self, receipt: str | None = None) -> bytes:
        """DISCONNECT.  What comes until the receipt is still read."""
        return _frame("DISCONNECT", _own(receipt=receipt))

    # --- the server's frames

    def _connected(self, frame: Frame) -> ServerEvent:
        headers = frame.head.headers
        version = headers.get("version", "1.0")
        if version != V12:
            raise ProtocolError("Version mismatch", f"The server chose STOMP {version[:32]!r}; only {V12} was offered.")
        self.heartbeat = _agreed(self._offer, headers.get("heart-beat", "0,0"))
        self.state = State.OPEN
        return Connected(headers.get("session", ""), headers.get("server", ""))

    def _message(self, frame: Frame) -> ServerEvent:
        headers = frame.head.headers
        return Delivery(
            _required(frame, "subscription"),
            _required(frame, "destination"),
            _required(frame, "message-id"),
            headers.get("ack", ""),
            headers.get("redelivered") == "true",
            headers,
            frame.body,
        )

    def _receipt(self, frame: Frame) -> ServerEvent:
        return Receipt(_required(frame, "receipt-id"))

    def _error(self, frame: Frame) -> ServerEvent:
        headers = frame.head.headers
        self.state = State.OVER
        return Refusal(
            headers.get("message", "ERROR without a message"),
            frame.body.decode(errors="replace").strip(),
            headers.get("receipt-id"),
        )


_Reader = Callable[[ClientSession, Frame], ServerEvent]

#: What is legal when: (state, command) → reader.
_READERS: dict[tuple[State, str], _Reader] = {
    (State.LOGIN, "CONNECTED"): ClientSession._connected,
    (State.LOGIN, "ERROR"): ClientSession._error,
    (State.OPEN, "MESSAGE"): ClientSession._message,
    (State.OPEN, "RECEIPT"): ClientSession._receipt,
    (State.OPEN, "ERROR"): ClientSession._error,
}


def _reader(state: State, frame: Frame) -> _Reader:
    reader = _READERS.get((state, frame.head.command))
    if reader is None:
        raise ProtocolError("Illegal command", f"The server sent {frame.head.command} while {state.value}.")
    return reader


def _for_messages(limits: Limits) -> Limits:
    """A MESSAGE has the headers of a SEND, escaped (which may double them), and its ids, which repeat a SUBSCRIBE's."""
    return replace(
        limits,
        header_count_max=limits.header_count_max + 16,
        header_line_bytes_max=2 * limits.header_line_bytes_max,
        head_bytes_max=2 * (limits.head_bytes_max + 3 * limits.header_line_bytes_max),
    )


def _required(frame: Frame, name: str) -> str:
    value = frame.head.headers.get(name)
    if value is None:
        raise ProtocolError("Missing header", f"The server sent {frame.head.command} without {name!r}.")
    return value


def _own(**headers: str | None) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value is not None}


def _frame(command: str, own: dict[str, str], headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """One frame; ValueError where one of the caller's ``headers`` is ours to set, or cannot be said."""
    if headers:
        if taken := own.keys() & headers.keys():
            raise ValueError(f"{command} has its {', '.join(sorted(taken))} already; leave it out of the headers")
        own |= headers
    lines = header_lines(own, V12)
    if b"\0" in lines:
        raise ValueError("a NUL cannot stand in a header")
    return b"%b\n%b\n%b\0" % (command.encode(), lines, body)


def _agreed(offer: HeartBeat, header: str) -> HeartBeat:
    """STOMP 1.2, "Heart-beating": in each direction the slower of the two wishes, none where either is 0."""
    can_send, _, wants = header.partition(",")
    if not (_is_number(can_send) and _is_number(wants)):
        raise ProtocolError("Invalid header", f"The server's heart-beat is {header[:32]!r}; it is two numbers.")
    return HeartBeat(send_ms=_slower(offer.send_ms, int(wants)), receive_ms=_slower(offer.receive_ms, int(can_send)))


def _slower(ours_ms: int, theirs_ms: int) -> int:
    return max(ours_ms, theirs_ms) if ours_ms and theirs_ms else 0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 12
