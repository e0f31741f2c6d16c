"""What reading a log gives: batches whose bodies are read when they are asked for, one or a stretch of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from heliograph.engine.embedded.log.batch import Head, decode_event_keys
from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.segment import Segment
from heliograph.engine.interface import Event

if TYPE_CHECKING:
    from heliograph.engine.embedded.log.log import Log


class Batch:
    """What one commit wrote.  Offsets, keys and times come from its head; the body is read by ``events``."""

    __slots__ = ("_at", "_log", "_segment", "first_offset", "head", "keys", "last_offset")

    def __init__(self, log: Log, segment: Segment, at: int, head: Head, keys: tuple[str, ...]) -> None:
        self._log = log
        self._segment = segment
        self._at = at
        self.head = head
        self.keys = keys  #: the distinct routing keys of its events
        self.first_offset = head.first_offset
        self.last_offset = head.last_offset

    def events(self) -> list[Event] | Gap:
        """Its events; a Gap with its offsets if the body is not what was written, or was removed since.

        Raises ServerError if the disk gives an error.
        """
        return self._log.read_events(self._segment, self._at, self.head)

    def event_keys(self) -> list[str] | Gap:
        """The routing key of each event; otherwise as ``events``, for a fraction of the work."""
        return self._log.read_body(self._segment, self._at, self.head, decode_event_keys)


class Stretch(NamedTuple):
    """Some of a log in order, back to the offset ``begin``; what is damaged, or was not looked for, is a Gap."""

    items: list[Batch | Gap]
    begin: int
