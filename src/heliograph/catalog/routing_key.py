"""The layout of a message type's routing keys (NAME-3, NAME-4, NAME-5).

    {partner}.{account}.{camera}.{action}.{event types}

The ids come first and are decimal numbers in their only spelling, so that one camera has one key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from heliograph.catalog.bodies import INT64_MAX
from heliograph.errors import DestinationError
from heliograph.topic.words import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.catalog.event_types import EventTypes

PARTNER = "partner"
ACTION = "action"
EVENT_TYPES = "event_types"
FREE = ("#",)  #: the layout of keys with any words

_EXAMPLES = {
    PARTNER: "7",
    "account": "12345",
    "camera": "32",
    ACTION: "create",
    EVENT_TYPES: "objectDetected.faceDetected",
}


class KeyFields(Struct, frozen=True):
    """A routing key taken apart.  ``event_type`` is the leaf of the path; camera and type are the events' only."""

    partner: int
    account: int
    camera: int | None
    action: str
    event_type: str | None

    def word(self, name: str) -> int | str | None:
        """What the key says for a name of its layout; for event_types that is the leaf."""
        found: int | str | None = getattr(self, "event_type" if name == EVENT_TYPES else name)
        return found


class KeyLayout:
    """Which words the keys of a message type have, and what may stand in each.

    ``words`` begins with partner and account; then camera, action and event_types as the type has them.
    """

    __slots__ = ("_event_types", "_type_name", "actions", "words")

    def __init__(
        self, type_name: str, words: tuple[str, ...], actions: tuple[str, ...], event_types: EventTypes
    ) -> None:
        self.words = words
        self.actions = actions
        self._event_types = event_types
        self._type_name = type_name

    def parse(self, key_words: Sequence[str]) -> KeyFields:
        """Take a key apart; ``DestinationError`` names the word that is wrong, what may stand there, and the layout."""
        numbers: dict[str, int] = {}
        action, event_type = "", None
        for index, name in enumerate(self.words):
            if index == len(key_words):
                raise self._invalid(f"It ends after word {index}; the next one is the {_spoken(name)}.")
            if name == EVENT_TYPES:
                event_type = self._parse_event_type(key_words[index:])
            elif name == ACTION:
                action = self._parse_action(index, key_words[index])
            else:
                numbers[name] = self._parse_number(index, name, key_words[index])
        if event_type is None and len(key_words) > len(self.words):
            extra = quote(key_words[len(self.words)])
            raise self._invalid(f"It goes on after word {len(self.words)} with {extra}.")
        return KeyFields(numbers[PARTNER], numbers["account"], numbers.get("camera"), action, event_type)

    def _parse_number(self, index: int, name: str, word: str) -> int:
        if word.isascii() and word.isdigit() and (word[0] != "0" or word == "0") and int(word) <= INT64_MAX:
            return int(word)
        fault = "must be a decimal number from 0 to 2^63-1 without sign or leading zeros"
        raise self._invalid(f"Word {index + 1}, the {name}, {fault}, not {quote(word)}.")

    def _parse_action(self, index: int, word: str) -> str:
        if word in self.actions:
            return word
        allowed = " or ".join(repr(action) for action in self.actions)
        raise self._invalid(f"Word {index + 1}, the action, must be {allowed}, not {quote(word)}.")

    def _parse_event_type(self, path_words: Sequence[str]) -> str:
        try:
            return self._event_types.leaf(path_words)
        except DestinationError as fault:
            raise self._invalid(fault.detail) from None

    def _invalid(self, fault: str) -> DestinationError:
        layout = ".".join(f"{{{_spoken(name)}}}" for name in self.words)
        example = ".".join(_EXAMPLES[name] for name in self.words)
        return DestinationError(
            "Invalid routing key", f"{fault} A routing key of {self._type_name} is {layout}, for example {example}"
        )


def _spoken(name: str) -> str:
    return name.replace("_", " ")
