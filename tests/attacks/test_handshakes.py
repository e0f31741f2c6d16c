"""Handshakes: what is taken, what is refused with an HTTP status, and that nobody can see two requests in one.

Whatever is wrong, there is an answer: never a bare close.
"""

from __future__ import annotations

import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from heliograph.limits import Limits
from tests.attacks.attacker import Attacker, Response, basic, request, ws_frame
from tests.attacks.conftest import DIRECTORY, LIMITS, Site, Start
from tests.attacks.people import ACME, NORTHWIND
from tests.attacks.server_process import Server
from tests.blackbox.certificate import Certificate
from tests.conftest import require

ORIGINS_LISTED = "https://console.example"
BYTES_MAX = Limits().handshake_bytes_max
SECRET = "c2VjcmV0"
AT_ONCE_S = 0.5  #: half of the time that a handshake has here

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
    "150 headers": ({}, [f"X-{number}: x" for number in range(150)], 431),
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


def test_what_cannot_become_a_request_is_400_at_once(site: Site, subtests: pytest.Subtests) -> None:
    for octets in (
        b"\r\n",
        b"\n\n",
        b"\0",
        b":",
        b"GET\r\n",
        b"get ",
        b"POST /ws",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\xff",
    ):
        with subtests.test(octets.hex()):
            peer = site.dial()
            began = time.monotonic()
            peer.send(octets)
            assert peer.read_response().status == 400
            assert time.monotonic() - began < AT_ONCE_S


def test_a_request_may_come_octet_by_octet(site: Site) -> None:
    peer = site.dial()
    peer.drip(request(headers={"Authorization": basic(*NORTHWIND)}), 1)
    assert peer.read_response().status == 101
    peer.stomp(b"CONNECT\naccept-version:1.2\n\n\0")
    assert peer.expect("CONNECTED")


def test_a_request_whose_sender_ends_it_too_early_is_400_and_one_who_sends_nothing_gets_nothing(site: Site) -> None:
    for octets in (b"G", request()[:-1]):
        peer = site.dial()
        peer.send(octets)
        peer.finish_sending()
        assert peer.read_response().status == 400
    silent = site.dial()
    silent.finish_sending()
    assert silent.read_response().status == 0


def test_a_request_that_is_late_is_408_and_told_the_limit(site: Site) -> None:
    pieces = {
        "silence": b"",
        "a part": request()[:-1],
        "line feeds alone, which are no ends of line": request().replace(b"\r\n", b"\n"),
        "a head that is nearly too long": b"GET /ws HTTP/1.1\r\nX: " + b"x" * (BYTES_MAX - 100),
    }  # fmt: skip
    limit_ms = LIMITS["handshake_ms_max"]
    began = time.monotonic()
    peers = {name: site.dial() for name in pieces}
    for name, peer in peers.items():
        peer.send(pieces[name])
    for name, peer in peers.items():
        answer = peer.read_response()
        assert (answer.status, answer.headers["connection"]) == (408, "close"), name
        assert f"{limit_ms} ms (handshake_ms_max)" in answer.body
        assert limit_ms / 1000 - 0.1 < time.monotonic() - began < limit_ms / 1000 + 2


def test_a_request_that_does_not_end_is_431_and_not_held(site: Site) -> None:
    peers = [site.dial() for _ in range(20)]
    with site.server.memory_grows_less_than(20 * 256 * 1024):
        for peer in peers:
            peer.send(b"GET /ws HTTP/1.1\r\nX: " + b"x" * 1_000_000)
        for peer in peers:
            assert peer.read_response().status == 431  # although there was more to come


def test_a_request_of_the_limit_is_taken_and_a_longer_one_is_431_and_told_the_limit(site: Site) -> None:
    for octets, status in ((BYTES_MAX, 101), (BYTES_MAX + 1, 431), (20_000, 431), (100_000, 431)):
        peer = site.dial()
        whole = request(extra=["X: " + "x" * (octets - len(request()) - len("\r\nX: ") + len("\r\n\r\n"))])
        assert whole.index(b"\r\n\r\n") == octets
        peer.send(whole)
        answer = peer.read_response()
        assert answer.status == status
        assert status == 101 or f"{BYTES_MAX} octets (handshake_bytes_max)" in answer.body


#: A line of the request, and what the answer says of it.
MALFORMED = {
    f"Authorization: Basic {SECRET}\x01": "a control character in its value",
    f"Authorization: Basic {SECRET}\x7f": "a control character in its value",
    f"Authorization : Basic {SECRET}": "a name with characters",
    f"Authorization Basic {SECRET}": "no colon",
    f" {SECRET}": "begins with white space",
    f"\t{SECRET}: x": "begins with white space",
    f"{SECRET}\xd6: x": "a name with characters",
    f"{SECRET}": "no colon",
    f": {SECRET}": "a name with characters",
    f"X: a\nAuthorization: {SECRET}": "a control character in its value",
    f"Content-Length: {SECRET}": "has no body",
    f"Transfer-Encoding: {SECRET}": "has no body",
    f"Sec-WebSocket-Key: {SECRET}": "comes 2 times",
    f"Authorization: {SECRET}": "Authorization must be",
}


def test_what_is_malformed_is_named_and_not_repeated_in_answer_or_log(site: Site, subtests: pytest.Subtests) -> None:
    for line, what in MALFORMED.items():
        with subtests.test(line):
            answer = site.dial().handshake(extra=[line])
            assert answer.status == (401 if what.endswith("must be") else 400)
            assert what in answer.body
            assert SECRET not in answer.body
    for first in (f"GET /{SECRET}\x01 HTTP/1.1", f"GET {SECRET} x HTTP/1.1", f"GET /ws HTTP/{SECRET}", f"{SECRET} /ws"):
        with subtests.test(first):
            peer = site.dial()
            peer.send(first.encode("latin-1") + b"\r\n\r\n")
            answer = peer.read_response()
            assert (answer.status, SECRET in answer.body) == (400, False)
    assert SECRET not in site.server.output


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


def test_a_server_without_a_free_file_goes_on_serving_and_takes_clients_again(start: Start) -> None:
    site = start(files_max=60)
    log_bytes = site.server.log.stat().st_size
    with site.server.gives_back_its_sockets():
        silent = [site.dial(framing) for framing in 100 * ["websocket"] + 20 * ["tcp"]]
        began, cpu_s = time.monotonic(), site.server.cpu_s
        time.sleep(0.5)
        assert site.server.cpu_s - cpu_s < 0.25
        for peer in silent:
            peer.close()
    while time.monotonic() < began + 5:
        with Attacker(site.server.websocket) as peer:
            if peer.handshake().status == 101:
                break
    else:
        pytest.fail("nobody is taken although there are files again")
    assert site.server.log.stat().st_size - log_bytes < 100_000
    assert site.server.output.count("cannot accept connections") == 1


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, ssl.SSLContext]]:
    """A server that speaks TLS, and how to trust it."""
    require(shutil.which("openssl"), "the command openssl, to make a certificate")
    place = tmp_path_factory.mktemp("secure")
    certificate = Certificate(place)
    server = Server(
        place, DIRECTORY, LIMITS, flags=("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key))
    )
    try:
        yield server, certificate.trust()
        assert not server.faults()
    finally:
        server.stop()


def test_a_slow_tls_handshake_ends_at_the_handshake_timeout(secure: tuple[Server, ssl.SSLContext]) -> None:
    server, _ = secure
    with ExitStack() as sockets:
        peers = [sockets.enter_context(Attacker(address)) for address in 2 * [server.websocket, server.tcp]]
        for peer in peers[:2]:
            peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        for peer in peers:
            assert peer.wait_closed(LIMITS["handshake_ms_max"] / 1000 + 2).error is None


def test_who_speaks_no_tls_leaves_nothing_in_the_log(secure: tuple[Server, ssl.SSLContext]) -> None:
    server, _ = secure
    begin = len(server.output)
    for address in (server.websocket, server.tcp):
        for octets in (request(), b"STOMP\n\n\0", b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x01\x00\x02\x02\x30"):
            with Attacker(address) as peer:
                peer.send(octets)
                peer.wait_closed(2)
    assert server.output[begin:] == ""


def test_over_tls_the_answers_are_the_same(secure: tuple[Server, ssl.SSLContext], subtests: pytest.Subtests) -> None:
    server, trust = secure
    pieces = {
        101: request(),
        400: request(extra=[f"Authorization : {SECRET}"]),
        401: request(extra=["Authorization: Bearer x"]),
        404: request("/"),
        408: request()[:-1],
        426: request(headers={"Upgrade": "h2c"}),
        431: request(extra=["X: " + "x" * 100_000]),
    }
    for status, octets in pieces.items():
        with subtests.test(str(status)), server.gives_back_its_sockets(), Attacker(server.websocket) as peer:
            peer.socket = trust.wrap_socket(peer.socket, server_hostname="127.0.0.1")
            peer.send(octets)
            assert peer.read_response().status == status
            if status == 101:
                peer.connect(*NORTHWIND)
