"""Handshakes: what is taken, what is refused with an HTTP status, and that nobody can see two requests in one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.attacks.attacker import Attacker, Response, basic, request, ws_frame
from tests.attacks.conftest import DIRECTORY, LIMITS, Site, Start
from tests.attacks.people import ACME, NORTHWIND
from tests.attacks.server_process import Server
from tests.blackbox.certificate import Certificate

Require = Callable[[object, str], None]

ORIGINS_LISTED = "https://console.example"

#: headers, further lines, status
HANDSHAKES: dict[str, tuple[dict[str, str | None], list[str], int]] = {
    "plain": ({}, [], 101),
    "as Firefox asks": ({"Connection": "keep-alive, Upgrade"}, [], 101),
    "in lower case": ({"Connection": "upgrade", "Upgrade": "WEBSOCKET"}, [], 101),
    "Connection in two lines": ({"Connection": "keep-alive"}, ["Connection: Upgrade"], 101),
    "subprotocols in two lines": ({"Sec-WebSocket-Protocol": "mqtt"}, ["Sec-WebSocket-Protocol: v12.stomp"], 101),
    "no subprotocol": ({"Sec-WebSocket-Protocol": None}, [], 101),
    "white space around values": ({"Upgrade": "  websocket\t"}, [], 101),
    "a body of no octets": ({}, ["Content-Length: 0"], 101),
    "no Host": ({"Host": None}, [], 400),
    "two Hosts": ({}, ["Host: localhost"], 400),
    "two Origins": ({"Origin": "http://localhost"}, ["Origin: https://evil.example"], 400),
    "two Origins, the first empty": ({"Origin": ""}, ["Origin: https://evil.example"], 400),
    "two Authorizations": ({"Authorization": basic(*NORTHWIND)}, ["Authorization: " + basic(*ACME)], 400),
    "two keys": ({}, ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
    "two versions": ({}, ["Sec-WebSocket-Version: 8"], 400),
    "two Upgrades": ({}, ["Upgrade: h2c"], 400),
    "chunked": ({}, ["Transfer-Encoding: chunked"], 400),
    "chunked and a length": ({}, ["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
    "a body": ({}, ["Content-Length: 5"], 400),
    "two lengths": ({}, ["Content-Length: 0", "Content-Length: 5"], 400),
    "a negative length": ({}, ["Content-Length: -1"], 400),
    "a control character in a name": ({}, ["X\x01: a"], 400),
    "a NUL in a value": ({}, ["X: a\0b"], 400),
    "a space before the colon": ({}, ["Origin : https://evil.example"], 400),
    "a line feed in a value": ({}, ["X: a\nOrigin: https://evil.example"], 400),
    "a carriage return in a value": ({}, ["X: a\rb"], 400),
    "a folded line": ({}, [" folded"], 400),
    "no colon": ({}, ["Origin"], 400),
    "no name": ({}, [": x"], 400),
    "a name that is not ASCII": ({}, ["\xd6rigin: x"], 400),
    "150 headers": ({}, [f"X-{number}: x" for number in range(150)], 400),
    "no key": ({"Sec-WebSocket-Key": None}, [], 400),
    "a key that is too short": ({"Sec-WebSocket-Key": "abc"}, [], 400),
    "a key that is no base64": ({"Sec-WebSocket-Key": "\xff" * 24}, [], 400),
    "an old version": ({"Sec-WebSocket-Version": "8"}, [], 426),
    "no Upgrade": ({"Upgrade": None}, [], 426),
    "another Upgrade": ({"Upgrade": "h2c"}, [], 426),
    "no Connection": ({"Connection": None}, [], 426),
    "Connection without Upgrade": ({"Connection": "keep-alive"}, [], 426),
    "Bearer": ({"Authorization": "Bearer abc"}, [], 401),
    "Basic without base64": ({"Authorization": "Basic \xff\xfe"}, [], 401),
    "Basic without a colon": ({"Authorization": "Basic YWJj"}, [], 401),
    "Basic that is not UTF-8": ({"Authorization": "Basic /zr/"}, [], 401),
    "Basic and nothing": ({"Authorization": "Basic"}, [], 401),
    "Basic of 10,000 octets": ({"Authorization": "Basic " + "Og==" * 2_500}, [], 401),
}


def test_a_handshake_is_taken_or_refused_with_its_status(site: Site, subtests: pytest.Subtests) -> None:
    for name, (headers, lines, status) in HANDSHAKES.items():
        with subtests.test(name):
            response = site.dial().handshake(headers=headers, extra=lines)
            assert response.status == status, response
            assert response.body or status == 101


def test_another_path_is_404(site: Site, subtests: pytest.Subtests) -> None:
    for path in ["/", "/ws/", "/WS", "//ws", "/./ws", "/%77s", "/ws%00", "/stomp", "*", "http://x/ws"]:
        with subtests.test(path):
            assert site.dial().handshake(path).status == 404


def test_another_request_line_is_400(site: Site, subtests: pytest.Subtests) -> None:
    lines = ["POST /ws HTTP/1.1", "GET /ws HTTP/1.0", "GET /ws HTTP/2.0", "GET  /ws HTTP/1.1", "get /ws HTTP/1.1",
             "GET /ws", "PRI * HTTP/2.0", "GET /ws HTTP/1.1 x", "CONNECT x:1 HTTP/1.1", "\x16\x03\x01"]  # fmt: skip
    for line in lines:
        with subtests.test(line):
            peer = site.dial()
            peer.send(line.encode("latin-1") + request().partition(b" HTTP/1.1")[2])
            assert peer.read_response().status == 400


def test_a_second_request_behind_the_first_is_taken_for_frames(site: Site) -> None:
    peer = site.dial()
    peer.send(request() + request(headers={"Authorization": basic(*ACME)}))
    assert peer.read_response().status == 101
    closing = peer.wait_closed()
    assert (closing.error, closing.code) == (None, 1002)  # 'G' is a frame with reserved bits


def test_octets_behind_the_request_are_the_first_frames(site: Site) -> None:
    peer = site.dial()
    connect = b"CONNECT\naccept-version:1.2\n\n\0"
    peer.send(request(headers={"Authorization": basic(*NORTHWIND)}) + ws_frame(connect))
    assert peer.read_response().status == 101
    assert peer.expect("CONNECTED").headers["version"] == "1.2"


def test_what_is_no_request_at_all_is_400_or_closed_at_the_timeout(site: Site) -> None:
    pieces = [b"\r\n\r\n", b"\n\n", b"\0" * 100 + b"\r\n\r\n", b":\r\n\r\n", b"GET\r\n\r\n"]
    pieces.append(request().replace(b"\r\n", b"\n"))  # bare line feeds are no ends of line
    peers = [site.dial() for _ in pieces]
    for peer, octets in zip(peers, pieces, strict=True):
        peer.send(octets)
    for peer in peers:
        assert peer.read_response().status in (0, 400)


def test_a_request_that_does_not_end_is_closed_and_not_held(site: Site) -> None:
    peers = [site.dial() for _ in range(20)]
    with site.server.memory_grows_less_than(20 * 256 * 1024):
        for peer in peers:
            peer.send(b"GET /ws HTTP/1.1\r\nX: " + b"x" * 1_000_000)
        for peer in peers:
            assert peer.wait_closed(1).error is None


@pytest.mark.xfail(strict=True, reason="picows closes without a status what is longer than 16 KiB")
def test_a_request_that_is_too_long_is_told_so(site: Site) -> None:
    assert site.dial().handshake(extra=["X: " + "x" * 20_000]).status == 431


@pytest.mark.xfail(strict=True, reason="picows repeats a malformed header in its answer")
def test_a_malformed_header_is_not_repeated_in_the_answer(site: Site) -> None:
    assert "c2VjcmV0" not in site.dial().handshake(headers={"Authorization": "Basic c2VjcmV0\x01"}).body


def asks_from(site: Site, origin: str | None) -> Response:
    with Attacker(site.server.websocket) as page:
        return page.handshake(headers={"Origin": origin, "Authorization": basic(*NORTHWIND)})


def test_a_page_may_connect_from_our_own_host_only_even_with_stored_credentials(site: Site) -> None:
    for origin in (None, "http://localhost", "http://LOCALHOST:80"):
        assert asks_from(site, origin).status == 101, origin
    for origin in (
        "https://evil.example", "null", "http://localhost:8080", "http://localhost.evil.example",
        "http://localhost@evil.example", "http://evil.example#localhost", "localhost", "file://", "http://",
        "http://localhost:99999", "http://[::1", "https://\xff.example", "http://localho\u00ff\u00fet", "http://l%6fcalhost",
        "http://localhost evil.example", "javascript:0", "https://" + "x" * 5_000,
    ):  # fmt: skip
        assert asks_from(site, origin).status == 403, origin


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One with a list of origins and a low cap of connections."""
    limits = LIMITS | {"connections_max": 10}
    site = Site(
        Server(tmp_path_factory.mktemp("guarded"), DIRECTORY, limits, flags=("--allowed-origin", ORIGINS_LISTED))
    )
    yield site
    site.stop()


@pytest.fixture
def guarded(guarded_server: Site) -> Iterator[Site]:
    """Beside its control connection."""
    guarded_server.begin()
    yield guarded_server
    guarded_server.end()


def test_a_listed_page_may_connect_and_nothing_that_looks_like_it(guarded: Site) -> None:
    for origin in (ORIGINS_LISTED, None, "http://localhost"):
        assert asks_from(guarded, origin).status == 101, origin
    for origin in (
        "https://evil.example", "http://console.example", "https://console.example.evil.example", "https://console.exampl",
        "https://console.example:444", "https://console.example@evil.example", "https://evil.example/console.example",
        "https://console.example, https://evil.example", "https://console.example https://evil.example", "null", "*",
    ):  # fmt: skip
        assert asks_from(guarded, origin).status == 403, origin


def test_over_the_cap_of_connections_the_answer_is_503_and_there_is_room_again_when_one_goes(guarded: Site) -> None:
    peers = [guarded.log_in(NORTHWIND) for _ in range(9)]  # the tenth is the control connection
    refused = guarded.dial().handshake()
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert guarded.dial("tcp").wait_closed(1).message == "Too many connections"
    peers[0].close()
    time.sleep(0.2)
    guarded.log_in(NORTHWIND)


@pytest.mark.xfail(strict=True, reason="aiofastnet fails, and tries again at once, when accept() has no file left")
def test_a_server_without_a_free_file_goes_on_serving_and_takes_clients_again(start: Start) -> None:
    site = start(files_max=60)
    log_bytes = site.server.log.stat().st_size
    with site.server.gives_back_its_sockets():
        silent = [site.dial() for _ in range(100)]
        began, cpu_s = time.monotonic(), site.server.cpu_s
        time.sleep(0.5)
        assert site.server.cpu_s - cpu_s < 0.25
        for peer in silent:
            peer.close()
    while time.monotonic() < began + 5:
        with Attacker(site.server.websocket) as peer:
            if peer.handshake().status == 101:
                break
    assert site.server.log.stat().st_size - log_bytes < 100_000


def test_a_slow_tls_handshake_ends_at_the_handshake_timeout(tmp_path: Path, require: Require) -> None:
    require(shutil.which("openssl"), "the command openssl, to make a certificate")
    certificate = Certificate(tmp_path)
    server = Server(
        tmp_path, DIRECTORY, LIMITS, flags=("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    )
    try:
        with ExitStack() as sockets:
            peers = [sockets.enter_context(Attacker(address)) for address in 2 * [server.websocket, server.tcp]]
            for peer in peers[:2]:
                peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            for peer in peers:
                assert peer.wait_closed(LIMITS["handshake_ms_max"] / 1000 + 2).error is None
        assert not server.faults()
    finally:
        server.stop()
