"""The server's frames as octets.

Every frame ends in NUL and LF, as existing clients are used to.  A MESSAGE is put together by ``server.outlet``
of a beginning that the subscription's deliveries share, its ids, a middle that events share, and the body.
"""

from __future__ import annotations

from collections.abc import Mapping

from heliograph.errors import HeliographError
from heliograph.stomp.header import escape, header_lines
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.version import ALL_VERSIONS, V12

#: What keeps a connection alive in either direction.
BEAT = b"\n"


def connected(version: str, session_id: str, heartbeat: HeartBeat, server: str) -> bytes:
    """CONNECTED.  ``server``: ``name/version``."""
    return (
        f"CONNECTED\nversion:{version}\nsession:{session_id}\nheart-beat:{heartbeat}\nserver:{server}\n\n\0\n".encode()
    )


def receipt(receipt_id: str, version: str) -> bytes:
    """RECEIPT."""
    return f"RECEIPT\nreceipt-id:{escape(receipt_id, version)}\n\n\0\n".encode()


def error(fault: HeliographError, version: str = V12, receipt_id: str | None = None) -> bytes:
    """ERROR: what was wrong in ``message``, and how to mend it in the body."""
    body = fault.detail.encode(errors="replace")
    headers = {"message": fault.message}
    if receipt_id is not None:
        headers["receipt-id"] = receipt_id
    headers["content-type"] = "text/plain"
    headers["version"] = ALL_VERSIONS
    headers["content-length"] = str(len(body))
    return b"ERROR\n" + header_lines(headers, version) + b"\n" + body + b"\0\n"


def message_begin(subscription_id: str | None, version: str) -> bytes:
    """The beginning of every MESSAGE of a subscription; ``subscription`` only where an id was given."""
    if subscription_id is None:
        return b"MESSAGE\n"
    return f"MESSAGE\nsubscription:{escape(subscription_id, version)}\n".encode()


def message_middle(destination: str, headers: Mapping[str, str], version: str) -> bytes:
    """From ``destination`` to where the number of the body's octets belongs; shared by events with equal headers."""
    return (
        f"destination:{escape(destination, version)}\n".encode() + header_lines(headers, version) + b"content-length:"
    )
