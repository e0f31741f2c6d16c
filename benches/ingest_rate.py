"""100,000 events as NDJSON beside the same by STOMP SEND over WebSocket, to one broker in one run; prints the ratios.

    python benches/ingest_rate.py [--events 100000] [--rounds 3]

Both wait until all is stored: NDJSON for its answer, STOMP for the RECEIPT of its last SEND (or of every one).  What is
sent is made before, so the sender costs next to nothing.  "Full and thin": the system has event_v24 switched on too, so
one line of NDJSON is stored twice, and STOMP sends two frames.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from heliograph.catalog.event_types import type_path

TYPES = ("faceDetected", "vmdDetected", "personInAreaDetected")
CAMERAS = 1_000
DIRECTORY = """
[[systems]]
name = "one"
secret = "bench-system-secret"
message_types = ["event_full_v24"]
[[systems]]
name = "two"
secret = "bench-system-secret"
message_types = ["event_full_v24", "event_v24"]
[[partners]]
id = 7
name = "Bench"
email = "partner@bench.example"
password = "bench-partner-password"
accounts = [{ id = 12345 }]
"""


def events(count: int) -> list[tuple[str, bytes, bytes]]:
    """Key, full and thin body of each."""
    made = []
    for number in range(count):
        kind, camera = TYPES[number % len(TYPES)], number % CAMERAS
        shared = {"type": kind, "timestamp": "2021-05-04T07:10:03.371+0000"}
        source = {"type": "camera", "sourceId": camera, "accountId": 12345}
        more = {"namespace": "", "boundingBox": [0.21, 0.1, 0.35, 0.4], "confidence": 1.0, "note": "x" * 150}
        full = {"eventId": number, "source": source, **shared, **more}
        thin = {"account_id": 12345, "camera_id": camera, "event_id": number, "action": "create", **shared}
        key = f"7.12345.{camera}.create.{type_path(kind)}"
        made.append((key, json.dumps(full).encode(), json.dumps(thin).encode()))
    return made


def message(payload: bytes, opcode: int = 1) -> bytes:
    """A WebSocket message, masked with zeros."""
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


def sends(system: str, made: list[tuple[str, bytes, bytes]], every: bool) -> bytes:
    """All SENDs of a system; the last of each exchange has a receipt, or every one."""
    frames = []
    types = ("event_full_v24", "event_v24") if system == "two" else ("event_full_v24",)
    for number, (key, *bodies) in enumerate(made, 1):
        for name, body in zip(types, bodies, strict=False):
            receipt = b"receipt:r%d\n" % number if every or number == len(made) else b""
            head = b"SEND\n%bdestination:/exchange/%b_%b/%b\ncontent-type:application/json\n\n" % (
                receipt, system.encode(), name.encode(), key.encode()
            )  # fmt: skip
            frames.append(message(head + body + b"\0"))
    return b"".join(frames)


def connected(port: int) -> socket.socket:
    """A connection with as much room as the system gives."""
    made = socket.create_connection(("127.0.0.1", port), timeout=120)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def basic(system: str) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"{system}:bench-system-secret".encode()) + b"\r\n"


def by_stomp(port: int, system: str, octets: bytes, receipts: int) -> float:
    """Seconds until so many receipts have come."""
    with connected(port) as peer:
        peer.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Protocol: v12.stomp\r\n%b\r\n"
            % basic(system)
        )
        wait_for(peer, b"\r\n\r\n")
        peer.sendall(message(b"CONNECT\naccept-version:1.2\nhost:x\n\n\0"))
        wait_for(peer, b"CONNECTED")
        began = time.perf_counter()
        if receipts > 2:
            return sent_while_read(peer, octets, receipts) - began
        peer.sendall(octets)
        wait_for(peer, b"RECEIPT\n", receipts)
        return time.perf_counter() - began


def sent_while_read(peer: socket.socket, octets: bytes, receipts: int) -> float:
    """When the last receipt has come; who does not read its receipts is not read from."""
    peer.setblocking(False)
    view, at, seen, rest = memoryview(octets), 0, 0, b""
    while seen < receipts:
        with contextlib.suppress(BlockingIOError):
            at += peer.send(view[at : at + 262_144])
        with contextlib.suppress(BlockingIOError):
            got = rest + peer.recv(262_144)
            seen += got.count(b"RECEIPT\n")
            rest = got[-7:]
            if b"ERROR\n" in got:
                sys.exit(got.decode(errors="replace"))
    return time.perf_counter()


def wait_for(peer: socket.socket, what: bytes, count: int = 1) -> None:
    got = b""
    while got.count(what) < count:
        chunk = peer.recv(65_536)
        if not chunk or b"ERROR\n" in chunk:
            sys.exit(f"refused: {(got + chunk).decode(errors='replace')}")
        got += chunk


def by_ndjson(port: int, system: str, octets: bytes, count: int) -> float:
    """Seconds until the whole answer is there; every item must have been stored."""
    with connected(port) as peer:
        head = b"POST /systems/%b/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n%b" % (
            system.encode(), basic(system)
        )  # fmt: skip
        began = time.perf_counter()
        peer.sendall(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(octets))
        peer.sendall(octets)
        parts = []
        while chunk := peer.recv(1 << 20):
            parts.append(chunk)
        took = time.perf_counter() - began
    stored = b"".join(parts).count(b'{"status":201,')
    if stored != count:
        sys.exit(f"{stored} of {count} stored: {b''.join(parts)[:1000].decode(errors='replace')}")
    return took


@contextlib.contextmanager
def broker() -> Iterator[tuple[int, int]]:
    """Its ports: of WebSocket and of HTTP."""
    with tempfile.TemporaryDirectory(prefix="ingest-rate-", dir=os.environ.get("BENCH_DATA")) as folder:
        file = Path(folder) / "directory.toml"
        file.write_text(DIRECTORY, encoding="utf-8")
        heliograph = str(Path(sys.executable).with_name("heliograph"))
        command = [heliograph, "serve", "--apply", str(file), "--stomp-port", "0", "--http-port", "0"]
        process = subprocess.Popen([*command, "--log-level", "warning"], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ports = [int(re.search(rf"{scheme}://[^ ,]*?:(\d+)", line)[1]) for scheme in ("ws", "http")]  # type: ignore[index]
            yield ports[0], ports[1]
        finally:
            process.terminate()
            process.wait(30)


def show(what: str, count: int, measure: Callable[[], tuple[float, float]], rounds: int) -> None:
    """Rates and their ratio: the median of the rounds, in which the two take turns."""
    stomp, ndjson = zip(*(measure() for _ in range(rounds)), strict=True)
    ratio = statistics.median(s / n for s, n in zip(stomp, ndjson, strict=True))
    rates = [count / statistics.median(times) for times in (stomp, ndjson)]
    print(f"{what:42} STOMP {rates[0]:9,.0f}/s   NDJSON {rates[1]:9,.0f}/s   ratio {ratio:.2f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--events", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    count = given.events
    made = events(count)
    lines = b"".join(full + b"\n" for _, full, _ in made)
    with broker() as (ws, http):
        for system, every, what in (
            ("one", False, "full, a receipt at the end"),
            ("one", True, "full, a receipt for each"),
            ("two", False, "full and thin, a receipt at the end"),
        ):
            frames = sends(system, made, every)
            receipts = count if every else 2 if system == "two" else 1

            def measure(system: str = system, frames: bytes = frames, receipts: int = receipts) -> tuple[float, float]:
                return by_stomp(ws, system, frames, receipts), by_ndjson(http, system, lines, count)

            measure()
            show(what, count, measure, given.rounds)


if __name__ == "__main__":
    main()
