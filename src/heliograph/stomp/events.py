"""What a client asks for, after its frame was read and found legal: one type per verb.

``receipt`` is the receipt that the client wants when it is done, or None.  ``transaction`` never
stands here: what belongs to one is kept by the session and comes out as ``Commit.actions``.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from heliograph.errors import ClientError
from heliograph.stomp.frame import SendHead


class Connect(Struct):
    """CONNECT or STOMP.  ``login`` and ``passcode`` are "" where absent."""

    login: str
    passcode: str

    def __repr__(self) -> str:
        return "Connect()"


class Send(Struct, gc=False):
    """SEND."""

    head: SendHead
    body: bytes
    receipt: str | None


class Subscribe(Struct):
    """SUBSCRIBE.  ``tag`` names the subscription within the session: ``T_{id}`` or ``Q_{destination}`` (SESS-4).

    ``id`` is None where the client gave none (SESS-3).  ``prefetch_count`` is None where absent.
    """

    tag: str
    id: str | None
    destination: str
    ack: str
    prefetch_count: int | None
    headers: Mapping[str, str]
    receipt: str | None


class Unsubscribe(Struct):
    """UNSUBSCRIBE of the subscription ``tag``."""

    tag: str
    headers: Mapping[str, str]
    receipt: str | None


class Ack(Struct, gc=False):
    """ACK.  ``ack_id`` as the MESSAGE gave it: ``{tag}@@{session}@@{n}``."""

    ack_id: str
    receipt: str | None


class Nack(Struct, gc=False):
    """NACK.  ``requeue``: deliver again (the default), or dead-letter."""

    ack_id: str
    requeue: bool
    receipt: str | None


class Commit(Struct):
    """COMMIT.  ``actions`` in the order they were sent; all of them or none are to be done."""

    actions: list[Send | Ack | Nack]
    receipt: str | None


class Done(Struct, gc=False):
    """BEGIN or ABORT: the session has done all there is to do, but for the receipt."""

    receipt: str | None


class Disconnect(Struct):
    """DISCONNECT: answer the receipt, then close."""

    receipt: str | None


class Violation(Struct):
    """The session is over: tell the client why (ERROR), then close."""

    error: ClientError
    receipt: str | None = None


Event = Connect | Send | Subscribe | Unsubscribe | Ack | Nack | Commit | Done | Disconnect | Violation
