"""Every engine there is; the suite in this folder runs over each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.interface import Binding, Confirm, Engine, Envelope, Event, Feed, Publish
from heliograph.errors import HeliographError
from heliograph.limits import Limits

FIRST_OFFSET = 1_000

#: A new engine is one more line.
ENGINES: dict[str, Callable[[Limits], Engine]] = {
    "embedded": lambda limits: EmbeddedEngine(limits, FIRST_OFFSET),
}

EXCHANGE = "acme_raw"


class Subscriber:
    """A feed, and what its engine has told about it."""

    def __init__(self, engine: Engine, binding: Binding) -> None:
        self.wakes = 0
        self.errors: list[HeliographError] = []
        self.at_end: Callable[[], object] = lambda: None
        self.feed: Feed = engine.subscribe(binding, self._wake, self._ended)

    def _wake(self) -> None:
        self.wakes += 1

    def _ended(self, error: HeliographError) -> None:
        self.errors.append(error)
        self.at_end()

    def take(self, count_max: int = 1_000, bytes_max: int = 1 << 30) -> list[Event]:
        return self.feed.take(count_max, bytes_max)

    def keys(self, count_max: int = 1_000, bytes_max: int = 1 << 30) -> list[str]:
        """The keys of what is taken, settled at once."""
        events = self.take(count_max, bytes_max)
        self.feed.settle(events)
        return [event.envelope.key for event in events]


class Station:
    """An engine with one exchange: the few words that the tests are written in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._exchanges: dict[str, Publish] = {}

    def publish(
        self,
        key: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        confirm: Confirm | None = None,
        exchange: str = EXCHANGE,
    ) -> int:
        if exchange not in self._exchanges:
            self._exchanges[exchange] = self.engine.declare(exchange)
        return self._exchanges[exchange](Envelope(exchange, key, headers or {}), body, confirm)

    def subscribe(
        self, pattern: str, owner: str | None = None, rights: tuple[str, ...] = (), exchange: str = EXCHANGE
    ) -> Subscriber:
        self.engine.declare(exchange)
        words = tuple(tuple(right.split(".")) for right in rights)
        return Subscriber(self.engine, Binding(exchange, tuple(pattern.split(".")), owner, words))


@pytest.fixture(params=ENGINES)
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Station]]:
    """``start(ring_bytes_max=…)`` gives a station with an engine of those limits; all are stopped in the end."""
    engines: list[Engine] = []

    def start_one(**limits: int) -> Station:
        engines.append(ENGINES[request.param](Limits(**limits)))
        return Station(engines[-1])

    yield start_one
    for engine in engines:
        await engine.stop()


@pytest.fixture
async def station(start: Callable[..., Station]) -> Station:
    """One with the default limits."""
    station = start()
    await station.engine.start()
    return station
