"""Recordings of events: JSON lines with ``atMs``, ``routingKey`` and ``event``, as ``heliograph.traces`` ships one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from heliograph.errors import DestinationError, LimitError, SettingsError
from heliograph.limits import Limits
from heliograph.topic.words import parse_key

SHIPPED = ("site",)  #: traces that come with the package, by name
_FILE_BYTES_MAX = 268_435_456  #: a trace is held in memory; this is about a million events
_ID_NAMES = ("eventId", "event_id")


class TracedEvent(Struct, rename="camel", frozen=True):
    """One line.  ``at_ms``: when, from the start of the recording; ``event``: the body's octets as they stand."""

    at_ms: float
    routing_key: str
    event: msgspec.Raw


class Trace(Struct, frozen=True):
    """A whole recording, in the order of its file."""

    name: str
    events: tuple[TracedEvent, ...]

    @property
    def duration_ms(self) -> float:
        """From the start to the last event."""
        return max((event.at_ms for event in self.events), default=0.0)

    def bodies(self, round_number: int) -> Iterator[bytes]:
        """The bodies of one round of an endless loop: ids go on where the round before ended, times are now."""
        bodies: list[dict[str, Any]] = [_object(event) for event in self.events]
        ids = [each[name] for each in bodies for name in _ID_NAMES if isinstance(each.get(name), int)]
        shift = round_number * (max(ids) - min(ids) + 1) if ids else 0
        for body in bodies:
            for name in _ID_NAMES:
                if isinstance(body.get(name), int):
                    body[name] += shift
            if "timestamp" in body:
                body["timestamp"] = timestamp(datetime.now(UTC))
            yield msgspec.json.encode(body)


def read_trace(name: str) -> Trace:
    """The trace that ships under ``name``, or the file of that path; SettingsError names the line that is wrong."""
    if name in SHIPPED:
        octets = resources.files("heliograph.traces").joinpath(f"{name}.jsonl").read_bytes()
    else:
        octets = _read(Path(name))
    events = tuple(_line(f"{name}, line {n}", line) for n, line in enumerate(octets.splitlines(), 1) if line.strip())
    if not events:
        raise SettingsError("Bad trace", f"{name} holds no events. A line is {_EXAMPLE}.")
    return Trace(name, events)


def timestamp(moment: datetime) -> str:
    """A moment in UTC as bodies have it (BODY-2)."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


_EXAMPLE = '{"atMs": 300, "routingKey": "7.12345.32.create.vmdDetected", "event": {...}}'
_decode = msgspec.json.Decoder(TracedEvent).decode


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise SettingsError("Bad trace", f"{path} has more than {_FILE_BYTES_MAX} octets. Split it.")
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            "Bad trace", f"{path}: {error.strerror}. Give a file of JSON lines, or the word {SHIPPED[0]!r}."
        ) from None


def _line(place: str, line: bytes) -> TracedEvent:
    try:
        event = _decode(line)
        parse_key(event.routing_key, Limits())
    except (DestinationError, LimitError) as error:
        raise SettingsError("Bad trace", f"{place}: routingKey: {error.detail}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError("Bad trace", f"{place}: {error}. A line is {_EXAMPLE}.") from None
    # Written so that a NaN, which JSON does not know but a decoder may, is refused too.
    if not 0 <= event.at_ms < float("inf"):
        raise SettingsError("Bad trace", f"{place}: atMs is {event.at_ms}; it is 0 or more.")
    return event


def _object(event: TracedEvent) -> dict[str, Any]:
    """The body as an object; one that is none has no ids and times to renew, so it cannot be looped."""
    try:
        body = msgspec.json.decode(event.event)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, Mapping):
        raise SettingsError("Bad trace", f"the event with key {event.routing_key!r} is no JSON object; play it once.")
    return dict(body)
