"""Every engine there is; the suite in this folder runs over each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.interface import Binding, Confirm, Durable, Engine, Envelope, Event, Feed, Publish, Request
from heliograph.engine.interface import Start as StartAtOffset
from heliograph.errors import HeliographError
from heliograph.limits import Limits
from tests.engine.machine_room import abandon

#: An engine on what is stored in a directory, and what a crash of it looks like.  A new engine is one more line.
Make = Callable[[Limits, Path], Engine]
ENGINES: dict[str, tuple[Make, Callable[[Any], None]]] = {
    "embedded": (lambda limits, directory: EmbeddedEngine(limits, FileStore(directory)), abandon),
}

EXCHANGE = "acme_raw"
EXCHANGES = (EXCHANGE, "other")


class Subscriber:
    """A feed, and what its engine has told about it."""

    def __init__(self, engine: Engine, request: Request) -> None:
        self.wakes = 0
        self.errors: list[HeliographError] = []
        self.at_end: Callable[[], object] = lambda: None
        self.feed: Feed = engine.subscribe(request, self._wake, self._ended)

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

    async def get(self, count: int) -> list[Event]:
        """So many events, waited for; leased."""
        got: list[Event] = []
        async with asyncio.timeout(5):
            while len(got) < count:
                if self.feed.pending:
                    got += self.take(count - len(got))
                else:
                    await asyncio.sleep(0.001)
        return got

    async def get_keys(self, count: int) -> list[str]:
        """The keys of so many events, settled."""
        events = await self.get(count)
        self.feed.settle(events)
        return [event.envelope.key for event in events]

    async def nothing(self) -> bool:
        """Whether nothing comes, though there is time for it."""
        await asyncio.sleep(0.03)
        return not self.feed.pending and self.take() == []

    def marked(self, events: list[Event]) -> list[bool]:
        """Which of them are told as redelivered."""
        return [event.offset in self.feed.redelivered for event in events]


class Confirmed:
    """A ``Confirm`` that can be waited for."""

    def __init__(self) -> None:
        self.answers: list[HeliographError | None] = []

    def __call__(self, error: HeliographError | None) -> None:
        self.answers.append(error)

    async def answer(self) -> HeliographError | None:
        async with asyncio.timeout(5):
            while not self.answers:
                await asyncio.sleep(0.001)
        (answer,) = self.answers
        return answer


class Station:
    """An engine with two exchanges: the few words that the tests are written in."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._exchanges: dict[str, Publish] = {name: engine.declare(name) for name in EXCHANGES}

    def publish(
        self,
        key: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        confirm: Confirm | None = None,
        exchange: str = EXCHANGE,
    ) -> int:
        (offset,) = self._exchanges[exchange]([Envelope(exchange, key, headers or {})], [body], confirm)
        return offset

    def publish_all(
        self,
        events: Sequence[tuple[str, bytes, dict[str, str]]],
        confirm: Confirm | None = None,
        exchange: str = EXCHANGE,
    ) -> list[int]:
        """Key, body and headers of each; all at once."""
        envelopes = [Envelope(exchange, key, headers) for key, _, headers in events]
        return [*self._exchanges[exchange](envelopes, [body for _, body, _ in events], confirm)]

    async def store(self, key: str, body: bytes = b"", headers: dict[str, str] | None = None) -> int:
        """Publish, and wait until it is stored."""
        confirmed = Confirmed()
        offset = self.publish(key, body, headers, confirmed)
        assert await confirmed.answer() is None
        return offset

    async def store_all(self, *keys: str) -> list[int]:
        offsets = [self.publish(key) for key in keys[:-1]]
        return [*offsets, await self.store(keys[-1])]

    def subscribe(
        self,
        pattern: str,
        owner: str | None = None,
        rights: tuple[str, ...] = (),
        exchange: str = EXCHANGE,
        start: StartAtOffset | None = None,
        durable: Durable | None = None,
    ) -> Subscriber:
        words = tuple(tuple(right.split(".")) for right in rights)
        return Subscriber(
            self.engine, Request(Binding(exchange, tuple(pattern.split(".")), owner, words), start, durable)
        )

    def durable(self, name: str = "mine", pattern: str = "#", principal: str = "p", **more: Any) -> Subscriber:
        """A consumer of a durable subscription; ``start``: for ``Request``, the rest: for ``Durable``."""
        start = more.pop("start", None)
        return self.subscribe(pattern, start=start, durable=Durable(principal, name, **more))

    def dead_letters(self, name: str = "mine") -> Subscriber:
        return self.durable(name, dead_letters=True)


class Start(Protocol):
    """Starts a station; see the fixture."""

    def __call__(self, **limits: int) -> Awaitable[Station]: ...


class Stations:
    """Engines one after the other on one directory; all that are left are stopped in the end."""

    def __init__(self, name: str, directory: Path) -> None:
        self._make, self._abandon = ENGINES[name]
        self._directory = directory
        self._running: list[Engine] = []
        self._count = 0

    async def start(self, **limits: int) -> Station:
        """A station with an engine of those limits, on a directory of its own."""
        self._count += 1
        return await self._start(self._directory / str(self._count), limits)

    async def _start(self, directory: Path, limits: dict[str, int]) -> Station:
        self._latest = directory
        engine = self._make(Limits(**limits), directory)
        self._running.append(engine)
        station = Station(engine)
        await engine.start()
        return station

    async def restart(self, station: Station, crash: bool, **limits: int) -> Station:
        """A new engine on what ``station`` has stored; with ``crash`` that had no time to stop."""
        self._running.remove(station.engine)
        if crash:
            self._abandon(station.engine)
        else:
            await station.engine.stop()
        return await self._start(self._latest, limits)

    async def stop(self) -> None:
        for engine in self._running:
            await engine.stop()


@pytest.fixture(params=ENGINES)
async def stations(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stations]:
    made = Stations(request.param, tmp_path)
    yield made
    await made.stop()


@pytest.fixture
def start(stations: Stations) -> Start:
    """``await start(ring_bytes_max=…)`` gives a station with an engine of those limits."""
    return stations.start


@pytest.fixture
async def station(start: Start) -> Station:
    """One with the default limits."""
    return await start()
