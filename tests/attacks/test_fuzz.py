"""Fuzz: sessions of frames that are nearly right.  What failed once is kept as a seed in ``KEPT``.

Three times: the parser and the session by themselves, a million frames with --run-long; our parser against
stompman's, where both must agree; and the server over its sockets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from stompman.frames import AnyClientFrame, AnyServerFrame, HeartbeatFrame
from stompman.serde import FrameParser

from heliograph.limits import Limits
from heliograph.stomp.events import Connect, Disconnect, Violation
from heliograph.stomp.frame import Frame
from heliograph.stomp.parser import Parser
from heliograph.stomp.server_session import ServerSession, State
from tests.attacks.attacker import BINARY, CONTINUATION, TEXT, Attacker, StompFrame, ws_frame
from tests.attacks.conftest import Site
from tests.attacks.people import BUS, EVENTS, NORTHWIND_KEY, RAW, event

#: Seeds of sessions that once found something.
KEPT: list[int] = []
FRAMES_A_SESSION = 10
INPUT_S_MAX = 1.0

# fmt: off
COMMANDS = [
    "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT", "CONNECT", "STOMP",
]
NAMES = [
    "destination", "id", "ack", "receipt", "transaction", "content-length", "content-type", "message-id", "requeue",
    "prefetch-count", "heart-beat", "accept-version", "login", "passcode", "durable", "x", "", "\u00e9", "a\\cb",
]
VALUES = [
    "0", "1", "T_0@@s@@1", RAW + "a", RAW + "#", EVENTS + NORTHWIND_KEY, "client", "client-individual", "auto", "true",
    "t", "1.2", "1.0,1.1", "1,1", "-1", "", "\\n\\c\\\\", "\\t", "\u20ac", "x" * 300, "9" * 20, "a\r",
]
# fmt: on
BODIES = [b"", b"x", b"\0", b"\n\n\0", b"\xff\xfe", event().encode(), b"x" * 3_000, b"[" * 500]
OCTETS = [b"\0", b"\n", b"\r\n", b"\n\n", b":", b"\\", b"\xff", b"\xc3", b"SEND\n", b"\r"]


def sessions(seed: int, count: int) -> Iterator[tuple[int, list[bytes]]]:
    """``count`` lists of pieces, each with the seed that makes it again."""
    for number in range(count):
        yield seed + number, pieces(random.Random(seed + number))


def pieces(chance: random.Random) -> list[bytes]:
    """The octets of a session, cut anywhere."""
    octets = b"CONNECT\naccept-version:1.2\nlogin:bus\npasscode:bus-secret\n\n\0" if chance.random() < 0.9 else b""
    octets += b"".join(frame(chance) for _ in range(FRAMES_A_SESSION))
    found = []
    while octets:
        size = chance.choice([1, 2, 5, 30, 200, 5_000, 100_000])
        found.append(octets[:size])
        octets = octets[size:]
    return found


def frame(chance: random.Random) -> bytes:
    """A frame that is right but for what chance does to it."""
    lines = [chance.choice(COMMANDS)]
    if chance.random() < 0.7:
        lines += [f"destination:{RAW}a", f"id:{chance.randrange(3)}"]
    lines += [f"{chance.choice(NAMES)}:{chance.choice(VALUES)}" for _ in range(chance.randrange(4))]
    body = chance.choice(BODIES) if chance.random() < 0.5 else b""
    if chance.random() < 0.5:
        lines.append(f"content-length:{len(body)}")
    octets = chance.choice(["\n", "\n", "\n", "\r\n"]).join(lines).encode() + b"\n\n" + body + b"\0"
    for _ in range(chance.choice([0, 0, 0, 0, 1, 3])):
        at = chance.randrange(len(octets) + 1)
        octets = octets[:at] + chance.choice(OCTETS) + octets[at + chance.randrange(3) :]
    return octets + chance.choice([b"", b"\n", b"\r\n\n"])


@pytest.mark.parametrize("count", [1_500, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_session_gives_events_or_one_violation_whatever_comes(count: int) -> None:
    limits = Limits(body_bytes_max=2_000, transactions_max=2, transaction_actions_max=3, subscriptions_max=2)
    for seed, octets in [*((seed, pieces(random.Random(seed))) for seed in KEPT), *sessions(1, count)]:
        session = ServerSession("s", limits)
        ended = False
        for piece in octets:
            began = time.perf_counter()
            if session.short_way.sends(piece, iter(())) is not None:
                continue
            events = session.receive(piece)
            while events:
                assert not ended, f"seed {seed}: {events} after the end"
                ended = any(isinstance(each, Violation | Disconnect) for each in events)
                assert not ended or session.state is State.OVER, f"seed {seed}"
                connects = isinstance(events[-1], Connect)
                if connects:
                    session.accept()
                events = session.resume() if connects else []
            assert time.perf_counter() - began < INPUT_S_MAX, f"seed {seed}"


def right_frame(chance: random.Random) -> bytes:
    """One that both parsers must read alike: no escape that only some know, no control character, a length."""
    body = chance.choice(BODIES)
    headers = {
        f"name{number}": chance.choice(["a", "\u20ac", "a\\nb\\cc\\\\", "/x/y.#", ""])
        for number in range(chance.randrange(5))
    }
    lines = ["SEND", f"destination:{RAW}a", *(f"{name}:{value}" for name, value in headers.items())]
    if chance.random() < 0.3:
        lines.append(chance.choice(lines[1:]).partition(":")[0] + ":twice")
    lines.append(f"content-length:{len(body)}")
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0" + b"\n" * chance.randrange(3)


@pytest.mark.parametrize("count", [1_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_our_parser_and_stompmans_read_the_same(count: int) -> None:
    for seed in range(count):
        chance = random.Random(seed)
        octets = b"".join(right_frame(chance) for _ in range(3))
        ours, theirs = Parser(Limits()), FrameParser()
        read_by_us: list[Frame] = []
        read_by_them: list[AnyClientFrame | AnyServerFrame | HeartbeatFrame] = []
        while octets:
            size = chance.choice([1, 10, 100, 10_000])
            read_by_us += ours.feed(octets[:size])
            read_by_them += theirs.parse_frames_from_chunk(octets[:size])
            octets = octets[size:]
        assert ours.error is None, f"seed {seed}"
        assert [("SEND", dict(each.head.headers), each.body) for each in read_by_us] == [
            (type(each).__name__.removesuffix("Frame").upper(), dict(each.headers), getattr(each, "body", None))
            for each in read_by_them
            if not isinstance(each, HeartbeatFrame)
        ], f"seed {seed}"


def websocket_pieces(chance: random.Random, octets: list[bytes]) -> bytes:
    """The pieces as messages, some of them in fragments, some spoilt."""
    out = b""
    for piece in octets:
        message = ws_frame(piece, BINARY if chance.random() < 0.7 else TEXT)
        if chance.random() < 0.1:
            half = len(piece) // 2
            message = ws_frame(piece[:half], BINARY, fin=False) + ws_frame(piece[half:], CONTINUATION)
        if chance.random() < 0.01:
            at = chance.randrange(len(message))
            message = message[:at] + bytes([chance.randrange(256)]) + message[at + 1 :]
        out += message
    return out


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.long)])
def test_the_server_answers_or_closes_whatever_comes_over_its_sockets(site: Site, count: int) -> None:
    for seed, octets in [*((seed, pieces(random.Random(seed))) for seed in KEPT), *sessions(1_000_000, count)]:
        is_tcp = seed % 3 == 0
        with Attacker(site.server.tcp if is_tcp else site.server.websocket) as peer:
            if not is_tcp:
                peer.handshake()
            peer.send(b"".join(octets) if is_tcp else websocket_pieces(random.Random(seed), octets))
            peer.finish_sending()
            while isinstance(found := peer.read(), StompFrame):
                assert found.command in {"CONNECTED", "MESSAGE", "RECEIPT", "ERROR"}, f"seed {seed}"
                assert "Internal" not in found.headers.get("message", ""), f"seed {seed}"
            assert found is not None, f"seed {seed}: neither an answer nor the end"
    witness = site.log_in(BUS)
    witness.subscribe(RAW + "#")
