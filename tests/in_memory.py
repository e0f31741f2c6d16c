"""A broker without sockets: everything real from ``StompConnection`` inwards, with a link that keeps the octets.

The frames that come out are read by a reader of its own, so that a fault of our parser cannot hide one of our writing.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tomllib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import msgspec
import structlog

from heliograph.broker.broker import Broker
from heliograph.directory.build import build_directory
from heliograph.directory.credentials import Authenticator
from heliograph.directory.directory import Directory
from heliograph.directory.file import DirectoryFile
from heliograph.directory.secret import Secret
from heliograph.engine.embedded.engine import EmbeddedEngine
from heliograph.limits import Limits
from heliograph.server.hub import Hub
from heliograph.server.stomp.connection import StompConnection
from tests.crash.stores import ForgetfulStore
from tests.hashing import CHEAP, hash_all

DIRECTORY = """
[[systems]]
name = "acme"
secret = "producer-secret"
message_types = ["event_full_v24", "event_v24", "face_v24", "raw"]
[[systems]]
name = "other"
secret = "other-secret"
message_types = ["face_v24"]
[[partners]]
id = 7
name = "Northwind Alarm"
email = "ops@northwind.example"
password = "correct horse: battery"
grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]
accounts = [{ id = 12345, cameras = [32, 33] }, { id = 123456 }]
[[partners]]
id = 9
name = "Southwind"
email = "ops@southwind.example"
password = "nine"
grants = [{ system = "acme", message_types = ["face_v24"] }]
accounts = [{ id = 999 }]
[[message_types]]
name = "raw"
key = "#"
body = "any"
[[services]]
name = "archiver"
secret = "service-secret"
subscribe = ["/exchange/acme_raw/#", "/exchange/acme_face_v24/*.*.create", "/exchange/acme_face_v24/9.#"]
publish = ["/exchange/acme_raw/#", "/exchange/acme_face_v24/7.*.delete"]
"""

#: Zeros ahead of a log in memory: they save nothing there, and a mebibyte of them is what a start would cost most.
ROOM_BYTES = 4_096

PARTNER = ("ops@northwind.example", "correct horse: battery")
OTHER_PARTNER = ("ops@southwind.example", "nine")
SYSTEM = ("acme", "producer-secret")
SERVICE = ("archiver", "service-secret")


@cache
def directory_file(text: str = DIRECTORY) -> DirectoryFile:
    """The directory file that ``text`` is."""
    return msgspec.convert(tomllib.loads(text), DirectoryFile, dec_hook=lambda _, value: Secret(value))


def directory(text: str = DIRECTORY) -> Directory:
    """What is built of it."""
    return build_directory(directory_file(text))


def face(account: int = 12345, action: str = "create", number: int = 0) -> bytes:
    """A body of face_v24 (BODY-3)."""
    return (
        b'{"accountId":%d,"faceId":"b6e27147-f649-448e-8056-%012d","timestamp":"2020-11-17T14:03:01.221+0000",'
        b'"action":"%b"}' % (account, number, action.encode())
    )


class Received(NamedTuple):
    """A frame of the server's, read by ``read_frames``; ``lines``: the header lines as they stood."""

    command: str
    headers: dict[str, str]
    body: bytes
    lines: list[bytes]


def read_frames(octets: bytes, version: str = "1.2") -> list[Received]:
    """Whole frames, each with NUL and LF at its end; beats between them are passed over."""
    frames: list[Received] = []
    while octets := octets.lstrip(b"\n"):
        head, _, rest = octets.partition(b"\n\n")
        command, *lines = head.split(b"\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(b":")
            if version != "1.0" and command != b"CONNECTED":
                name, value = (_unescape(part) for part in (name, value))
            headers.setdefault(name.decode(), value.decode())
        size = int(headers.get("content-length", rest.index(b"\0")))
        assert rest[size : size + 2] == b"\0\n", octets
        frames.append(Received(command.decode(), headers, rest[:size], lines))
        octets = rest[size + 2 :]
    return frames


_ESCAPED = {b"n": b"\n", b"r": b"\r", b"c": b":", b"\\": b"\\"}


def _unescape(part: bytes) -> bytes:
    return re.sub(rb"\\(.)", lambda match: _ESCAPED[match[1]], part)


class InMemoryLink:
    """A ``Link`` that keeps what is written.  ``closed``: code and reason, or None."""

    peer = "memory"
    framing = "memory"
    octets = None

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.credentials = credentials
        self.writes: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.closing = False
        self.reading = True
        self.on_write: Callable[[bytes], object] = lambda data: None

    @staticmethod
    def before(size: int, body: bytes) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        assert self.closed is None, "written after the end"
        assert data
        self.writes.append(data)
        self.on_write(data)

    def admit(self) -> None:
        pass

    def finish(self, close_code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (close_code, reason)

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Peer:
    """A client at the far end of an ``InMemoryLink``."""

    def __init__(self, hub: Hub, credentials: tuple[str, str] | None = None) -> None:
        self.link = InMemoryLink(credentials)
        self.connection = StompConnection(hub, self.link)
        self.version = "1.2"
        self._seen = 0

    def say(self, *pieces: bytes) -> None:
        """Octets, as one look at the socket would bring them."""
        self.connection.receive(pieces)
        self.connection.received()

    def send(self, command: str, body: bytes = b"", /, **headers: object) -> None:
        """One frame; ``_`` in a name stands for ``-``, nothing is escaped."""
        self.say(frame(command, body, **headers))

    def octets(self) -> bytes:
        """What came since the last look."""
        fresh = b"".join(self.link.writes[self._seen :])
        self._seen = len(self.link.writes)
        return fresh

    def heard(self) -> list[Received]:
        """The frames that came since the last look."""
        return read_frames(self.octets(), self.version)

    def error(self) -> Received:
        """The ERROR that came last, after which the connection was closed."""
        last = self.heard()[-1]
        assert last.command == "ERROR", last
        assert self.link.closed is not None
        return last

    def gone(self) -> None:
        """The socket is gone."""
        self.link.closed = self.link.closed or (1006, "")
        self.connection.lost()


def frame(command: str, body: bytes = b"", /, **headers: object) -> bytes:
    """A client's frame; ``_`` in a name stands for ``-``, nothing is escaped."""
    lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
    return f"{command}\n{lines}\n".encode() + body + b"\0"


class Site:
    """A running broker."""

    def __init__(self, hub: Hub, engine: EmbeddedEngine) -> None:
        self.hub = hub
        self.engine = engine

    async def replace(self, text: str) -> None:
        """The directory is that of ``text`` from now on; the loop has not turned since then."""
        await (await self.prepare(text))()

    async def prepare(self, text: str) -> Callable[[], Coroutine[Any, Any, None]]:
        """What replaces the directory by that of ``text``; the loop turns only for new exchanges."""
        file, limits = directory_file(text), self.hub.limits
        hashed = hash_all(file.secrets(), CHEAP)
        return partial(self.hub.admission.replace_directory, build_directory(file, limits), hashed)

    def open(self, credentials: tuple[str, str] | None = None) -> Peer:
        """A connection that has said nothing yet; ``credentials`` as from a WebSocket handshake."""
        return Peer(self.hub, credentials)

    async def connect(self, who: tuple[str, str] = PARTNER, version: str = "1.2", **headers: object) -> Peer:
        """A connection that is logged in."""
        peer = self.open()
        peer.version = version
        peer.send("CONNECT", accept_version=version, login=who[0], passcode=who[1], **headers)
        await self.answered(peer)
        (connected,) = peer.heard()
        assert connected.command == "CONNECTED", connected
        return peer

    async def answered(self, peer: Peer) -> None:
        """Wait until something was written to ``peer`` (a login takes a thread)."""
        async with asyncio.timeout(5):
            count = len(peer.link.writes)
            while len(peer.link.writes) == count and peer.link.closed is None:
                await asyncio.sleep(0.001)

    async def turn(self) -> None:
        """Let everything be stored and told, and the event loop turn, so that the outbox is emptied."""
        await asyncio.sleep(0)
        stored = asyncio.Event()
        self.engine._journal.put("turn", None, lambda error: stored.set())
        self.engine.writer.commit_soon()
        await stored.wait()
        for _ in range(3):
            await asyncio.sleep(0)


_engines: list[tuple[asyncio.AbstractEventLoop, EmbeddedEngine]] = []


def make_engine(limits: Limits, *exchanges: str) -> EmbeddedEngine:
    """A running engine with these exchanges, for tests without an event loop: live events come, nothing is confirmed.

    ``stop_engines`` must follow.
    """
    loop = asyncio.new_event_loop()

    async def start() -> EmbeddedEngine:
        engine = EmbeddedEngine(msgspec.structs.replace(limits, preallocated_bytes=ROOM_BYTES), ForgetfulStore())
        for exchange in exchanges:
            engine.declare(exchange)
        await engine.start()
        return engine

    _engines.append((loop, loop.run_until_complete(start())))
    return _engines[-1][1]


def turn_engine(engine: EmbeddedEngine) -> None:
    """Let what was published to an engine of ``make_engine`` be stored, and all be told."""
    (loop,) = [loop for loop, each in _engines if each is engine]

    async def turn() -> None:
        stored = asyncio.Event()
        engine._journal.put("turn", None, lambda error: stored.set())
        engine.writer.commit_soon()
        await stored.wait()
        for _ in range(3):
            await asyncio.sleep(0)

    loop.run_until_complete(turn())


def stop_engines() -> None:
    """Stop all that ``make_engine`` made."""
    while _engines:
        loop, engine = _engines.pop()
        loop.run_until_complete(engine.stop())
        loop.close()


@asynccontextmanager
async def open_site(text: str = DIRECTORY, **limits: Any) -> AsyncIterator[Site]:
    """A broker with the directory of ``text`` and ``Limits(**limits)``."""
    allowed = Limits(**({"busy_poll_us": 0, "preallocated_bytes": ROOM_BYTES} | limits))
    file = directory_file(text)
    built = build_directory(file, allowed)
    hashed = hash_all(file.secrets(), CHEAP)
    authenticator = Authenticator(built, hashed, allowed, hasher=CHEAP)
    engine = EmbeddedEngine(allowed, ForgetfulStore())
    broker = Broker(engine, built, allowed)
    await engine.start()
    as_it_was = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield Site(Hub(broker, authenticator, allowed, asyncio.get_running_loop()), engine)
    finally:
        structlog.configure(**as_it_was)
        await engine.stop()
        authenticator.close()
