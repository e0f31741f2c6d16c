"""The SUBSCRIBE headers that ask for more than a live feed: durable subscriptions and replay, in RabbitMQ's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from heliograph.broker.authorization import owner_of
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Durable, Start, StartAt
from heliograph.errors import ProtocolError, UnsupportedError
from heliograph.stomp.events import Subscribe

#: Asked for and not given must be an ERROR, never silence.
_NOT_OFFERED = ("x-max-length", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange",
                "x-dead-letter-routing-key", "x-single-active-consumer")  # fmt: skip
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Arguments(Struct, frozen=True):
    """``durable_name`` is None for a live feed; ``start`` is None where the subscriber has not asked for offsets."""

    durable_name: str | None = None
    start: Start | None = None
    expires_ms: int | None = None
    message_ttl_ms: int | None = None
    dead_letters: bool = False

    def durable(self, principal: Principal) -> Durable | None:
        """The durable subscription of ``principal`` that is meant, or None."""
        if self.durable_name is None:
            return None
        return Durable(owner_of(principal), self.durable_name, self.expires_ms, self.message_ttl_ms, self.dead_letters)


def read_arguments(event: Subscribe, now_ms: int) -> Arguments:
    """What the headers ask for.  ``now_ms``: milliseconds since 1970, for starts that are given as a duration."""
    headers = event.headers
    refused = [name for name in _NOT_OFFERED if name in headers]
    if refused:
        raise UnsupportedError(
            "Not supported",
            f"{', '.join(refused)}: a durable subscription is a position in the exchange's history, which has limits "
            "of its own; what cannot be processed goes to its own dead letters. Leave the header out.",
        )
    start = None
    if "x-stream-offset" in headers:
        start = read_start(headers["x-stream-offset"], now_ms)
    name = _durable_name(event)
    arguments = Arguments(
        name,
        start,
        _milliseconds(headers, "x-expires"),
        _milliseconds(headers, "x-message-ttl"),
        _flag(headers, "x-dead-letter"),
    )
    if name is None and arguments != Arguments(start=start):
        raise ProtocolError(
            "Invalid header",
            "x-expires, x-message-ttl and x-dead-letter belong to a durable subscription; add durable:true and an id.",
        )
    return arguments


def read_start(text: str, now_ms: int) -> Start:
    """``first``, ``last``, ``next``, ``offset=N``, ``timestamp=T`` (seconds since 1970 or ISO 8601) or a duration."""
    if text in ("first", "last", "next"):
        return Start(StartAt(text))
    kind, _, value = text.partition("=")
    if kind == "offset" and _is_number(value):
        return Start(StartAt.OFFSET, int(value))
    if kind == "timestamp":
        if _is_number(value):
            return Start(StartAt.TIMESTAMP, int(value) * 1_000)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return Start(StartAt.TIMESTAMP, int(moment.timestamp() * 1_000))
    if duration := _DURATION.fullmatch(text.removeprefix("timestamp=")):
        return Start(StartAt.TIMESTAMP, now_ms - int(duration[1]) * _UNIT_MS[duration[2]])
    raise ProtocolError(
        "Invalid header",
        f"x-stream-offset is {text[:64]!r}; it is first, last, next, offset=N, timestamp=T with T in seconds since "
        "1970 or as 2026-11-22T09:00:00+00:00, or how far back, as 90s, 15m, 1h or 7d.",
    )


def read_ack_id(ack_id: str) -> tuple[str, int]:
    """What stands before the number of ``{tag}@@{session}@@{n}``, and the number (SESS-4)."""
    prefix, separator, number = ack_id.rpartition("@@")
    if not separator or not _is_number(number):
        raise ProtocolError("Invalid header", f"{ack_id[:256]!r} is no ack id; repeat the one of the MESSAGE.")
    return prefix + separator, int(number)


def _durable_name(event: Subscribe) -> str | None:
    """``x-queue-name``, else destination and id together, as RabbitMQ derives it."""
    headers = event.headers
    if "x-queue-name" in headers:
        name = headers["x-queue-name"]
        if not 0 < len(name.encode()) <= 255:
            raise ProtocolError("Invalid header", "x-queue-name is a name of 1 to 255 octets.")
        return name
    if not _flag(headers, "durable"):
        return None
    if event.id is None:
        raise ProtocolError(
            "Missing header",
            "A durable SUBSCRIBE must include an 'id' (or an 'x-queue-name'), by which it is found again.",
        )
    return f"{event.id} {event.destination}"


def _flag(headers: Mapping[str, str], name: str) -> bool:
    value = headers.get(name, "false")
    if value not in ("true", "false"):
        raise ProtocolError("Invalid header", f"{name} is {value[:32]!r}; it is 'true' or 'false'.")
    return value == "true"


def _milliseconds(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not _is_number(value) or int(value) < 1:
        raise ProtocolError("Invalid header", f"{name} is {value[:32]!r}; it is a number of milliseconds, 1 or more.")
    return int(value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
