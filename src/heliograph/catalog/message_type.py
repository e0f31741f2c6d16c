"""A message type: the layout of its routing keys, the shape of its bodies, and what the two must agree in.

A publisher sends both, so both are checked against each other: what a subscriber filters by is what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from heliograph.catalog.body_shape import INVALID_BODY, Place, Words, spoken
from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.routing_key import ACTION, EVENT_TYPES, FREE, PARTNER, KeyFields, KeyLayout, constant
from heliograph.errors import BodyError, DestinationError
from heliograph.topic.words import HASH, STAR, quote


class Verifier(NamedTuple):
    """The check of all bodies that come with one certain key.

    ``agree``: see ``Shape``; ``expected``: what it is to be asked for them.  ``check`` says what is wrong with one: it
    raises ``BodyError`` if that is malformed, or does not go with the key.
    """

    agree: Callable[[Sequence[bytes], Sequence[Words]], bool]
    expected: Words
    check: Callable[[bytes], None]


class Shape(Protocol):
    """What bodies look like, and where in them words of the routing key stand: ``places``, by layout name.

    ``implied``: what a body that was read says for each of ``places``, in their order.
    """

    places: Mapping[str, Place]
    implied: Callable[[Any], tuple[int | str, ...]]

    def read(self, body: bytes) -> Any:
        """Decode and validate; ``BodyError`` with the pointer of each fault."""

    def agree(self, bodies: Sequence[bytes], expected: Sequence[Words]) -> bool:
        """Whether ``read`` takes all bodies, and each says its words of ``expected`` for ``places``."""


class MessageType:
    """One message type.

    ``key_layout`` names the words of its routing keys, in order; ``("#",)`` allows any.  Without a ``shape`` bodies are
    relayed unread.  ``actions`` are those a key may name.  ``source``: the kind of what is posted that is told in it
    as it came (``events``), if an operator wants that.
    """

    __slots__ = (
        "_event_types", "_layout", "_shape", "has_partner", "implied", "key_layout", "name", "places", "read", "source"
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        key_layout: tuple[str, ...],
        shape: Shape | None,
        actions: tuple[str, ...] = (),
        event_types: EventTypes = BUILT_IN_EVENT_TYPES,
        source: str | None = None,
    ) -> None:
        self.name = name
        self.key_layout = key_layout
        #: Whether keys begin with the partner; a type whose keys do not is not for partners.
        self.has_partner = key_layout[0] == PARTNER
        self.source = source
        self._shape = shape
        #: Where in bodies words of the key stand, by layout name; and what a body (from ``read``) says for each.
        self.places: Mapping[str, Place] = shape.places if shape is not None else {}
        self.implied: Callable[[Any], tuple[int | str, ...]] = shape.implied if shape is not None else _nothing
        #: Decode and validate a body by itself; ``None`` when any is allowed.  ``BodyError`` with pointers.
        self.read: Callable[[bytes], Any] = shape.read if shape is not None else _accept
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

    def with_event_types(self, event_types: EventTypes) -> MessageType:
        """The same over another tree."""
        return MessageType(self.name, self.key_layout, self._shape, self.actions, event_types, self.source)

    def parse_key(self, key_words: Sequence[str]) -> KeyFields | None:
        """Take a routing key apart; ``None`` when any key is allowed.

        ``DestinationError`` names the word that is wrong, what is allowed there, and the layout.
        """
        return None if self.key_layout == FREE else self._layout.parse(key_words)

    def words(self, body: Any) -> dict[str, int | str]:
        """What a body of this type (from ``read``) says of its key, by layout name."""
        return dict(zip(self.places, self.implied(body), strict=True))

    def pointer(self, name: str) -> str:
        """Where bodies hold a word of their key, by layout name."""
        return self.places[name].pointer

    def verifier(self, fields: KeyFields | None) -> Verifier:
        """The check of all bodies that come with one key (``fields`` is what ``parse_key`` made of it).

        Its errors have the JSON pointer of a field that is missing, malformed, or not what the key says.
        """
        shape = self._shape
        if shape is None:
            return Verifier(_accept_all, (), _accept)
        # Where keys are free there is no place, so nothing can differ.
        expected = () if fields is None else tuple(fields.word(name) for name in shape.places)
        return Verifier(shape.agree, expected, partial(self._check, fields, expected))

    def routing_key(self, body: Any, partner: int | None) -> str:
        """The key that a body of this type (from ``read``) implies.

        ``BodyError`` for an event type or an action that is not known; ``DestinationError`` when keys are free.
        """
        if self._shape is None or self.key_layout == FREE:
            raise DestinationError("Invalid routing key", f"Keys of {quote(self.name)} are free, so name one.")
        implied = self.words(body)
        return ".".join([self._key_word(name, implied, partner) for name in self.key_layout])

    def _key_word(self, name: str, implied: Mapping[str, int | str], partner: int | None) -> str:
        if (word := constant(name)) is not None:
            return word
        if name == PARTNER:
            return str(partner)
        if name == EVENT_TYPES:
            return self._path(str(implied[name]))
        if name == ACTION:
            # It can be missing in a body, and then there is but one.
            return self._action(str(implied.get(name, self._layout.actions[0])))
        return str(implied[name])

    @property
    def is_event(self) -> bool:
        """Whether its keys tell of an event of some type."""
        return EVENT_TYPES in self.key_layout

    def pattern(
        self,
        partner: int | None = None,
        account: int | None = None,
        camera: int | None = None,
        event_type: str | None = None,
    ) -> str:
        """The pattern of all keys that have these words; a type also takes those that descend from it.

        ``DestinationError`` for a word that its keys do not have, and for an event type that is not known.
        """
        wanted = {PARTNER: partner, "account": account, "camera": camera, EVENT_TYPES: event_type}
        given = {name: word for name, word in wanted.items() if word is not None}
        missing = [name for name in given if name not in self.key_layout]
        if missing:
            layout = ".".join(f"{{{name}}}" for name in self.key_layout).replace("{#}", "#")
            spoken_names = " and ".join(missing).replace("_", " ")
            raise DestinationError("Invalid filter", f"Keys of {self.name} have no {spoken_names}: they are {layout}.")
        words = [str(given.get(name, STAR)) for name in self.key_layout if name not in (EVENT_TYPES, HASH)]
        if event_type is not None:
            words.append(self._event_types.path(event_type))
        return ".".join([*words, HASH])

    def _path(self, event_type: str) -> str:
        try:
            return self._event_types.path(event_type)
        except DestinationError as fault:
            pointer = self.pointer(EVENT_TYPES)
            raise BodyError(INVALID_BODY, f"{spoken(pointer)}: {fault.detail}", pointer) from None

    def _action(self, action: str) -> str:
        if action in self._layout.actions:
            return action
        pointer = self.pointer(ACTION)
        allowed = " or ".join(map(repr, self._layout.actions))
        raise BodyError(INVALID_BODY, f"{spoken(pointer)} must be {allowed}; it is {quote(action)}.", pointer)

    def _check(self, fields: KeyFields | None, expected: Words, body: bytes) -> None:
        found = self.read(body)
        if fields is not None and self.implied(found) != expected:
            raise self._mismatch(found, fields)

    def _mismatch(self, found: Any, fields: KeyFields) -> BodyError:
        """Name the first field that is not what the key says, and the key that the body should have."""
        places = zip(self.places.items(), self.implied(found), strict=True)
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


def _accept_all(bodies: Sequence[bytes], expected: Sequence[Words]) -> bool:
    """Any body will do."""
    return True


def _nothing(body: Any) -> tuple[int | str, ...]:
    """A body that is not read says nothing."""
    return ()
