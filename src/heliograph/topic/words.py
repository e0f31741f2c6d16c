"""Routing keys and patterns as tuples of words (TOPIC-1).

    key     = word *("." word)              at most ``routing_key_bytes_max`` octets of UTF-8
    pattern = item *("." item)              the same, with at most ``pattern_hashes_max`` "#"
    item    = word / "*" / "#"
    word    = 1*(any printable character but "." "*" "#" and white space)

AMQP allows empty words, and ``a*`` as a word that is no wildcard.  Both are nearly always a mistake that shows
only as a subscription without messages, so here they are refused.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from heliograph.errors import DestinationError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heliograph.limits import Limits

STAR = "*"  #: exactly one word
HASH = "#"  #: zero or more words

_KEY_FAULT = "Invalid routing key"
_PATTERN_FAULT = "Invalid pattern"
_QUOTED_CHARACTERS_MAX = 255


def parse_key(text: str, limits: Limits) -> tuple[str, ...]:
    """The words of a routing key.

    ``DestinationError`` for an empty word, a wildcard, white space or a control character; ``LimitError`` for
    a key that is too long.
    """
    words = _split(text, limits, _KEY_FAULT)
    if STAR in text or HASH in text:
        raise DestinationError(
            _KEY_FAULT,
            f"{quote(text)} holds a wildcard. '*' and '#' are for patterns; a message is sent to words alone.",
        )
    return words


def parse_pattern(text: str, limits: Limits) -> tuple[str, ...]:
    """The words of a pattern in canonical form (see ``canonical``).

    ``DestinationError`` as for ``parse_key``, and for a wildcard that is only a part of its word;
    ``LimitError`` for too many octets, or too many '#' after neighbours are merged.
    """
    words = _split(text, limits, _PATTERN_FAULT)
    for number, word in enumerate(words, 1):
        if len(word) > 1 and (STAR in word or HASH in word):
            raise DestinationError(
                _PATTERN_FAULT,
                f"Word {number}, {quote(word)}, has a wildcard inside. A wildcard must be a whole word: "
                "'*' stands for exactly one word, '#' for zero or more.",
            )
    words = canonical(words)
    hashes = words.count(HASH)
    if hashes > limits.pattern_hashes_max:
        raise LimitError(
            _PATTERN_FAULT,
            f"{quote(text)} has {hashes} '#'; pattern_hashes_max is {limits.pattern_hashes_max}. "
            "Use '*' where exactly one word is meant, or several narrower subscriptions.",
        )
    return words


def canonical(words: Iterable[str]) -> tuple[str, ...]:
    """One form for all patterns that differ only in the order of neighbouring wildcards.

    A run of n '*' and at least one '#' means "n words or more" in whatever order it is written; it becomes n
    times '*', then one '#'.  So equal patterns share their node, and no '#' follows another.
    """
    result: list[str] = []
    for wild, run in groupby(words, _is_wildcard):
        items = list(run)
        if wild and HASH in items:
            result += [STAR] * items.count(STAR)
            result.append(HASH)
        else:
            result += items
    return tuple(result)


def quote(text: str) -> str:
    """``text`` in quotation marks for an error: on one line, unprintable characters escaped, bounded in length."""
    if len(text) <= _QUOTED_CHARACTERS_MAX:
        return repr(text)
    return repr(text[:_QUOTED_CHARACTERS_MAX]) + "…"


def _is_wildcard(word: str) -> bool:
    return word in (STAR, HASH)


def _split(text: str, limits: Limits, fault: str) -> tuple[str, ...]:
    if not text.isprintable() or " " in text:
        # The space is the only white space that str.isprintable lets through.
        odd = next(c for c in text if c == " " or not c.isprintable())
        raise DestinationError(fault, f"{quote(text)} holds {odd!a}; words have no white space or control characters.")
    size = len(text.encode())
    if size > limits.routing_key_bytes_max:
        raise LimitError(fault, f"It has {size} octets; routing_key_bytes_max is {limits.routing_key_bytes_max}.")
    words = tuple(text.split("."))
    if "" in words:
        number = words.index("") + 1
        raise DestinationError(fault, f"Word {number} of {quote(text)} is empty; words are joined by single dots.")
    return words
