"""The deliveries of one subscription as octets: encoded once for all that get the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from heliograph.broker.subscription import AckMode, Subscription
from heliograph.engine.interface import Durable, Envelope, Event
from heliograph.errors import HeliographError
from heliograph.stomp import serializer
from heliograph.stomp.events import Subscribe
from heliograph.stomp.header import escape
from heliograph.stomp.server_session import ServerSession
from heliograph.topic.destination import parse_destination

if TYPE_CHECKING:
    from heliograph.server.stomp.connection import StompConnection

#: Frames kept with an event.  Who gives every subscription an id of its own shares none, and must not fill the memory.
_SHARED_MAX = 2
_END = b"\0\n"  #: of every frame
_REDELIVERED = {False: b"false", True: b"true"}


class Outlet(ABC):
    """Between a ``Subscription`` and its connection.  What a kind of subscription adds: ``fill``."""

    __slots__ = ("_before", "_begin", "_connection", "_version", "ack_prefix", "durable", "held", "queued",
                 "subscription")  # fmt: skip

    subscription: Subscription
    durable: Durable | None

    def __init__(self, connection: StompConnection, request: Subscribe) -> None:
        self._connection = connection
        session = connection.session
        self._version = session.version
        self._before = connection.link.before
        self.ack_prefix = ack_prefix(request.tag, session)
        self.queued = False  # whether it stands in its connection's ``ready``
        self.held = False  # until the RECEIPT of the SUBSCRIBE has been sent, where that has to wait
        exchange = parse_destination(request.destination).exchange.encode()
        ids = exchange + b"@@" if request.ack == "auto" else self.ack_prefix
        self._begin = serializer.message_begin(request.id, self._version) + b"message-id:" + ids

    @abstractmethod
    def fill(self, out: list[bytes], bytes_max: int) -> int:
        """Append the next deliveries to ``out``; the octets appended, more than ``bytes_max`` by one event at most."""

    def wake(self) -> None:
        """There is something to deliver."""
        if not self.queued and not self.held:
            self.queued = True
            self._connection.deliver(self)

    def wake_if_ready(self) -> None:
        """After a change of credit."""
        if not self.queued and self.subscription.ready:
            self.wake()

    def ended(self, error: HeliographError) -> None:
        """The engine has given the subscription up."""
        self._connection.fail(error)

    def _middle(self, envelope: Envelope) -> bytes:
        middle = envelope.wire[self._version] = serializer.message_middle(
            f"/exchange/{envelope.exchange}/{envelope.key}", envelope.headers, self._version
        )
        return middle


class SharedOutlet(Outlet):
    """With ack:auto the message-id is ``{exchange}@@{offset}``.

    So subscribers that gave the same id (they nearly all say ``0``, ``1`` or ``sub-0``) share one encoded frame.
    """

    __slots__ = ("_key",)

    def __init__(self, connection: StompConnection, request: Subscribe) -> None:
        super().__init__(connection, request)
        self._key = self._begin + f" {self._version} {connection.link.framing}".encode()  # in Event.encoded

    def fill(self, out: list[bytes], bytes_max: int) -> int:
        """See ``Outlet``."""
        key, version, begin, before, size = self._key, self._version, self._begin, self._before, 0
        for event in self.subscription.take(bytes_max):
            encoded = event.encoded
            if encoded is not None and (frame := encoded.get(key)) is not None:
                out.append(frame)
                size += len(frame)
                continue
            envelope, body = event.envelope, event.body
            length = len(body)
            middle = envelope.wire.get(version) or self._middle(envelope)
            head = b"%b%d\nredelivered:false\n%b%d\n\n" % (begin, event.offset, middle, length)
            length += len(head) + 2
            size += length
            if encoded is None:
                out += (before(length, body), head, body, _END)
            else:
                frame = b"".join((before(length, body), head, body, _END))
                out.append(frame)
                if len(encoded) < _SHARED_MAX:
                    encoded[key] = frame
        return size


class LeasedOutlet(Outlet):
    """Deliveries that are acknowledged; the message-id is ``{tag}@@{session}@@{n}`` (SESS-4), and so is ``ack``."""

    __slots__ = ()

    def fill(self, out: list[bytes], bytes_max: int) -> int:
        """See ``Outlet``."""
        connection, subscription = self._connection, self.subscription
        version, begin, ack, before, size = self._version, self._begin, self.ack_prefix, self._before, 0
        first = connection.delivery_tag + 1
        events = subscription.lease(first, bytes_max)
        connection.delivery_tag += len(events)
        redelivered = subscription.redelivered
        for tag, event in enumerate(events, first):
            envelope, body = event.envelope, event.body
            length = len(body)
            middle = envelope.wire.get(version) or self._middle(envelope)
            again = _REDELIVERED[event.offset in redelivered]
            head = b"%b%d\nredelivered:%b\nack:%b%d\n%b%d\n\n" % (begin, tag, again, ack, tag, middle, length)
            length += len(head) + 2
            size += length
            out += (before(length, body), head, body, _END)
        return size


class AnnotatedOutlet(Outlet):
    """For durable subscriptions and replay: each delivery also tells where in the exchange's history it stands."""

    __slots__ = ()

    def fill(self, out: list[bytes], bytes_max: int) -> int:
        """See ``Outlet``."""
        connection, subscription, before, size = self._connection, self.subscription, self._before, 0
        auto = subscription.ack_mode is AckMode.AUTO
        first = connection.delivery_tag + 1
        if auto:
            marked = subscription.take_marked(bytes_max)
        else:
            redelivered = subscription.redelivered
            marked = [(event, event.offset in redelivered) for event in subscription.lease(first, bytes_max)]
            connection.delivery_tag += len(marked)
        for tag, (event, again) in enumerate(marked, first):
            envelope, body = event.envelope, event.body
            ids = b"%b%d\nredelivered:%b\n" % (self._begin, event.offset if auto else tag, _REDELIVERED[again])
            if not auto:
                ids += b"ack:%b%d\n" % (self.ack_prefix, tag)
            middle = envelope.wire.get(self._version) or self._middle(envelope)
            head = b"%b%b%b%d\n\n" % (ids, self._annotations(event), middle, len(body))
            length = len(head) + len(body) + 2
            size += length
            out += (before(length, body), head, body, _END)
        return size

    def _annotations(self, event: Event) -> bytes:
        text = f"x-stream-offset:{event.offset}\nx-received-at:{event.received_ms}\n"
        if self.subscription.replayed(event):
            text += "x-replayed:true\n"
        if gap := self.subscription.take_gap():
            text += f"x-gap:{gap[0]}..{gap[1]}\n"
        return text.encode()


def outlet_of(connection: StompConnection, request: Subscribe, annotated: bool) -> Outlet:
    """The outlet for what a SUBSCRIBE asks; ``annotated``: where its deliveries tell their offsets."""
    kind = AnnotatedOutlet if annotated else SharedOutlet if request.ack == "auto" else LeasedOutlet
    return kind(connection, request)


def ack_prefix(tag: str, session: ServerSession) -> bytes:
    """What the ack ids of a subscription begin with, as it is written (SESS-4)."""
    return escape(f"{tag}@@{session.id}@@", session.version).encode()
