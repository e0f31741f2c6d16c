"""Requests that are slow, large, or no HTTP: each ends in time with an answer, and others are served meanwhile."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.attacks.attacker import basic
from tests.attacks.conftest import Site, Start
from tests.attacks.http_request import ask
from tests.attacks.people import ACME, CONTOSO, event
from tests.attacks.server_process import MIB

LIMITS = {
    "http_head_ms_max": 1_000,
    "http_request_ms_max": 2_000,
    "http_body_bytes_max": 262_144,
    "ingest_bytes_max": 1_048_576,
    "http_connections_max": 60,
}
HEAD_S, REQUEST_S = 1.0, 2.0
SLACK_S = 1.5  #: a busy machine is no fault of the code
SYSTEM, PARTNER = basic(*ACME), basic(*CONTOSO)
JSON, NDJSON = "application/json", "application/x-ndjson"
GET = f"GET /exchanges HTTP/1.1\r\nHost: x\r\nAuthorization: {PARTNER}\r\n".encode()


@pytest.fixture
def site(start: Start) -> Iterator[Site]:
    """A server whose memory does not grow by what is sent to it."""
    site = start(http=True, **LIMITS)
    assert_serves(site)
    yield site
    assert_serves(site)


def assert_serves(site: Site) -> None:
    """A request beside it, soon."""
    answer = ask(site.server.http, "GET", "/exchanges", {"Authorization": PARTNER})
    assert (answer.status, answer.seconds < 1) == (200, True)


def post(kind: str, authorization: str = SYSTEM, framing: str = "Transfer-Encoding: chunked") -> bytes:
    """The head of a POST of events."""
    lines = ("POST /systems/acme/events HTTP/1.1", "Host: x", f"Authorization: {authorization}",
             "Connection: close", f"Content-Type: {kind}", framing)  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(octets: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(octets), octets)


class Peer:
    """A socket to the HTTP API."""

    def __init__(self, site: Site) -> None:
        assert site.server.http
        self.socket = site.sockets.enter_context(socket.create_connection(site.server.http, timeout=5))
        self.began = time.monotonic()

    def send(self, octets: bytes) -> bool:
        """False when the server takes no more."""
        try:
            self.socket.sendall(octets)
        except OSError:
            return False
        return True

    def answer(self, seconds: float) -> tuple[int, str]:
        """Status and body of what comes until the server closes, which it must within ``seconds`` of the beginning."""
        octets = b""
        while True:
            self.socket.settimeout(max(0.01, self.began + seconds - time.monotonic()))
            try:
                more = self.socket.recv(65_536)
            except ConnectionError:
                more = b""
            if not more:
                break
            octets += more
        head, _, body = octets.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body.decode()

    def ended(self) -> bool:
        """Whether the server has closed it by now, after whatever it has answered."""
        self.socket.settimeout(0.01)
        try:
            while self.socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


def problem_in(body: str) -> str:
    """What a problem says."""
    found = json.loads(body[body.index("{") : body.rindex("}") + 1])  # it may be chunked
    assert found["type"].startswith("urn:heliograph:problem:")
    detail: str = found["detail"]
    return detail


def test_slow_heads_are_told_so_in_time_and_others_are_served(site: Site) -> None:
    slow = [Peer(site) for _ in range(40)]
    silent = [Peer(site) for _ in range(10)]
    head = GET + b"X: " + b"x" * 1_000
    began = time.monotonic()
    for octet in head:
        for peer in slow:
            peer.send(bytes([octet]))
        if time.monotonic() > began + HEAD_S:
            break
        assert_serves(site)
    for peer in slow:
        status, body = peer.answer(HEAD_S + site.server.limits["linger_ms_max"] / 1_000 + SLACK_S)
        assert (status, "http_head_ms_max" in problem_in(body)) == (408, True)
    assert [peer.answer(HEAD_S + SLACK_S)[0] for peer in silent] == [0] * 10


def test_a_slow_head_behind_a_request_ends_in_time_too(site: Site) -> None:
    peer = Peer(site)
    peer.send(GET + b"\r\n" + GET)
    status, body = peer.answer(HEAD_S + site.server.limits["linger_ms_max"] / 1_000 + SLACK_S)
    assert (status, "http_head_ms_max" in body) == (200, True)


@pytest.mark.parametrize("kind", [JSON, NDJSON])
def test_slow_bodies_are_told_so_in_time_and_others_are_served(site: Site, kind: str) -> None:
    slow = [Peer(site) for _ in range(30)]
    for peer in slow:
        peer.send(post(kind) + chunk(b"[" if kind == JSON else event().encode() + b"\n"))
    began = time.monotonic()
    while time.monotonic() < began + REQUEST_S:
        for peer in slow:
            peer.send(chunk(b" "))
        assert_serves(site)
        time.sleep(0.1)
    for peer in slow:
        status, body = peer.answer(REQUEST_S + HEAD_S + SLACK_S)
        assert (status, "http_request_ms_max" in problem_in(body)) == (408, True)


@pytest.mark.parametrize("authorization", ["Basic eDp4", SYSTEM], ids=["stranger", "system"])
def test_who_is_answered_and_goes_on_sending_is_not_listened_to_for_long(site: Site, authorization: str) -> None:
    peer = Peer(site)
    peer.send(post("text/plain", authorization, "Content-Length: 1000000000").replace(b"Connection: close\r\n", b""))
    began = time.monotonic()
    while not peer.ended():
        peer.send(b"x" * 100)
        assert time.monotonic() - began < HEAD_S + REQUEST_S + SLACK_S, "it is still read"
        time.sleep(0.05)


TOO_LARGE = {
    "body_bytes_max": (JSON, event()[:-1].encode() + b',"x":"%b"}' % (b"x" * 262_100)),
    "http_body_bytes_max": (JSON, b"[" + b",".join([event().encode()] * 3_000) + b"]"),
    "ingest_bytes_max": (NDJSON, (event() + "\n").encode() * 12_000),
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_a_limit_is_told_which(site: Site, framing: str, subtests: pytest.Subtests) -> None:
    for limit, (kind, octets) in TOO_LARGE.items():
        with subtests.test(limit):
            peer = Peer(site)
            if framing == "length":
                peer.send(post(kind, framing=f"Content-Length: {len(octets)}") + octets)
            else:
                pieces = [octets[first : first + 50_000] for first in range(0, len(octets), 50_000)]
                peer.send(post(kind) + b"".join(map(chunk, pieces)) + b"0\r\n\r\n")
            status, body = peer.answer(REQUEST_S + HEAD_S + SLACK_S)
            assert (status, limit in problem_in(body)) == (413, True)


def test_what_is_too_large_is_not_held(site: Site) -> None:
    with site.server.memory_grows_less_than(16 * MIB):
        peers = [Peer(site) for _ in range(10)]
        for peer in peers:
            peer.send(post(JSON))
            for _ in range(40):
                if not peer.send(chunk(b"[" + b"1," * 50_000)):
                    break
        for peer in peers:
            assert peer.answer(REQUEST_S + HEAD_S + 5)[0] in {413, 0}  # 0: it was still sending when it was closed


HEADS = {
    "a long header": (GET + b"X: %b\r\n\r\n" % (b"x" * 100_000), 431),
    "many headers": (GET + b"".join(b"X-%d: x\r\n" % number for number in range(20_000)) + b"\r\n", 431),
    "a long path": (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 100_000), 431),
    "no end of line": (b"x" * 100_000, 431),
    "NULs": (b"\r\n" * 1_000 + b"\0" * 100, 400),
    "no Host": (b"GET /exchanges HTTP/1.1\r\n\r\n", 400),
    "no version": (b"GET /exchanges\r\n\r\n", 400),
    "no length": (GET + b"Content-Length: x\r\n\r\n", 400),
    "two lengths": (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "an unknown coding": (GET + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "no colon": (GET + b"X\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
}


def test_a_head_that_is_too_large_or_none_is_told_so(site: Site, subtests: pytest.Subtests) -> None:
    for name, (octets, status) in HEADS.items():
        with subtests.test(name):
            peer = Peer(site)
            peer.send(octets)
            found, body = peer.answer(HEAD_S + site.server.limits["linger_ms_max"] / 1_000 + SLACK_S)
            assert found == status
            assert problem_in(body)
            assert PARTNER not in body
            peer.socket.close()


def test_connections_beyond_the_limit_are_refused_until_there_is_room(site: Site) -> None:
    peers = [Peer(site) for _ in range(60)]
    time.sleep(0.1)
    beyond = [Peer(site) for _ in range(200)]
    answers = [peer.answer(5) for peer in beyond]
    assert {status for status, _ in answers} == {503}
    assert "http_connections_max" in problem_in(answers[0][1])
    for peer in peers:
        peer.socket.close()
    deadline = time.monotonic() + 5
    while ask(site.server.http, "GET", "/exchanges", {"Authorization": PARTNER}).status != 200:
        assert time.monotonic() < deadline


def test_a_thousand_requests_in_one_write_are_answered_in_order(site: Site) -> None:
    peer = Peer(site)
    peer.send((GET + b"\r\n") * 999 + GET + b"Connection: close\r\n\r\n")
    octets = b"".join(iter(lambda: peer.socket.recv(65_536), b""))
    assert octets.count(b"HTTP/1.1 200 ") == 1_000
