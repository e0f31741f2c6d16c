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

#: Compares as lists are ordered; the first item tells durable (0) from live (1).
Order = tuple[Any, ...]

_TEXT = r"([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?"
#: All cursors look so.  One that was not given here has its place in the order all the same.
AFTER = rf"^(durable|[0-9]{{1,18}}\.live\.session-[A-Za-z0-9_-]{{22}})\.{_TEXT}$(?!\n)"


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
    """The order that a cursor stands for; ``text`` matches ``AFTER``."""
    if text.startswith("durable."):
        owner, _, name = _octets(text.removeprefix("durable.")).decode(errors="replace").partition("\n")
        return 0, owner, name
    number, _, session, tag = text.split(".")
    return 1, int(number), session, _octets(tag).decode(errors="replace")


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str | None:
    try:
        found = _octets(text).decode()
    except ValueError:
        return None
    return found if _encode(found) == text else None


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
