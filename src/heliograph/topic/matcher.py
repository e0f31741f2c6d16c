"""One pattern against one key, and why it matches or not (TOPIC-1, TOPIC-2).

Both sides are tuples of words as ``heliograph.topic.words`` gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from heliograph.topic.words import HASH, STAR, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS_NAMED_MAX = 4  #: of the key, in one sentence


def matches(pattern_words: Sequence[str], key_words: Sequence[str]) -> bool:
    """Whether the pattern takes the whole key: '*' exactly one word, '#' zero or more.

    Each '#' takes as little as it can.  When the words behind it fail, the last '#' takes one word more; an
    earlier one need not, for whatever it could leave to the last one, the last one can take itself.  So the
    cost is at most the product of the lengths.
    """
    pattern_size, key_size = len(pattern_words), len(key_words)
    at = taken = 0  # words of the pattern and of the key that are done with
    after_hash, resume = -1, 0  # where to go on after the last '#', and with which word of the key
    while taken < key_size:
        word = pattern_words[at] if at < pattern_size else None
        if word == HASH:
            at += 1
            if at == pattern_size:
                return True
            after_hash, resume = at, taken
        elif word is not None and (word == key_words[taken] or word == STAR):
            at += 1
            taken += 1
        elif after_hash < 0:
            return False
        else:
            resume += 1
            at, taken = after_hash, resume
    return all(word == HASH for word in pattern_words[at:])


class WordStep(Struct, frozen=True):
    """What became of one word of a pattern."""

    number: int  #: in the pattern, from 1
    word: str
    took: tuple[str, ...]  #: words of the key: one, or for '#' any number
    fault: str = ""  #: why it took none; only in the last step of an explanation


class Explanation(Struct, frozen=True):
    """Why a pattern matches a key or not."""

    matches: bool
    summary: str  #: one sentence
    steps: tuple[WordStep, ...]  #: in the pattern's order, up to the first that fails
    rest: tuple[str, ...] = ()  #: words of the key left over after a whole pattern


def explain(pattern_words: Sequence[str], key_words: Sequence[str]) -> Explanation:
    """Say word by word what the pattern takes of the key, or which word is the first that cannot.

    The time is the product of the lengths: for people, not for the way of a message.
    """
    reach = _reach(pattern_words, key_words)
    done = len(reach) - 1
    if done < len(pattern_words):
        return _failed(pattern_words, key_words, reach)
    last = reach[done][-1]
    steps = _steps(pattern_words, key_words, reach, last)
    if last < len(key_words):
        rest = tuple(key_words[last:])
        # With a '#' somewhere, the farthest attempt is the one to show; what it leaves over begins with rest[0].
        return Explanation(False, f"key goes on with {quote(rest[0])} - add .# to match sub-types", steps, rest)
    hashes = [step for step in steps if step.word == HASH]
    took = "; ".join(f"word {step.number}: '#' takes {'.'.join(step.took) or 'no word'}" for step in hashes)
    return Explanation(True, f"pattern matches{': ' if took else ''}{took}", steps)


def _reach(pattern_words: Sequence[str], key_words: Sequence[str]) -> list[list[int]]:
    """For each beginning of the pattern that can be put, how many words of the key it can take, ascending."""
    size = len(key_words)
    reach = [[0]]
    for word in pattern_words:
        before = reach[-1]
        if word == HASH:
            here = list(range(before[0], size + 1))
        else:
            here = [n + 1 for n in before if n < size and word in (STAR, key_words[n])]
        if not here:
            break
        reach.append(here)
    return reach


def _steps(
    pattern_words: Sequence[str], key_words: Sequence[str], reach: list[list[int]], taken: int
) -> tuple[WordStep, ...]:
    """Which words of the key each word took, when all together took the first ``taken``; each '#' the least."""
    steps: list[WordStep] = []
    for number in range(len(reach) - 1, 0, -1):
        word = pattern_words[number - 1]
        before = max(n for n in reach[number - 1] if n <= taken) if word == HASH else taken - 1
        steps.append(WordStep(number, word, tuple(key_words[before:taken])))
        taken = before
    return tuple(reversed(steps))


def _failed(pattern_words: Sequence[str], key_words: Sequence[str], reach: list[list[int]]) -> Explanation:
    """The explanation when the pattern's word after ``reach`` can be put nowhere."""
    index = len(reach) - 1
    word = pattern_words[index]
    found = list(dict.fromkeys(key_words[n] for n in reach[index] if n < len(key_words)))
    if found:
        fault = f"pattern says {quote(word)}, key has {_listed(found)}"
        if word.casefold() in (other.casefold() for other in found):
            fault += "; case counts"
        summary = f"word {index + 1}: {fault}"
    else:
        wanted = sum(other != HASH for other in pattern_words[index:])
        fault = f"key ends after word {len(key_words)}"
        summary = f"{fault}; pattern wants {wanted} more"
    steps = _steps(pattern_words, key_words, reach, reach[index][0])
    return Explanation(False, summary, (*steps, WordStep(index + 1, word, (), fault)))


def _listed(words: list[str]) -> str:
    shown = [quote(word) for word in words[:_WORDS_NAMED_MAX]]
    if len(words) > _WORDS_NAMED_MAX:
        return ", ".join(shown) + ", …"
    return " or ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
