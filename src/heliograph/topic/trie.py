"""One routing key against all patterns at once.

Patterns that begin alike share nodes, up to their first '#'.  A match follows them all in step, one word of the
key at a time, and no node is reached twice.  What a pattern has from its first '#' on is its tail:

* none: the pattern ends at the node and matches a key that ends there;
* '#' alone: it matches as soon as the node is reached;
* more: it is matched by itself, and only if the word behind the '#' (in canonical form never a wildcard) is in
  what is left of the key.

So no pattern is tried more than once for a key, and each try is bounded (see ``matcher.matches``): the worst
that a crafted set can do is linear in the number of its patterns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from heliograph.topic.matcher import matches
from heliograph.topic.words import HASH, STAR, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_Values = dict[T, int]  # value -> when it was added, since the answers come in that order
_Tail = tuple[str, ...]


class _Node(Generic[T]):
    """Where a word of a pattern ends; its parts are made only when needed, since most nodes have one of them."""

    __slots__ = ("ending", "open", "star", "tails", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node[T]] | None = None
        self.star: _Node[T] | None = None
        self.ending: _Values[T] | None = None  # of patterns that end here
        self.open: _Values[T] | None = None  # of patterns that end here with a '#'
        self.tails: dict[str, dict[_Tail, _Values[T]]] | None = None  # by the word behind the '#'

    def child(self, word: str) -> _Node[T] | None:
        if word == STAR:
            return self.star
        return None if self.words is None else self.words.get(word)

    def grow(self, word: str) -> _Node[T]:
        """The child for ``word``, made if there is none."""
        node = self.child(word)
        if node is None:
            node = _Node()
            if word == STAR:
                self.star = node
            elif self.words is None:
                self.words = {word: node}
            else:
                self.words[word] = node
        return node

    def drop(self, word: str) -> None:
        """Take the child for ``word`` away."""
        if word == STAR:
            self.star = None
        elif self.words is not None:
            del self.words[word]
            self.words = self.words or None

    def values(self, tail: _Tail) -> _Values[T]:
        """The values of patterns that have ``tail`` from here on, made if there are none."""
        if not tail:
            self.ending = {} if self.ending is None else self.ending
            return self.ending
        if len(tail) == 1:
            self.open = {} if self.open is None else self.open
            return self.open
        self.tails = {} if self.tails is None else self.tails
        return self.tails.setdefault(tail[1], {}).setdefault(tail, {})

    def drop_empty(self, tail: _Tail) -> None:
        """Let go of what is empty since the last value with ``tail`` went."""
        if not tail:
            self.ending = self.ending or None
        elif len(tail) == 1:
            self.open = self.open or None
        elif self.tails is not None and not self.tails[tail[1]][tail]:
            del self.tails[tail[1]][tail]
            if not self.tails[tail[1]]:
                del self.tails[tail[1]]
            self.tails = self.tails or None

    def is_empty(self) -> bool:
        return not (self.words or self.star or self.ending or self.open or self.tails)


class Trie(Generic[T]):
    """Pairs of a pattern and a value (hashable).  ``len`` counts the pairs."""

    __slots__ = ("_added", "_count", "_root")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._count = 0
        self._added = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pattern_words: Sequence[str], value: T) -> None:
        """Put ``value`` under a pattern; a pair that is there already keeps its place."""
        head, tail = _split(pattern_words)
        node = self._root
        for word in head:
            node = node.grow(word)
        values = node.values(tail)
        if value not in values:
            values[value] = self._added
            self._added += 1
            self._count += 1

    def remove(self, pattern_words: Sequence[str], value: T) -> None:
        """Take a pair away, and the nodes that only it needed; ``KeyError`` if there is no such pair.

        The cost is that of the pattern's words, however many other values there are.
        """
        head, tail = _split(pattern_words)
        path: list[tuple[_Node[T], str]] = []
        node = self._root
        for word in head:
            path.append((node, word))
            child = node.child(word)
            if child is None:
                raise KeyError(value)
            node = child
        try:
            del node.values(tail)[value]
            self._count -= 1
        finally:
            node.drop_empty(tail)
        while path and node.is_empty():
            node, word = path.pop()
            node.drop(word)

    def match(self, key_words: Sequence[str]) -> list[T]:
        """Every value with a pattern that matches the key, each once, the earliest added first."""
        hits: list[_Values[T]] = []
        active = [self._root]
        for index, word in enumerate(key_words):
            reached: list[_Node[T]] = []
            for node in active:
                if node.open is not None:
                    hits.append(node.open)
                if node.tails is not None:
                    hits += _matching_tails(node.tails, key_words[index:])
                if node.words is not None and (child := node.words.get(word)) is not None:
                    reached.append(child)
                if node.star is not None:
                    reached.append(node.star)
            if not reached:
                return _in_order(hits)
            active = reached
        for node in active:
            if node.open is not None:
                hits.append(node.open)
            if node.ending is not None:
                hits.append(node.ending)
        return _in_order(hits)


def _split(pattern_words: Sequence[str]) -> tuple[_Tail, _Tail]:
    """A pattern before its first '#', and from there on."""
    words = canonical(pattern_words)
    index = words.index(HASH) if HASH in words else len(words)
    return words[:index], words[index:]


def _matching_tails(tails: dict[str, dict[_Tail, _Values[T]]], key_words: Sequence[str]) -> list[_Values[T]]:
    return [
        values
        for word in dict.fromkeys(key_words)
        if word in tails
        for tail, values in tails[word].items()
        if matches(tail, key_words)
    ]


def _in_order(hits: list[_Values[T]]) -> list[T]:
    if not hits:
        return []
    if len(hits) == 1:
        return list(hits[0])
    merged: _Values[T] = {}
    for values in hits:
        for value, added in values.items():
            if merged.setdefault(value, added) > added:
                merged[value] = added
    return sorted(merged, key=merged.__getitem__)
