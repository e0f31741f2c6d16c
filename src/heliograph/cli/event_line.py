"""One event as one readable line.

    2026-11-22 09:00:00.300  7/12345/32  personDetected  83%  box 0.77 0.33 0.88 0.61

What a message is made of comes from others: every part is escaped and bounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from heliograph.cli.terminal import printable
from heliograph.client import Message

Part = tuple[str, str]  #: text and its style on a terminal

_CHARACTERS_MAX = 120  #: of any one part
_TYPE_WIDTH = 22  #: of the longest event type


def event_line(message: Message) -> list[Part]:
    """The parts of the line, each without unprintable characters."""
    try:
        body = message.json()
    except (ValueError, RecursionError):
        body = None
    parts = list(_event(message, body) if isinstance(body, dict) else _unread(message))
    if message.redelivered:
        parts.append(("redelivered", "yellow"))
    return [(_short(text), style) for text, style in parts]


def _event(message: Message, body: dict[str, Any]) -> Iterator[Part]:
    words = message.key.split(".")
    ids = list(takewhile(str.isdecimal, words))
    yield _time(body.get("timestamp")), "dim"
    yield "/".join(ids) or message.key, "cyan"
    if "type" in body:
        yield str(body["type"]).ljust(_TYPE_WIDTH), "bold"
    else:
        yield f"{message.exchange.removesuffix('_v24').rpartition('_')[2]} {body.get('action', '')}", "bold"
    for name in ("faceId", "userId"):
        if name in body:
            yield str(body[name]), ""
    if (confidence := _number(body.get("confidence"))) is not None:
        yield f"{confidence:4.0%}", "green" if confidence >= 0.5 else "yellow"
    box = body.get("boundingBox")
    if isinstance(box, list) and len(box) == 4:
        yield "box " + " ".join("?" if (edge := _number(each)) is None else f"{edge:.2f}" for each in box), ""


def _unread(message: Message) -> Iterator[Part]:
    yield message.key, "cyan"
    yield f"{len(message.body)} octets", "dim"
    yield message.body[:_CHARACTERS_MAX].decode(errors="backslashreplace"), ""


def _time(timestamp: object) -> str:
    return str(timestamp or "-").replace("T", " ", 1).removesuffix("+0000")


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, float | int) and math.isfinite(value) else None
    except OverflowError:
        return None


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _CHARACTERS_MAX else shown[: _CHARACTERS_MAX - 1] + "…"
