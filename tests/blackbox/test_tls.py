"""wss, and TLS on the plain listener; the certificate can be renewed while the server runs."""

import hashlib
import http.client
import shutil
import signal
import socket
import ssl
import time
from base64 import b64encode
from urllib.parse import urlsplit

import pytest

from tests.blackbox.broker_process import BrokerProcess
from tests.blackbox.certificate import Certificate
from tests.blackbox.clients.dial import Dial, endpoint_of
from tests.blackbox.clients.kinds import every_client
from tests.blackbox.logins import PARTNER_7, SYSTEM
from tests.blackbox.raw import RawTcp, RawWebSocket, frame
from tests.blackbox.recording import EXCHANGE, of_partner
from tests.conftest import require

ALL = f"{EXCHANGE}/#"
RELOAD_S = 5


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    require(shutil.which("openssl"), "the command openssl")
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(certificate, tmp_path_factory):
    server = BrokerProcess(
        tmp_path_factory.mktemp("secure"),
        *("--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)),
        HELIOGRAPH_LIMITS_LINGER_MS_MAX="500",  # on a TLS stream, which has no half, the server waits that long
        HELIOGRAPH_LIMITS_HTTP_HEAD_MS_MAX="1000",
        HELIOGRAPH_HTTP="true",
        HELIOGRAPH_HTTP_PORT="0",
    )
    assert [urlsplit(url).scheme for url in (server.ws_url, server.tcp_url, server.http_url)] == [
        "wss",
        "stomp+ssl",
        "https",
    ]
    yield server
    server.stop()


@pytest.fixture
def dial(request, secure, certificate):
    dial = Dial(request.param, endpoint_of(secure, str(certificate.cert)))
    yield dial
    dial.close()


@every_client("tls")
def test_clients_receive_over_tls(dial):
    inbox = dial(PARTNER_7).subscribe(ALL, "client")
    publisher = dial(SYSTEM)
    events = of_partner(7)
    for event in events:
        publisher.send(event.destination, event.body)
    assert [delivery.body for delivery in inbox.take(len(events))] == [event.body for event in events]


def test_a_disconnect_gets_its_receipt_over_tls_too(secure, certificate):
    with RawWebSocket(secure.ws_url, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
        peer.send(frame("DISCONNECT", receipt="bye"))
        assert peer.frame().headers == {"receipt-id": "bye"}
        assert peer.closed().code == 1000
    with RawTcp(secure.tcp_address, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
        peer.send(frame("DISCONNECT", receipt="bye"))
        assert peer.frame().headers == {"receipt-id": "bye"}
        peer.closed()


def test_an_error_over_tls_is_not_lost(secure, certificate):
    with RawWebSocket(secure.ws_url, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
        peer.send(b"FOO\n\n\0")
        assert peer.frame().headers["message"] == "Bad command"
        assert peer.closed().code == 1002
    with RawTcp(secure.tcp_address, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
        peer.send(b"FOO\n\n\0")
        assert peer.frame().headers["message"] == "Bad command"
        peer.closed()


def test_a_peer_without_tls_is_dropped_and_others_do_not_notice(secure, certificate):
    with RawWebSocket(secure.ws_url, certificate.trust()) as control:
        control.log_in(PARTNER_7)
        for address in (secure.ws_address, secure.tcp_address, secure.http_address):
            with socket.create_connection(address, 5) as plain:
                plain.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while plain.recv(4096):
                    pass
        control.send(frame("SUBSCRIBE", id="1", destination=ALL, receipt="r"))
        assert control.frame().command == "RECEIPT"


def https(secure, certificate):
    host, port = secure.http_address
    return http.client.HTTPSConnection(host, port, timeout=5, context=certificate.trust() if certificate else None)


def asked(connection, path="/exchanges", login=PARTNER_7):
    sent = b64encode(f"{login.login}:{login.passcode}".encode()).decode()
    connection.request("GET", path, headers={"Authorization": f"Basic {sent}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_the_http_api_speaks_tls(secure, certificate):
    connection = https(secure, certificate)
    assert [asked(connection), asked(connection, "/nothing"), asked(connection)] == [200, 404, 200]
    connection.close()
    stranger = https(secure, None)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.connect()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"], ids=["nothing", "the beginning of a hello"])
def test_a_handshake_that_does_not_come_ends_the_connection(secure, certificate, sent):
    connection = https(secure, certificate)
    with socket.create_connection(secure.http_address, 5) as stranger:
        stranger.sendall(sent)
        assert asked(connection) == 200
        assert stranger.recv(100) == b""
    connection.close()


def test_tls_to_a_port_without_it_ends_at_once(start_server, certificate):
    plain = start_server(HELIOGRAPH_HTTP="true", HELIOGRAPH_HTTP_PORT="0")
    assert urlsplit(plain.http_url).scheme == "http"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        https(plain, certificate).connect()


def served_fingerprint(address):
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(address, 5) as opened, anyone.wrap_socket(opened) as secured:
        certificate = secured.getpeercert(binary_form=True)
        assert certificate
        return hashlib.sha256(certificate).hexdigest()


def wait_until(what):
    deadline = time.monotonic() + RELOAD_S
    while not what():
        assert time.monotonic() < deadline, f"not within {RELOAD_S} s"
        time.sleep(0.02)


def test_sighup_takes_up_a_renewed_certificate_and_keeps_connections(secure, certificate):
    ports = (secure.ws_address, secure.tcp_address, secure.http_address)
    old = certificate.fingerprint
    assert {served_fingerprint(address) for address in ports} == {old}
    with RawWebSocket(secure.ws_url, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
        certificate.renew()
        assert {served_fingerprint(address) for address in ports} == {old}  # until it is told
        secure.signal(signal.SIGHUP)
        for address in ports:
            wait_until(lambda address=address: served_fingerprint(address) == certificate.fingerprint)
        peer.send(frame("SUBSCRIBE", id="1", destination=ALL, receipt="r"))
        assert peer.frame().command == "RECEIPT"
    with RawWebSocket(secure.ws_url, certificate.trust()) as peer:
        peer.log_in(PARTNER_7)
    renewed = https(secure, certificate)
    assert asked(renewed) == 200
    renewed.close()


def test_sighup_with_an_unusable_certificate_keeps_the_old_one(secure, certificate):
    served = certificate.fingerprint
    good = certificate.cert.read_text()
    certificate.cert.write_text("this is no certificate")
    try:
        secure.signal(signal.SIGHUP)
        wait_until(lambda: "certificate not reloaded" in secure.log.read_text())
        ports = (secure.ws_address, secure.tcp_address, secure.http_address)
        assert {served_fingerprint(address) for address in ports} == {served}
    finally:
        certificate.cert.write_text(good)


def test_an_unusable_certificate_at_start_is_told_in_one_sentence(certificate, start_server, tmp_path):
    missing = tmp_path / "missing.pem"
    with pytest.raises(AssertionError, match=r"heliograph: TLS certificate unusable: .*missing\.pem"):
        start_server("--tls-cert", str(missing))
