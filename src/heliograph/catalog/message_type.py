"""A message type: the layout of its routing keys, the shape of its bodies, and what the two must agree in.

A publisher sends both, so both are checked against each other: what a subscriber filters by is what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import DecodeError

from heliograph.catalog.bodies import TIMESTAMP, Body
from heliograph.catalog.body_shape import INVALID_BODY, BodyShape, spoken
from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.routing_key import EVENT_TYPES, FREE, PARTNER, KeyFields, KeyLayout
from heliograph.errors import BodyError, DestinationError
from heliograph.topic.words import quote

#: Takes a body that comes with one certain key; raises ``BodyError`` if the two do not go together.
Verifier = Callable[[bytes], None]


class MessageType:
    """One message type.

    ``key_layout`` names the words of its routing keys, in order; ``("#",)`` allows any, and then bodies are
    relayed unread (``shape`` is ``None``).  ``actions`` are those a key may name.
    """

    __slots__ = ("_event_types", "_layout", "_shape", "has_partner", "key_layout", "name")

    def __init__(
        self,
        name: str,
        key_layout: tuple[str, ...],
        shape: BodyShape | None,
        actions: tuple[str, ...] = (),
        event_types: EventTypes = BUILT_IN_EVENT_TYPES,
    ) -> None:
        self.name = name
        self.key_layout = key_layout
        #: Whether keys begin with the partner; a type whose keys do not is not for partners.
        self.has_partner = key_layout != FREE
        self._shape = shape
        self._layout = KeyLayout(name, key_layout, actions, event_types)
        self._event_types = event_types

    @property
    def actions(self) -> tuple[str, ...]:
        """Those that a key may name."""
        return self._layout.actions

    @property
    def event_types(self) -> EventTypes:
        """Those whose paths a key may end with."""
        return self._event_types

    def parse_key(self, key_words: Sequence[str]) -> KeyFields | None:
        """Take a routing key apart; ``None`` when any key is allowed.

        ``DestinationError`` names the word that is wrong, what is allowed there, and the layout.
        """
        return self._layout.parse(key_words) if self.has_partner else None

    def read(self, body: bytes) -> Body | None:
        """Decode and validate a body by itself; ``None`` when any is allowed.  ``BodyError`` with a pointer."""
        return None if self._shape is None else self._shape.read(body)

    def verifier(self, fields: KeyFields | None) -> Verifier:
        """The check of all bodies that come with one key (``fields`` is what ``parse_key`` made of it).

        It raises ``BodyError`` with the JSON pointer of a field that is missing, malformed, or not what the key
        says.
        """
        shape = self._shape
        if shape is None or fields is None:
            return _accept
        decode, is_timestamp, implied = shape.decode, TIMESTAMP.fullmatch, shape.implied
        expected = tuple(fields.word(name) for name in shape.places)

        def verify(body: bytes) -> None:
            """Every event comes by here, so it says yes in as few steps as can be; the fault is looked for after."""
            try:
                found = decode(body)
                if body.isascii() and implied(found) == expected and is_timestamp(found.timestamp):
                    return
            except (DecodeError, UnicodeDecodeError, RecursionError):
                pass
            found = shape.read(body)
            if implied(found) != expected:
                raise self._mismatch(found, fields, shape)

        return verify

    def routing_key(self, body: Body, partner: int) -> str:
        """The key that a body of this type (from ``read``) implies.

        ``BodyError`` for an event type that is not known; ``DestinationError`` when keys are free.
        """
        if self._shape is None:
            raise DestinationError("Invalid routing key", f"Keys of {quote(self.name)} are free, so name one.")
        implied = dict(zip(self._shape.places, self._shape.implied(body), strict=True))
        words: list[str] = []
        for name in self.key_layout:
            if name == PARTNER:
                words.append(str(partner))
            elif name == EVENT_TYPES:
                words.append(self._path(str(implied[name])))
            else:
                # Only the action can be missing in a body, and then there is but one.
                words.append(str(implied.get(name, self._layout.actions[0])))
        return ".".join(words)

    def _path(self, event_type: str) -> str:
        try:
            return self._event_types.path(event_type)
        except DestinationError as fault:
            raise BodyError(INVALID_BODY, f"type: {fault.detail}", "/type") from None

    def _mismatch(self, found: Body, fields: KeyFields, shape: BodyShape) -> BodyError:
        """Name the first field that is not what the key says, and the key that the body should have."""
        places = zip(shape.places.items(), shape.implied(found), strict=True)
        name, pointer, said = next((n, p.pointer, s) for (n, p), s in places if s != fields.word(n))
        index = self.key_layout.index(name)
        shown = quote(said) if isinstance(said, str) else said
        detail = f"{spoken(pointer)} is {shown}, but the routing key says {fields.word(name)} (word {index + 1})."
        try:
            mend = f"Correct the field, or send the body with the key {self.routing_key(found, fields.partner)}"
        except BodyError as fault:
            mend = fault.detail
        return BodyError(INVALID_BODY, f"{detail} {mend}", pointer)


def _accept(body: bytes) -> None:
    """Any body will do."""
