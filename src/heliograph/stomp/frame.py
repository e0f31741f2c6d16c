"""What the parser yields: a frame, whose head may be shared with other frames that began alike."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

#: STOMP 1.2, "Client Frames" and "Server Frames".
CLIENT_COMMANDS = frozenset(
    {"CONNECT", "STOMP", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"}
)
SERVER_COMMANDS = frozenset({"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"})


class MessageHeaders(dict[str, str]):
    """The headers of a SEND that go on to the subscribers, in order; never changed once made.

    ``wire`` holds them as header lines by version, filled when first needed: publishers repeat themselves.
    """

    __slots__ = ("wire",)

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.wire: dict[str, bytes] = {}


class Head(Struct):
    """Command and headers of a frame.  Shared through the cache, so read-only.

    ``headers``: unescaped, the first of a repeated name wins, without ``receipt``.
    ``content_length``: octets, or -1 where the header is absent.
    ``passed_on``: for SEND, what a MESSAGE repeats; made by the session when first needed.
    """

    command: str
    headers: Mapping[str, str]
    content_length: int = -1
    passed_on: MessageHeaders | None = None


class Frame(Struct, gc=False):
    """One frame.  ``receipt`` is its ``receipt`` header, unescaped, or None; ``body`` is without the NUL."""

    head: Head
    receipt: str | None
    body: bytes
