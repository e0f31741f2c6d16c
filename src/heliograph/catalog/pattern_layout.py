"""Why a pattern can match no routing key of a message type, in plain words.

Words before the first '#' stand at the same place in the pattern and in every key that matches, so each can be judged
by what the layout has there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from heliograph.catalog.event_types import EventTypes
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.routing_key import ACTION, EVENT_TYPES
from heliograph.topic.words import HASH, STAR, quote

#: Names of a layout whose words are decimal numbers.
NUMBERS = frozenset({"partner", "account", "camera"})


def pattern_faults(message_type: MessageType, pattern_words: Sequence[str]) -> list[str]:
    """A sentence for each reason why no key of ``message_type`` can match; empty where one may."""
    if not message_type.has_partner:
        return []
    fixed = list(takewhile(lambda word: word != HASH, pattern_words))
    found = list(_faults(message_type, fixed, pattern_words))
    if not found and not any(_possible(pattern_words, places) for places in _keys(message_type)):
        found = [_elsewhere(message_type, pattern_words[len(fixed) :])]
    return found


def numbers_in(message_type: MessageType, words: Sequence[str]) -> dict[str, int]:
    """The ids in a key, or in a pattern before its first '#', by their names in the layout."""
    fixed = takewhile(lambda word: word != HASH, words)
    named = zip(message_type.key_layout, fixed, strict=False)
    return {name: int(word) for name, word in named if name in NUMBERS and _is_number(word)}


def layout_of(message_type: MessageType) -> str:
    """``{partner}.{account}.{action}``."""
    return ".".join(f"{{{_spoken(name)}}}" for name in message_type.key_layout)


def _faults(message_type: MessageType, fixed: Sequence[str], pattern_words: Sequence[str]) -> Iterator[str]:
    layout = message_type.key_layout
    closed = len(fixed) == len(pattern_words)
    for index, (name, word) in enumerate(zip(layout, fixed, strict=False)):
        number = index + 1
        if name == EVENT_TYPES:
            yield from _path_faults(message_type.event_types, number, fixed[index:], closed)
        elif name in NUMBERS and word != STAR and not _is_number(word):
            yield f"Word {number} is the {_spoken(name)}, a decimal number; {quote(word)} is none."
        elif name == ACTION and word != STAR and word not in message_type.actions:
            yield f"Word {number} is the action; {_instead(word, message_type.actions)}"
    if closed and len(fixed) < len(layout):
        yield (
            f"It has {len(fixed)} words and no '#', but keys have {_size(layout)} words: {layout_of(message_type)}. "
            "End it with .# to take whatever follows."
        )
    elif EVENT_TYPES not in layout and sum(word != HASH for word in pattern_words) > len(layout):
        yield f"It has more words than a key, which has {len(layout)}: {layout_of(message_type)}."


def _path_faults(event_types: EventTypes, number: int, words: Sequence[str], closed: bool) -> Iterator[str]:
    """``words``: those from the event types' place on; ``number``: of the first of them in the pattern."""
    paths = [event_types.path(name).split(".") for name in event_types]
    for count in range(1, len(words) + 1):
        fitting = [path for path in paths if len(path) >= count and _begins(path, words[:count])]
        if fitting:
            paths = fitting
            continue
        word = words[count - 1]
        if word == STAR or count > max(map(len, paths)):
            yield f"Word {number + count - 1} is one too many: behind the words before it no event type has another."
        else:
            yield f"Word {number + count - 1} is an event type. {_no_type(event_types, word)}"
        return
    if closed and words and not any(len(path) == len(words) for path in paths):
        yield f"It ends after word {number + len(words) - 1}, but the event types' path goes on. End it with .#"


def _begins(path: Sequence[str], words: Sequence[str]) -> bool:
    return all(word in (STAR, step) for step, word in zip(path, words, strict=False))


def _no_type(event_types: EventTypes, word: str) -> str:
    if word in event_types:
        return f"The path of {word} is {event_types.path(word)}: write all of it, from the root on."
    same = next((name for name in event_types if name.casefold() == word.casefold()), None)
    if same is not None:
        return f"{quote(word)} is written {same!r}; case counts."
    return event_types.unknown(word)


def _instead(word: str, allowed: Sequence[str]) -> str:
    if word.casefold() in allowed:
        return f"{quote(word)} is written {word.casefold()!r}; case counts."
    return f"it is {' or '.join(map(repr, allowed))}, never {quote(word)}."


def _elsewhere(message_type: MessageType, words: Sequence[str]) -> str:
    """``words``: from the first '#' on; none before it is at fault."""
    for word in words:
        known = word in (STAR, HASH) or _is_number(word) or word in message_type.actions
        if not known and word not in message_type.event_types:
            if word.casefold() in message_type.actions:
                return _instead(word, message_type.actions)
            return _no_type(message_type.event_types, word)
    return f"What stands behind '#' stands in no key in this order; keys are {layout_of(message_type)}."


def _keys(message_type: MessageType) -> Iterator[tuple[str | None, ...]]:
    """What the places of keys hold, for every action and event type: a word, or None for any number."""
    layout = message_type.key_layout
    head = tuple(name for name in layout if name != EVENT_TYPES)
    types = message_type.event_types
    paths = [tuple(types.path(name).split(".")) for name in types] if EVENT_TYPES in layout else [()]
    for action in message_type.actions if ACTION in layout else ("",):
        places = tuple(action if name == ACTION else None if name in NUMBERS else STAR for name in head)
        yield from ((*places, *path) for path in paths)


def _possible(pattern_words: Sequence[str], places: Sequence[str | None]) -> bool:
    """Whether the pattern takes some key with these places."""
    reach = {0}  # how many of them the pattern's words so far can take
    for word in pattern_words:
        if word == HASH:
            reach = set(range(min(reach), len(places) + 1))
        else:
            reach = {n + 1 for n in reach if n < len(places) and _takes(word, places[n])}
        if not reach:
            return False
    return len(places) in reach


def _takes(word: str, place: str | None) -> bool:
    return word == STAR or place == STAR or (_is_number(word) if place is None else word == place)


def _is_number(word: str) -> bool:
    """In its only spelling, as in keys."""
    return word.isascii() and word.isdigit() and (word[0] != "0" or word == "0")


def _size(layout: Sequence[str]) -> str:
    return f"{len(layout)} or more" if EVENT_TYPES in layout else str(len(layout))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
