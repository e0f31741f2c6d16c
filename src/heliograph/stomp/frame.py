"""What the parser yields: a frame, whose head may be shared with other frames that began alike."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

#: STOMP 1.2, "Client Frames" and "Server Frames".
CLIENT_COMMANDS = frozenset(
    {"CONNECT", "STOMP", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"}
)
SERVER_COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})


class SendHead:
    """What all SENDs with the same head have in common.  One object for each head, so it is compared by identity.

    ``headers``: what a MESSAGE repeats, in order.  Never changed once made.
    """

    __slots__ = ("destination", "headers", "transaction")

    def __init__(self, destination: str, headers: Mapping[str, str], transaction: str | None) -> None:
        self.destination = destination
        self.headers = headers
        self.transaction = transaction


class Head(Struct):
    """Command and headers of a frame.  Shared through the cache, so read-only.

    ``headers``: unescaped, the first of a repeated name wins, without ``receipt``.
    ``content_length``: octets, or -1 where the header is absent.
    ``send``: for SEND, once the session has found it legal; ``sent_alone`` too where it is in no transaction, so that
    nothing else has to be known to take it.
    """

    command: str
    headers: Mapping[str, str]
    content_length: int = -1
    send: SendHead | None = None
    sent_alone: SendHead | None = None


class Frame(Struct, gc=False):
    """One frame.  ``receipt`` is its ``receipt`` header, unescaped, or None; ``body`` is without the NUL."""

    head: Head
    receipt: str | None
    body: bytes
