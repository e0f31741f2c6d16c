"""The embedded engine: its exchanges by name."""

from __future__ import annotations

from collections.abc import Callable

from heliograph.engine.embedded.exchange import Exchange
from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.engine.interface import Binding, Publish
from heliograph.errors import HeliographError
from heliograph.limits import Limits


class EmbeddedEngine:
    """Transient: events live in memory.  See ``engine.interface.Engine``.

    ``first_offset``: where every exchange begins to count.  Start-up time in microseconds since 1970 keeps
    offsets increasing over restarts, since no exchange takes a million events a second.
    """

    def __init__(self, limits: Limits, first_offset: int) -> None:
        self._limits = limits
        self._first_offset = first_offset
        self._exchanges: dict[str, Exchange] = {}

    async def start(self) -> None:
        """Nothing is stored yet."""

    async def stop(self) -> None:
        """Nothing is stored yet."""
        self._exchanges.clear()

    def declare(self, exchange: str) -> Publish:
        """See ``Engine``."""
        if exchange not in self._exchanges:
            self._exchanges[exchange] = Exchange(exchange, self._first_offset, self._limits)
        return self._exchanges[exchange].publish

    def subscribe(
        self, binding: Binding, wake: Callable[[], None], ended: Callable[[HeliographError], None]
    ) -> TransientFeed:
        """See ``Engine``."""
        exchange = self._exchanges[binding.exchange]
        feed = TransientFeed(exchange, binding, wake, ended)
        exchange.bind(feed)
        return feed
