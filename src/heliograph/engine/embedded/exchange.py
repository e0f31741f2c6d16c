"""One topic exchange: offsets, bindings, routes, and how far behind a subscription may be.

The ring is a window, not a store: an event lives as long as somebody refers to it, and nobody may refer
to one that is more than ``ring_bytes_max`` octets or ``backlog_events_max`` events behind.
"""

from __future__ import annotations

import time

from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.engine.interface import Confirm, Envelope, Event
from heliograph.errors import LimitError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits
from heliograph.topic.trie import Trie

#: Octets that an event costs beside three times its body (which stands in it and in the frames made of it).
_EVENT_BYTES = 1_024
#: How many times the ring is looked over while it is filled once.
_LOOKS = 16

_Route = tuple[TransientFeed, ...]


class Exchange:
    """``publish`` is the hot path: a look-up, and one append for each subscription that matches."""

    __slots__ = ("_distinct", "_feeds", "_limits", "_look_at", "_next_offset", "_position", "_routes", "_trees",
                 "name")  # fmt: skip

    def __init__(self, name: str, first_offset: int, limits: Limits) -> None:
        self.name = name
        self._limits = limits
        self._next_offset = first_offset
        self._position = 0
        self._look_at = limits.ring_bytes_max // _LOOKS
        self._trees: dict[str | None, Trie[TransientFeed]] = {}  # by owner
        self._feeds: dict[TransientFeed, None] = {}
        self._routes: GenerationalCache[str, _Route] = GenerationalCache(limits.routes_max)
        self._distinct: GenerationalCache[_Route, _Route] = GenerationalCache(limits.routes_max)

    def publish(self, envelope: Envelope, body: bytes, confirm: Confirm | None = None) -> int:
        """Append one event and refer to it from every matching backlog; its offset.

        Confirmed at once, since memory is all there is.
        """
        offset = self._next_offset
        self._next_offset = offset + 1
        size = 3 * len(body) + _EVENT_BYTES
        self._position = position = self._position + size
        event = Event(envelope, offset, body, size, position, time.time_ns() // 1_000_000, {})
        route = self._routes.young.get(envelope.key)
        if route is None:
            route = self._route(envelope.key)
        for feed in route:
            backlog = feed.backlog
            if not backlog:
                feed.wake()
            backlog.append(event)
        if position >= self._look_at:
            self._drop_the_fallen()
        if confirm is not None:
            confirm(None)
        return offset

    def bind(self, feed: TransientFeed) -> None:
        """Route to ``feed`` from now on."""
        binding = feed.binding
        tree = self._trees.get(binding.owner)
        if tree is None:
            tree = self._trees[binding.owner] = Trie()
        tree.add(binding.pattern, feed)
        self._feeds[feed] = None
        self._forget_routes()

    def unbind(self, feed: TransientFeed) -> None:
        """Route to ``feed`` no more; nothing happens if it is not bound."""
        if feed not in self._feeds:
            return
        del self._feeds[feed]
        binding = feed.binding
        tree = self._trees[binding.owner]
        tree.remove(binding.pattern, feed)
        if not tree:
            del self._trees[binding.owner]
        self._forget_routes()

    def _forget_routes(self) -> None:
        self._routes.clear()
        self._distinct.clear()

    def _route(self, key: str) -> _Route:
        route = self._routes.get(key)
        if route is None:
            words = tuple(key.split("."))
            owned = self._trees.get(words[0])
            shared = self._trees.get(None)
            route = (*(owned.match(words) if owned else ()),
                     *(feed for feed in (shared.match(words) if shared else ()) if feed.admits(words)))  # fmt: skip
            # Many keys reach the same subscriptions; one tuple for all of them, since it may be long.
            known = self._distinct.get(route)
            if known is None:
                self._distinct.put(route, route)
            else:
                route = known
            self._routes.put(key, route)
        return route

    def _drop_the_fallen(self) -> None:
        limits = self._limits
        self._look_at = self._position + limits.ring_bytes_max // _LOOKS
        oldest = self._position - limits.ring_bytes_max
        fallen = [
            feed for feed in self._feeds
            if feed.backlog and (feed.backlog[0].position <= oldest or len(feed.backlog) > limits.backlog_events_max)
        ]  # fmt: skip
        for feed in fallen:
            if feed not in self._feeds:
                continue  # whoever was told of another one has closed it
            feed.fall_off(
                LimitError(
                    "Subscription too slow",
                    f"It is {len(feed.backlog)} events behind. A subscription may be at most "
                    f"{limits.ring_bytes_max} octets (ring_bytes_max) or {limits.backlog_events_max} events "
                    "(backlog_events_max) behind. Read faster, acknowledge sooner, or narrow the pattern.",
                )
            )
