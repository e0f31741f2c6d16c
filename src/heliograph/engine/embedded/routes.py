"""Which live followers an event goes to: a trie for each tenant, and what was found, by routing key."""

from __future__ import annotations

from typing import Generic, TypeVar

from heliograph.engine.embedded.follower import Follower
from heliograph.engine.embedded.matching import within_rights
from heliograph.generational_cache import GenerationalCache
from heliograph.topic.trie import Trie

F = TypeVar("F", bound=Follower)


class Routes(Generic[F]):
    """``known.young.get(key)`` is the hot path; ``find`` is for what is not there."""

    __slots__ = ("_distinct", "_trees", "followers", "known")

    def __init__(self, routes_max: int) -> None:
        self._trees: dict[str | None, Trie[F]] = {}  # by owner
        self.followers: dict[F, None] = {}
        self.known: GenerationalCache[str, tuple[F, ...]] = GenerationalCache(routes_max)
        self._distinct: GenerationalCache[tuple[F, ...], tuple[F, ...]] = GenerationalCache(routes_max)

    def add(self, follower: F) -> None:
        """Route to ``follower`` from now on."""
        if follower in self.followers:
            return
        binding = follower.binding
        tree = self._trees.get(binding.owner)
        if tree is None:
            tree = self._trees[binding.owner] = Trie()
        tree.add(binding.pattern, follower)
        self.followers[follower] = None
        self.forget()

    def discard(self, follower: F) -> None:
        """Route to ``follower`` no more."""
        if follower not in self.followers:
            return
        del self.followers[follower]
        binding = follower.binding
        tree = self._trees[binding.owner]
        tree.remove(binding.pattern, follower)
        if not tree:
            del self._trees[binding.owner]
        self.forget()

    def forget(self) -> None:
        """Look all keys up anew: who gets them has changed."""
        self.known.clear()
        self._distinct.clear()

    def find(self, key: str) -> tuple[F, ...]:
        """The followers of ``key``; partners' trees hold only keys of their own, services are asked for rights."""
        found = self.known.get(key)
        if found is None:
            words = tuple(key.split("."))
            owned = self._trees.get(words[0])
            shared = self._trees.get(None)
            theirs = shared.match(words) if shared else ()
            found = (*(owned.match(words) if owned else ()), *(f for f in theirs if within_rights(f.binding, words)))
            # Many keys reach the same followers; one tuple for all of them, since it may be long.
            known = self._distinct.get(found)
            if known is None:
                self._distinct.put(found, found)
            else:
                found = known
            self.known.put(key, found)
        return found
