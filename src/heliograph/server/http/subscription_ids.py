"""What subscriptions are called in paths: made of what they are, so that nothing need be stored, and read back.

    id      = "durable." text            ; of owner LF name
            / "live." session "." text   ; of the tag in its ack ids, which is unique within its session
    text    = base64url without "="      ; of UTF-8
    after   = id                         ; of the last item of a page: of a durable subscription,
            / number "." id              ; of a live one, with when its connection was opened

Lists hold durable ones first, by owner and name, then live ones by connection and tag.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from heliograph.server.http.problem import Refused

#: Compares as lists are ordered; the first item tells durable (0) from live (1).
Order = tuple[Any, ...]


class DurableId(NamedTuple):
    """Of a durable subscription."""

    owner: str
    name: str

    def __str__(self) -> str:
        return "durable." + _encode(f"{self.owner}\n{self.name}")


class LiveId(NamedTuple):
    """Of a live subscription."""

    session: str
    tag: str

    def __str__(self) -> str:
        return f"live.{self.session}.{_encode(self.tag)}"


def read_id(text: str) -> DurableId | LiveId | None:
    """What ``text`` is the id of, or None."""
    kind, _, rest = text.partition(".")
    if kind == "live":
        session, dot, tag = rest.partition(".")
        found = _decode(tag)
        return LiveId(session, found) if session and dot and found is not None else None
    found = _decode(rest) if kind == "durable" else None
    owner, line_feed, name = (found or "").partition("\n")
    return DurableId(owner, name) if line_feed else None


def write_after(order: Order) -> str:
    """The cursor behind an item."""
    if order[0] == 0:
        return str(DurableId(*order[1:]))
    return f"{order[1]}.{LiveId(*order[2:])}"


def read_after(text: str) -> Order:
    """The order that a cursor stands for; 422 where it is none."""
    number, _, rest = text.partition(".")
    found = read_id(text)
    if isinstance(found, DurableId):
        return (0, *found)
    found = read_id(rest)
    if isinstance(found, LiveId) and number.isascii() and number.isdigit() and len(number) < 19:
        return (1, int(number), *found)
    raise Refused(422, "Invalid request", "after: take it from the Link of the page before.")


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str | None:
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return found if _encode(found) == text else None
