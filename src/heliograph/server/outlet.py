"""The deliveries of one subscription as octets: encoded once for all that get the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.broker.subscription import AckMode, Subscription
from heliograph.engine.interface import Durable, Envelope, Event
from heliograph.errors import HeliographError
from heliograph.stomp import serializer
from heliograph.stomp.events import Subscribe
from heliograph.stomp.header import escape
from heliograph.topic.destination import parse_destination

if TYPE_CHECKING:
    from heliograph.server.stomp_connection import StompConnection

#: Frames kept with an event.  Who gives every subscription an id of its own shares none, and must not fill the memory.
_SHARED_MAX = 2
_REDELIVERED = {False: b"false", True: b"true"}


class Outlet:
    """Between a ``Subscription`` and its connection.

    With ack:auto the message-id is ``{exchange}@@{offset}``, so subscribers that gave the same id (they nearly
    all say ``0``, ``1`` or ``sub-0``) share one encoded frame.  Else it is ``{tag}@@{session}@@{n}`` (SESS-4).
    """

    __slots__ = (
        "_ack",
        "_annotated",
        "_begin",
        "_connection",
        "_key",
        "_version",
        "ack_prefix",
        "durable",
        "held",
        "queued",
        "subscription",
    )

    subscription: Subscription
    durable: Durable | None

    def __init__(self, connection: StompConnection, request: Subscribe, annotated: bool = False) -> None:
        self._connection = connection
        session = connection.session
        self._version = session.version
        self.ack_prefix = f"{request.tag}@@{session.id}@@"
        self.queued = False  # whether it stands in its connection's ``ready``
        self.held = False  # until the RECEIPT of the SUBSCRIBE has been sent, where that has to wait
        self._annotated = annotated
        begin = serializer.message_begin(request.id, self._version) + b"message-id:"
        self._key = begin + f" {self._version} {connection.link.framing}".encode()  # in Event.encoded
        self._ack = escape(self.ack_prefix, self._version).encode()
        exchange = parse_destination(request.destination).exchange.encode()
        self._begin = begin + (exchange + b"@@" if request.ack == "auto" else self._ack)

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

    def fill(self, out: list[bytes], bytes_max: int) -> int:
        """Append the next deliveries to ``out``; the octets appended, more than ``bytes_max`` by one event at most."""
        if self._annotated:
            return self._fill_annotated(out, bytes_max)
        if self.subscription.ack_mode is AckMode.AUTO:
            return self._fill_shared(out, bytes_max)
        return self._fill_leased(out, bytes_max)

    def _fill_shared(self, out: list[bytes], bytes_max: int) -> int:
        key, version, size = self._key, self._version, 0
        for event in self.subscription.take(bytes_max):
            encoded = event.encoded
            frame = encoded.get(key) if encoded is not None else None
            if frame is None:
                envelope, body = event.envelope, event.body
                middle = envelope.wire.get(version) or self._middle(envelope)
                frame = self._connection.link.wrap(
                    b"%b%d\nredelivered:false\n%b%d\n\n%b\0\n" % (self._begin, event.offset, middle, len(body), body)
                )
                if encoded is not None and len(encoded) < _SHARED_MAX:
                    encoded[key] = frame
            out.append(frame)
            size += len(frame)
        return size

    def _fill_leased(self, out: list[bytes], bytes_max: int) -> int:
        connection, subscription, version, size = self._connection, self.subscription, self._version, 0
        first = connection.delivery_tag + 1
        events = subscription.lease(first, bytes_max)
        connection.delivery_tag += len(events)
        wrap, begin, ack = connection.link.wrap, self._begin, self._ack
        for tag, event in enumerate(events, first):
            envelope, body = event.envelope, event.body
            redelivered = _REDELIVERED[subscription.redelivered(event)]
            middle = envelope.wire.get(version) or self._middle(envelope)
            frame = wrap(
                b"%b%d\nredelivered:%b\nack:%b%d\n%b%d\n\n%b\0\n"
                % (begin, tag, redelivered, ack, tag, middle, len(body), body)
            )
            out.append(frame)
            size += len(frame)
        return size

    def _fill_annotated(self, out: list[bytes], bytes_max: int) -> int:
        """For durable subscriptions and replay: each delivery also tells where in the exchange's history it stands."""
        connection, subscription, size = self._connection, self.subscription, 0
        auto = subscription.ack_mode is AckMode.AUTO
        first = connection.delivery_tag + 1
        if auto:
            marked = subscription.take_marked(bytes_max)
        else:
            marked = [(event, subscription.redelivered(event)) for event in subscription.lease(first, bytes_max)]
            connection.delivery_tag += len(marked)
        for tag, (event, redelivered) in enumerate(marked, first):
            envelope, body = event.envelope, event.body
            ids = b"%b%d\nredelivered:%b\n" % (self._begin, event.offset if auto else tag, _REDELIVERED[redelivered])
            if not auto:
                ids += b"ack:%b%d\n" % (self._ack, tag)
            middle = envelope.wire.get(self._version) or self._middle(envelope)
            frame = connection.link.wrap(
                b"%b%b%b%d\n\n%b\0\n" % (ids, self._annotations(event), middle, len(body), body)
            )
            out.append(frame)
            size += len(frame)
        return size

    def _annotations(self, event: Event) -> bytes:
        text = f"x-stream-offset:{event.offset}\nx-received-at:{event.received_ms}\n"
        if self.subscription.replayed(event):
            text += "x-replayed:true\n"
        if gap := self.subscription.take_gap():
            text += f"x-gap:{gap[0]}..{gap[1]}\n"
        return text.encode()

    def _middle(self, envelope: Envelope) -> bytes:
        middle = envelope.wire[self._version] = serializer.message_middle(
            f"/exchange/{envelope.exchange}/{envelope.key}", envelope.headers, self._version
        )
        return middle
