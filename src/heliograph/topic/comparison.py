"""Two patterns against each other, both as words: is one within the other, may a key match both?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.topic.words import HASH, STAR

if TYPE_CHECKING:
    from collections.abc import Sequence


def covers(wide_words: Sequence[str], narrow_words: Sequence[str]) -> bool:
    """Whether every key that the narrow pattern takes, the wide one takes too, word by word.

    True is certain; False may be wrong where only a rearrangement shows it (``*.#`` covers ``#.*``).
    """
    reach = {0}  # how many words of the narrow one the wide one's words so far can take
    for word in wide_words:
        if word == HASH:
            reach = set(range(min(reach), len(narrow_words) + 1))
        else:
            reach = {n + 1 for n in reach if n < len(narrow_words) and _takes(word, narrow_words[n])}
        if not reach:
            return False
    return len(narrow_words) in reach


def _takes(word: str, narrow: str) -> bool:
    return narrow != HASH and (word in (STAR, narrow))


def overlap(one_words: Sequence[str], other_words: Sequence[str]) -> bool:
    """Whether some key matches both patterns."""
    reach = _skipping(other_words, {0})  # how many words of the other may be done with
    for word in one_words:
        if word == HASH:
            reach = set(range(min(reach), len(other_words) + 1))
            continue
        after = set()
        for n in reach:
            if n < len(other_words):
                theirs = other_words[n]
                if theirs == HASH:
                    after.add(n)  # it takes this word, and may take more
                elif STAR in (word, theirs) or word == theirs:
                    after.add(n + 1)
        if not after:
            return False
        reach = _skipping(other_words, after)
    return len(other_words) in reach


def _skipping(words: Sequence[str], reach: set[int]) -> set[int]:
    """``reach``, and what is reached where each '#' takes no word."""
    found = set(reach)
    for n in range(min(reach), len(words)):
        if n in found and words[n] == HASH:
            found.add(n + 1)
    return found
