"""The layout of a message type's routing keys (NAME-3, NAME-4, NAME-5).

    {partner}.{account}.{camera}.{action}.{event_types}

An operator writes one of his own in the same way, with words between dots that every key has: ``parse_layout``.
Ids are decimal numbers in their only spelling, so that one camera has one key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from heliograph.catalog.bodies import INT64_MAX
from heliograph.errors import DestinationError, SettingsError
from heliograph.topic.words import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heliograph.catalog.event_types import EventTypes

PARTNER = "partner"
ACTION = "action"
EVENT_TYPES = "event_types"
FREE = ("#",)  #: the layout of keys with any words
_CONSTANT = "="  #: begins a word of a layout that stands for itself

_WORDS_MAX = 16
_NAMED = re.compile(r"\{(\w+)\}", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")

_EXAMPLES = {
    PARTNER: "7",
    "account": "12345",
    "camera": "32",
    ACTION: "create",
    EVENT_TYPES: "objectDetected.faceDetected",
}


class KeyFields(Struct, frozen=True):
    """A routing key taken apart: None for what the layout does not have.  ``event_type`` is the leaf of the path."""

    partner: int | None
    account: int | None
    camera: int | None
    action: str | None
    event_type: str | None

    def word(self, name: str) -> int | str | None:
        """What the key says for a name of its layout; for event_types that is the leaf."""
        found: int | str | None = getattr(self, "event_type" if name == EVENT_TYPES else name)
        return found


class KeyLayout:
    """Which words the keys of a message type have, and what may stand in each.

    ``words``: partner, account, camera, action and event_types as the type has them, or ``=text`` for a word that
    every key has.  Those of the built-in types begin with partner and account.
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
        action: str | None = None
        event_type: str | None = None
        for index, name in enumerate(self.words):
            if index == len(key_words):
                raise self._invalid(f"It ends after word {index}; the next one is the {_spoken(name)}.")
            if name == EVENT_TYPES:
                event_type = self._parse_event_type(key_words[index:])
            elif name == ACTION:
                action = self._parse_action(index, key_words[index])
            elif name.startswith(_CONSTANT):
                if key_words[index] != name[1:]:
                    raise self._invalid(f"Word {index + 1} must be {name[1:]!r}, not {quote(key_words[index])}.")
            else:
                numbers[name] = self._parse_number(index, name, key_words[index])
        if event_type is None and len(key_words) > len(self.words):
            extra = quote(key_words[len(self.words)])
            raise self._invalid(f"It goes on after word {len(self.words)} with {extra}.")
        return KeyFields(numbers.get(PARTNER), numbers.get("account"), numbers.get("camera"), action, event_type)

    def _parse_number(self, index: int, name: str, word: str) -> int:
        if is_number(word):
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
        layout = ".".join(f"{{{_spoken(name)}}}" if name in _EXAMPLES else name[1:] for name in self.words)
        example = ".".join(self._example(name) for name in self.words)
        return DestinationError(
            "Invalid routing key", f"{fault} A routing key of {self._type_name} is {layout}, for example {example}"
        )

    def _example(self, name: str) -> str:
        return self.actions[0] if name == ACTION else _EXAMPLES.get(name, name[1:])


def is_number(word: str) -> bool:
    """Whether it is a decimal number from 0 to 2^63-1, in its only spelling."""
    return word.isascii() and word.isdigit() and (word[0] != "0" or word == "0") and int(word) <= INT64_MAX


def constant(name: str) -> str | None:
    """The word that stands for itself at this place of a layout, if it is one."""
    return name[1:] if name.startswith(_CONSTANT) else None


def parse_layout(text: str) -> tuple[str, ...]:
    """The words of a layout such as ``{partner}.{account}.thermal.{event_types}``, or ``FREE`` for ``#``.

    SettingsError says which word is wrong and what may stand there.
    """
    if text == FREE[0]:
        return FREE
    words = tuple(_layout_word(index, word) for index, word in enumerate(text.split("."), 1))
    if len(words) > _WORDS_MAX:
        raise _bad_layout(f"It has {len(words)} words; {_WORDS_MAX} are allowed.")
    for name in _EXAMPLES:
        if words.count(name) > 1:
            raise _bad_layout(f"It names {{{name}}} twice.")
    if PARTNER in words[1:]:
        raise _bad_layout("{partner} must be the first word, since a partner sees what begins with its id.")
    if EVENT_TYPES in words[:-1]:
        raise _bad_layout("{event_types} must be the last word, since a path may have several.")
    for name, owner in ((PARTNER, "account"), ("camera", "account")):
        if name in words and owner not in words:
            raise _bad_layout(f"With {{{name}}} it needs {{{owner}}}, by which that is checked.")
    return words


def _layout_word(number: int, word: str) -> str:
    if (named := _NAMED.fullmatch(word)) and named[1] in _EXAMPLES:
        return named[1]
    if _PLAIN.fullmatch(word):
        return _CONSTANT + word
    names = ", ".join(f"{{{name}}}" for name in _EXAMPLES)
    raise _bad_layout(
        f"Word {number} is {quote(word)}. Use {names}, or a word of 1 to 64 letters, digits, '_' and '-'; "
        "'#' alone allows any key."
    )


def _bad_layout(sentences: str) -> SettingsError:
    return SettingsError("Bad key layout", sentences)


def _spoken(name: str) -> str:
    return name.replace("_", " ")
