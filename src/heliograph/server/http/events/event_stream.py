"""One reader of a stream of events: its subscriptions, its place in each exchange, and how it ends.

    stream = *(retry / event / gap / beat) [ended]       ; text/event-stream (HTML, section 9.2)
    event  = "id:" positions, "data:" Told
    gap    = "event: gap", "data:" Gap                   ; before the first event behind it
    beat   = ":" comment, "id:" positions                ; no event for the reader, but its place moves on
    ended  = "event: ended", "data:" Problem             ; why the server ends it

An id names, for each exchange that is read, the last offset that was looked at.  What the reader does not take stays
in the engine: here is never more than one piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Collection, Mapping

import msgspec
from msgspec import Struct

from heliograph.broker.subscription import AckMode, Subscription
from heliograph.directory.principal import Identity
from heliograph.engine.interface import Binding, Start, StartAt
from heliograph.errors import HeliographError
from heliograph.server.admission import Peer
from heliograph.server.http.events.told import tell
from heliograph.server.http.filters import show_positions
from heliograph.server.http.problem import problem_of
from heliograph.server.hub import Hub

#: How long a reader that was cut off waits before it comes back.
_RETRY = b"retry: 3000\n\n"

_encode = msgspec.json.Encoder().encode


class Gap(Struct, frozen=True):
    """Offsets that were asked for and are not there any more."""

    exchange: str
    first_offset: int
    last_offset: int


class EventStream:
    """See ``Consumer``.  Opened when made; ``pieces`` are what is to be sent, ``close`` must follow.

    ``starts``: where each exchange begins; the live edge where it is not named.
    """

    def __init__(
        self, hub: Hub, identity: Identity, link: Peer, bindings: list[Binding], starts: Mapping[str, Start]
    ) -> None:
        self.identity: Identity | None = hub.admission.current(identity)
        self.link = link
        self._hub = hub
        self._woken = asyncio.Event()
        self._suspended = self._closed = False
        self._error: HeliographError | None = None
        self._abort: asyncio.TimerHandle | None = None
        self._sources: deque[_Source] = deque()
        self._seen: dict[str, int] = {}
        try:
            for each in bindings:
                self._open(each, starts.get(each.exchange, Start()))
        except BaseException:
            self.close()
            raise
        hub.streams[self] = None

    def _open(self, binding: Binding, start: Start) -> None:
        assert self.identity is not None
        kept = self._hub.broker.history(binding.exchange).extent
        asked, removed = kept.first_offset, None
        if start.at is StartAt.OFFSET:
            asked, start = start.value, Start(StartAt.OFFSET, max(start.value, kept.first_offset))
        elif start.at is StartAt.TIMESTAMP and (kept.oldest_ms is None or kept.oldest_ms > start.value):
            asked = 1
        if asked < kept.first_offset:
            removed = asked, kept.first_offset - 1
        destination = f"/exchange/{binding.exchange}/{'.'.join(binding.pattern)}"
        subscription = self._hub.broker.subscribe(
            self.identity.principal, destination, AckMode.AUTO, None, self._woken.set, self.fail, start
        )
        self._sources.append(_Source(binding.exchange, subscription, removed))
        self._seen[binding.exchange] = subscription.lag.position - 1

    # --- from the admission

    @property
    def outlets(self) -> Collection[_Source]:
        """See ``Consumer``."""
        return self._sources

    def suspend(self) -> None:
        """See ``Consumer``."""
        self._suspended = True

    def admit(self, identity: Identity) -> None:
        """See ``Consumer``."""
        self.identity = identity
        self._suspended = False
        self._woken.set()

    def fail(self, error: HeliographError) -> None:
        """See ``Consumer``; a peer that does not take it is cut off."""
        if self._closed or self._error is not None:
            return
        self._error = error
        self._release()
        self._woken.set()
        self._abort = self._hub.loop.call_later(self._hub.limits.linger_ms_max / 1_000, self.link.abort)

    def close(self) -> None:
        """The reader has gone, or has been told the end."""
        self._closed = True
        self._release()
        self._hub.streams.pop(self, None)
        if self._abort is not None:
            self._abort.cancel()
        self._woken.set()

    # --- what is sent

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Piece after piece, until the end; each is made when it is asked for."""
        yield _RETRY + b"".join(map(_told_gap, self._gaps()))
        while not self._closed:
            self._woken.clear()
            if self._error is not None:
                yield b"event: ended\ndata: %b\n\n" % _encode(problem_of(self._error))
                return
            piece = b"" if self._suspended else self._take()
            if piece:
                yield piece
                continue
            try:
                async with asyncio.timeout(self._hub.limits.stream_beat_ms / 1_000):
                    await self._woken.wait()
            except TimeoutError:
                if not self._suspended and self._error is None:
                    yield self._beat()

    def _take(self) -> bytes:
        """What is there now, of all exchanges in turn, up to a bound."""
        out: list[bytes] = []
        room = self._hub.limits.write_bytes_max
        for _ in range(len(self._sources)):
            source = self._sources[0]
            self._sources.rotate(-1)
            for event in source.subscription.take(room) if source.subscription.ready else ():
                if gap := source.subscription.take_gap():
                    out.append(_told_gap(Gap(source.exchange, *gap)))
                self._seen[source.exchange] = event.offset
                out.append(self._told(b"", tell(event)))
                room -= len(out[-1])
            if room <= 0:
                break
        return b"".join(out)

    def _beat(self) -> bytes:
        """A sign of life, and how far was looked: what was not asked for needs no second look after a return."""
        gaps = list(self._gaps())
        for source in self._sources:
            lag = source.subscription.lag
            if not lag.known:
                self._seen[source.exchange] = max(self._seen[source.exchange], lag.position - 1)
        return b"".join(map(_told_gap, gaps)) + self._told(b": beat\n")

    def _gaps(self) -> list[Gap]:
        """What is known to be missing."""
        found = []
        for source in self._sources:
            removed, source.removed = source.removed, None
            gaps = (removed, source.subscription.take_gap())
            found += [Gap(source.exchange, *gap) for gap in gaps if gap is not None]
        return found

    def _told(self, begin: bytes, data: bytes | None = None) -> bytes:
        lines = b"" if data is None else b"".join(b"data: %b\n" % line for line in data.splitlines())
        return b"%bid: %b\n%b\n" % (begin, show_positions(self._seen).encode(), lines)

    def _release(self) -> None:
        sources, self._sources = self._sources, deque()
        for source in sources:
            source.subscription.close()


class _Source:
    """One exchange of a stream.  ``removed``: what was asked for and is older than what is kept; told once."""

    def __init__(self, exchange: str, subscription: Subscription, removed: tuple[int, int] | None) -> None:
        self.exchange = exchange
        self.subscription = subscription
        self.removed = removed


def _told_gap(gap: Gap) -> bytes:
    return b"event: gap\ndata: %b\n\n" % _encode(gap)


def after(positions: Mapping[str, int]) -> dict[str, Start]:
    """Where to begin, behind what was seen."""
    return {exchange: Start(StartAt.OFFSET, offset + 1) for exchange, offset in positions.items()}


def since(exchanges: list[str], received_ms: int) -> dict[str, Start]:
    """Where to begin for what was received at that time or later."""
    return {exchange: Start(StartAt.TIMESTAMP, received_ms) for exchange in exchanges}
