"""Why a pattern can match no routing key of a message type, in plain words.

Words before the first '#' stand at the same place in the pattern and in every key that matches, so each can be judged
by what the layout has there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile

from heliograph.catalog.event_types import EventTypes
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.routing_key import ACTION, EVENT_TYPES, FREE, PARTNER, constant, is_number
from heliograph.topic.words import HASH, STAR, quote

#: Names of a layout whose words are decimal numbers.
NUMBERS = frozenset({PARTNER, "account", "camera"})


def pattern_faults(message_type: MessageType, pattern_words: Sequence[str]) -> list[str]:
    """A sentence for each reason why no key of ``message_type`` can match; empty where one may."""
    if can_match(message_type, pattern_words):
        return []
    fixed = list(takewhile(lambda word: word != HASH, pattern_words))
    found = list(_faults(message_type, fixed, pattern_words))
    return found or [_elsewhere(message_type, pattern_words[len(fixed) :])]


def numbers_in(message_type: MessageType, words: Sequence[str]) -> dict[str, int]:
    """The ids in a key, or in a pattern before its first '#', by their names in the layout."""
    fixed = takewhile(lambda word: word != HASH, words)
    named = zip(message_type.key_layout, fixed, strict=False)
    return {name: int(word) for name, word in named if name in NUMBERS and is_number(word)}


def layout_of(message_type: MessageType) -> str:
    """``{partner}.{account}.{action}``."""
    return ".".join(constant(name) or f"{{{_spoken(name)}}}" for name in message_type.key_layout)


# --- whether


def can_match(message_type: MessageType, pattern_words: Sequence[str]) -> bool:
    """Whether some key of ``message_type`` matches; one step for each place of the layout and each event type."""
    if message_type.key_layout == FREE:
        return True
    walk = _Walk(pattern_words)
    state = walk.begin
    for name in message_type.key_layout:
        if name == EVENT_TYPES:
            return any(map(walk.ended, _behind_types(message_type.event_types, walk, state)))
        state = walk.step(state, walk.bits(partial(_takes, message_type, name)))
    return walk.ended(state)


class _Walk:
    """The words of a pattern as bits: a state holds bit n where the first n of them can take the key so far."""

    __slots__ = ("_by_word", "_end", "_hashes", "begin")

    def __init__(self, pattern_words: Sequence[str]) -> None:
        self._end = len(pattern_words)
        self._by_word: dict[str, int] = {}
        for number, word in enumerate(pattern_words):
            self._by_word[word] = self._by_word.get(word, 0) | 1 << number
        self._hashes = self._by_word.get(HASH, 0)
        self.begin = self._past_hashes(1)

    def bits(self, takes: Callable[[str], bool]) -> int:
        """Those of the words that ``takes`` is true of."""
        return sum(bits for word, bits in self._by_word.items() if takes(word))

    def taking(self, word: str) -> int:
        """Those of the words that take this one."""
        return self._by_word.get(word, 0) | self._by_word.get(STAR, 0)

    def step(self, state: int, taking: int) -> int:
        """The state behind another word of the key, which the words ``taking`` take, and every '#'."""
        return self._past_hashes((state & taking) << 1 | state & self._hashes)

    def ended(self, state: int) -> bool:
        """Whether all words of the pattern are done with."""
        return bool(state >> self._end)

    def _past_hashes(self, state: int) -> int:
        while (further := state | (state & self._hashes) << 1) != state:
            state = further
        return state


def _takes(message_type: MessageType, name: str, word: str) -> bool:
    """Whether a word of a pattern takes something that may stand at the place ``name`` of a key."""
    if name in NUMBERS:
        return word == STAR or is_number(word)
    return word == STAR or (word in message_type.actions if name == ACTION else word == constant(name))


def _behind_types(event_types: EventTypes, walk: _Walk, begin: int) -> Iterator[int]:
    """The state behind the path of each event type, made of that behind its supertype's."""
    known: dict[str | None, int] = {None: begin}

    def behind(name: str | None) -> int:
        if name is not None and name not in known:
            known[name] = walk.step(behind(event_types[name]), walk.taking(name))
        return known[name]

    return map(behind, event_types)


# --- why not


def _faults(message_type: MessageType, fixed: Sequence[str], pattern_words: Sequence[str]) -> Iterator[str]:
    layout = message_type.key_layout
    closed = len(fixed) == len(pattern_words)
    for index, (name, word) in enumerate(zip(layout, fixed, strict=False)):
        number = index + 1
        if name == EVENT_TYPES:
            yield from _path_faults(message_type.event_types, number, fixed[index:], closed)
        elif _takes(message_type, name, word):
            continue
        elif name in NUMBERS:
            yield f"Word {number} is the {_spoken(name)}, a decimal number; {quote(word)} is none."
        elif name == ACTION:
            yield f"Word {number} is the action; {_instead(word, message_type.actions)}"
        else:
            yield f"Word {number} is the same in every key: {_instead(word, (constant(name) or '',))}"
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
        fitting = [path for path in paths if len(path) >= count and words[count - 1] in (STAR, path[count - 1])]
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


def _no_type(event_types: EventTypes, word: str) -> str:
    if word in event_types:
        return f"The path of {word} is {event_types.path(word)}: write all of it, from the root on."
    same = _same(word, event_types)
    if same is not None:
        return f"{quote(word)} is written {same!r}; case counts."
    return event_types.unknown(word)


def _instead(word: str, allowed: Sequence[str]) -> str:
    same = _same(word, allowed)
    if same is not None:
        return f"{quote(word)} is written {same!r}; case counts."
    return f"it is {' or '.join(map(repr, allowed))}, never {quote(word)}."


def _same(word: str, known: Iterable[str]) -> str | None:
    """The one that differs in nothing but upper and lower case."""
    return next((each for each in known if each.casefold() == word.casefold()), None)


def _elsewhere(message_type: MessageType, words: Sequence[str]) -> str:
    """``words``: from the first '#' on; none before it is at fault."""
    layout = message_type.key_layout
    types = message_type.event_types if EVENT_TYPES in layout else ()
    spoken = [*(message_type.actions if ACTION in layout else ()), *filter(None, map(constant, layout))]
    for word in words:
        if word in (STAR, HASH) or is_number(word) or word in spoken or word in types:
            continue
        if _same(word, spoken) is not None:
            return _instead(word, spoken)
        if types:
            return _no_type(message_type.event_types, word)
        return f"{quote(word)} stands in no key; keys are {layout_of(message_type)}."
    return f"What stands behind '#' stands in no key in this order; keys are {layout_of(message_type)}."


def _size(layout: Sequence[str]) -> str:
    return f"{len(layout)} or more" if EVENT_TYPES in layout else str(len(layout))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
