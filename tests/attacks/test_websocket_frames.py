"""WebSocket frames that RFC 6455 forbids, that claim too much, that never end; and peers that end in bad order."""

from __future__ import annotations

import struct
import time
import zlib

import pytest

from tests.attacks.attacker import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_TEXT,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Attacker,
    request,
    stomp_frame,
    ws_frame,
)
from tests.attacks.conftest import LIMITS, Site, Start
from tests.attacks.people import BUS, NORTHWIND, RAW
from tests.attacks.server_process import MIB

FRAME_BYTES_MAX = 65_536 + LIMITS["body_bytes_max"] + 65_536  # head, body, and room for the ERROR
BEFORE_AND_AFTER = pytest.mark.parametrize("when", ["before", "after"])
EVERYBODY = 20


def close(code: int, reason: bytes = b"") -> bytes:
    return ws_frame(struct.pack(">H", code) + reason, CLOSE)


#: octets, close code
VIOLATIONS = {
    "first reserved bit": (ws_frame(b"a", reserved=4), PROTOCOL_ERROR),
    "second reserved bit": (ws_frame(b"a", reserved=2), PROTOCOL_ERROR),
    "third reserved bit": (ws_frame(b"a", reserved=1), PROTOCOL_ERROR),
    "a ping with a reserved bit": (ws_frame(b"a", PING, reserved=4), PROTOCOL_ERROR),
    "a close with a reserved bit": (ws_frame(b"", CLOSE, reserved=4), PROTOCOL_ERROR),
    "not masked": (ws_frame(b"a", mask=False), PROTOCOL_ERROR),
    "opcode 3": (ws_frame(b"a", 3), PROTOCOL_ERROR),
    "opcode 7": (ws_frame(b"a", 7), PROTOCOL_ERROR),
    "opcode 11": (ws_frame(b"a", 11), PROTOCOL_ERROR),
    "opcode 15": (ws_frame(b"a", 15), PROTOCOL_ERROR),
    "a continuation of nothing": (ws_frame(b"a", CONTINUATION), PROTOCOL_ERROR),
    "a last continuation twice": (
        ws_frame(b"a", BINARY, fin=False) + ws_frame(b"", CONTINUATION) + ws_frame(b"", CONTINUATION),
        PROTOCOL_ERROR,
    ),
    "a message inside another": (ws_frame(b"S", fin=False) + ws_frame(b"E"), PROTOCOL_ERROR),
    "a fragment inside another message": (ws_frame(b"S", fin=False) + ws_frame(b"E", fin=False), PROTOCOL_ERROR),
    "a ping in fragments": (ws_frame(b"a", PING, fin=False), PROTOCOL_ERROR),
    "a ping of 126 octets": (ws_frame(b"a" * 126, PING), PROTOCOL_ERROR),
    "a close of 126 octets": (ws_frame(b"a" * 126, CLOSE), PROTOCOL_ERROR),
    "a close of one octet": (ws_frame(b"a", CLOSE), PROTOCOL_ERROR),
    "close code 0": (close(0), PROTOCOL_ERROR),
    "close code 999": (close(999), PROTOCOL_ERROR),
    "close code 1004": (close(1004), PROTOCOL_ERROR),
    "close code 1005": (close(1005), PROTOCOL_ERROR),
    "close code 1006": (close(1006), PROTOCOL_ERROR),
    "close code 1015": (close(1015), PROTOCOL_ERROR),
    "close code 2999": (close(2999), PROTOCOL_ERROR),
    "close code 5000": (close(5000), PROTOCOL_ERROR),
    "close code 65535": (close(65_535), PROTOCOL_ERROR),
    "a close reason that is not UTF-8": (close(1000, b"\xff"), INVALID_TEXT),
    "a length of 16 bits that needs 7": (b"\x81\xfe\0\x01\0\0\0\0a", PROTOCOL_ERROR),
    "a length of 64 bits that needs 16": (b"\x81\xff\0\0\0\0\0\0\0\x7e\0\0\0\0", PROTOCOL_ERROR),
    "a length of 2^63-1": (ws_frame(b"a", length=2**63 - 1), TOO_BIG),
    "a length of -1": (ws_frame(b"a", length=2**64 - 1), PROTOCOL_ERROR),
    "a length of -2^63": (ws_frame(b"a", length=2**63), PROTOCOL_ERROR),
    "fragments of 2^62 octets": (
        ws_frame(b"SEND\n\n", BINARY, fin=False) + ws_frame(b"a", CONTINUATION, fin=False, length=2**62),
        TOO_BIG,
    ),
    "one octet over the limit": (ws_frame(b"a", length=FRAME_BYTES_MAX + 1), TOO_BIG),
    "text that is not UTF-8": (ws_frame(b"\xff\xfe"), INVALID_TEXT),
    "text with a surrogate": (ws_frame(b"\xed\xa0\x80"), INVALID_TEXT),
    "text with an overlong slash": (ws_frame(b"\xc0\xaf"), INVALID_TEXT),
    "text that ends within a character": (ws_frame(b"SEND\nx:\xe2\x82"), INVALID_TEXT),
    "a fragment that ends the message within a character": (
        ws_frame(b"\n\n\xe2", fin=False) + ws_frame(b"\x82", CONTINUATION),
        INVALID_TEXT,
    ),
    "text whose second fragment is not UTF-8": (
        ws_frame(b"\n", fin=False) + ws_frame(b"\xff", CONTINUATION),
        INVALID_TEXT,
    ),
    "HTTP": (request(), PROTOCOL_ERROR),
}  # fmt: skip


def peer_of(site: Site, when: str) -> Attacker:
    return site.open() if when == "before" else site.log_in(NORTHWIND)


@BEFORE_AND_AFTER
def test_a_violation_is_its_close_code_and_allocates_nothing(site: Site, when: str, subtests: pytest.Subtests) -> None:
    for name, (octets, code) in VIOLATIONS.items():
        with subtests.test(name), peer_of(site, when) as peer, site.server.memory_grows_less_than(MIB):
            peer.send(octets)
            closing = peer.wait_closed(1)
            assert (closing.error, closing.code) == (None, code)
            assert closing.reason


@BEFORE_AND_AFTER
def test_legal_oddities_are_taken(site: Site, when: str) -> None:
    peer = peer_of(site, when)
    peer.send(ws_frame(b"", PONG) + ws_frame(b"x", PONG))  # asked for by nobody
    peer.send(ws_frame(b"", TEXT) + ws_frame(b"", BINARY, fin=False) + ws_frame(b"", CONTINUATION))
    peer.send(ws_frame(b"\n\xe2"[:1], TEXT, fin=False) + ws_frame(b"hi", PING) + ws_frame(b"\n", CONTINUATION))
    peer.send(ws_frame(b"a" * 125, PING))
    if when == "before":
        peer.connect(*NORTHWIND)
    peer.frame("SUBSCRIBE", destination="/exchange/acme_face_v24/#", id="0", receipt="r")
    peer.expect_receipt("r")
    assert peer.pongs == [b"hi", b"a" * 125]


@pytest.mark.parametrize("code", [NORMAL, 1001, 1011, 3000, 4999, None])
def test_a_close_is_answered_and_then_the_socket_closed(site: Site, code: int | None) -> None:
    with site.server.gives_back_its_sockets():
        peer = site.log_in(NORTHWIND)
        peer.send(ws_frame(b"", CLOSE) if code is None else close(code, b"bye"))
        closing = peer.wait_closed(1)
        assert (closing.error, closing.code) == (None, code or NORMAL)


@BEFORE_AND_AFTER
def test_a_deflate_bomb_is_not_inflated(site: Site, when: str) -> None:
    offers = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"
    bomb = zlib.compress(b"\n" * (64 * MIB), 9)  # RFC 7692 leaves the zlib header out; nobody should look
    peers = [site.dial() for _ in range(EVERYBODY)]
    with site.server.memory_grows_less_than(2 * EVERYBODY * FRAME_BYTES_MAX):
        for peer in peers:
            response = peer.handshake(headers={"Sec-WebSocket-Extensions": offers})
            assert response.status == 101
            assert "sec-websocket-extensions" not in response.headers
            if when == "after":
                peer.connect(*NORTHWIND)
            peer.send(ws_frame(bomb, BINARY, reserved=4))
            closing = peer.wait_closed(1)
            assert (closing.error, closing.code) == (None, PROTOCOL_ERROR)


def test_claimed_lengths_allocate_nothing(site: Site) -> None:
    peers = [site.log_in(NORTHWIND) for _ in range(EVERYBODY)]
    with site.server.memory_grows_less_than(EVERYBODY * 128 * 1024):
        for peer in peers:
            peer.send(ws_frame(b"a" * 1_000, length=FRAME_BYTES_MAX))  # and never the rest
        for peer in peers:
            peer.expect_nothing(0.01)


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_a_message_in_any_number_of_fragments_is_one_frame(site: Site, size: int) -> None:
    peer = site.log_in(BUS)
    peer.subscribe(RAW + "fragments.#")
    body = "köln €𝄞 ".encode() * 800
    octets = stomp_frame(
        "SEND", body, {"destination": RAW + "fragments.a", "content-length": len(body), "receipt": "r"}
    )
    cuts = [octets[start : start + size] for start in range(0, len(octets), size)]
    fragments = [ws_frame(cut, TEXT if n == 0 else CONTINUATION, fin=False) for n, cut in enumerate(cuts)]
    peer.send(ws_frame(b"x", PING).join(fragments) + ws_frame(b"", CONTINUATION))
    found = {peer.read().command: None for _ in range(2)}  # type: ignore[union-attr]
    assert set(found) == {"MESSAGE", "RECEIPT"}
    assert len(peer.pongs) == len(fragments) - 1


def test_ten_thousand_frames_in_one_message_are_all_done(site: Site) -> None:
    peer = site.log_in(BUS)
    frame = stomp_frame("SEND", "x", {"destination": RAW + "tiny"})
    last = stomp_frame("SEND", "x", {"destination": RAW + "tiny", "receipt": "last"})
    peer.subscribe(RAW + "tiny", ack="auto")
    for count in (3_000, 3_000, 3_000, 999):  # a message has its limit too
        peer.send(ws_frame(frame * count))
    peer.send(ws_frame(last))
    commands = [peer.read().command for _ in range(10_001)]  # type: ignore[union-attr]
    assert commands.count("MESSAGE") == 10_000


def test_an_endless_message_of_empty_fragments_costs_no_memory(site: Site) -> None:
    peer = site.log_in(NORTHWIND)
    peer.send(ws_frame(b"", BINARY, fin=False))
    with site.server.memory_grows_less_than(2 * MIB):
        for _ in range(50):
            peer.send(ws_frame(b"", CONTINUATION, fin=False) * 1_000)
        peer.send(ws_frame(b"x", PING) + ws_frame(stomp_frame("DISCONNECT", headers={"receipt": "r"}), CONTINUATION))
        peer.expect_receipt("r")
    assert peer.pongs == [b"x"]


def test_an_endless_frame_in_fragments_ends_at_the_limit(site: Site) -> None:
    peer = site.log_in(BUS)
    peer.send(ws_frame(stomp_frame("SEND", headers={"destination": RAW + "a"})[:-1], BINARY, fin=False))
    with site.server.memory_grows_less_than(4 * MIB):
        for _ in range(100):
            if not peer.send(ws_frame(b"x" * 10_000, CONTINUATION, fin=False)):
                break
        assert peer.wait_closed(1).message == "Body too large"


@BEFORE_AND_AFTER
def test_a_flood_of_pings_whose_pongs_nobody_reads_costs_no_memory(site: Site, when: str) -> None:
    peer = site.open(receive_buffer_bytes=4_096)
    if when == "after":
        peer.connect(*NORTHWIND)
    peer.socket.settimeout(0.2)
    pings = ws_frame(b"p" * 125, PING) * 500
    with site.server.memory_grows_less_than(8 * MIB):
        until = time.monotonic() + 1
        while time.monotonic() < until and peer.send(pings):
            pass


# --- ending in bad order


#: framing and octets; none for the end of its half of the socket
ENDINGS = {
    "a CLOSE": ("websocket", close(NORMAL)),
    "a DISCONNECT": ("websocket", ws_frame(stomp_frame("DISCONNECT", headers={"receipt": "r"}))),
    "a STOMP error": ("websocket", ws_frame(b"WHAT\n\n\0")),
    "a WebSocket error of our finding": ("websocket", ws_frame(b"x", reserved=4)),
    "a WebSocket error of picows' finding": ("websocket", b"\xff\xff"),
    "the end of its half": ("websocket", b""),
    "the end of its half on TCP": ("tcp", b""),
    "a DISCONNECT on TCP": ("tcp", stomp_frame("DISCONNECT", headers={"receipt": "r"})),
}


def test_who_ends_without_reading_is_gone_after_the_linger_time(site: Site, subtests: pytest.Subtests) -> None:
    publisher = site.log_in(BUS)
    stuck: dict[str, Attacker] = {}
    for ending, (framing, _) in ENDINGS.items():
        stuck[ending] = site.log_in(BUS, framing, receive_buffer_bytes=4_096)
        stuck[ending].subscribe(RAW + "big.#")
    for _ in range(35):  # 7 MB: more than sockets hold, and counted twice still less than the ring
        publisher.frame("SEND", b"x" * 200_000, destination=RAW + "big.a")
    publisher.frame("SEND", b"x", destination=RAW + "small", receipt="r")
    publisher.expect_receipt("r")
    time.sleep(0.3)  # until no socket takes any more
    for ending, (_, octets) in ENDINGS.items():
        if octets:
            stuck[ending].send(octets)
        else:
            stuck[ending].finish_sending()
    deadline = time.monotonic() + LIMITS["linger_ms_max"] / 1000 + 1.5
    for ending, peer in stuck.items():
        with subtests.test(ending):
            while site.server.has_socket_of(peer.address):
                assert time.monotonic() < deadline, "the server still holds the socket"
                time.sleep(0.05)


def test_sigterm_ends_the_server_in_time_whoever_is_connected(start: Start) -> None:
    site = start(drain_ms_max=1_000)
    polite, publisher = site.log_in(NORTHWIND), site.log_in(BUS)
    unread = site.log_in(BUS, receive_buffer_bytes=4_096)
    unread.subscribe(RAW + "big.#")
    for _ in range(30):
        publisher.frame("SEND", b"x" * 200_000, destination=RAW + "big.a")
    site.open().send(ws_frame(b"SEND\n", length=50_000))
    site.dial().send(b"GET /ws HTTP/1.1\r\n")
    site.dial("tcp")
    site.log_in(BUS, "tcp").frame("BEGIN", transaction="t")
    site.log_in(BUS).stomp(b"WHAT\n\n\0")
    guess = site.open()
    guess.frame("CONNECT", accept_version="1.2", login="nobody", passcode="x")
    site.control.stop()
    assert site.server.terminate() < 1 + 3
    assert polite.wait_closed().message == "Server going away"
    assert not site.server.faults()


@BEFORE_AND_AFTER
def test_a_half_closed_socket_is_closed(site: Site, when: str) -> None:
    with site.server.gives_back_its_sockets():
        peer = peer_of(site, when)
        peer.finish_sending()
        assert peer.wait_closed(1).error is None


@pytest.mark.parametrize("framing", ["websocket", "tcp"])
def test_what_was_sent_before_the_half_close_is_done(site: Site, framing: str) -> None:
    witness, peer = site.log_in(BUS), site.log_in(BUS, framing)
    witness.subscribe(RAW + "half.#")
    for _ in range(100):
        peer.frame("SEND", b"x", destination=RAW + "half.a", receipt="r")
    peer.finish_sending()
    assert len(witness.messages(count=100)) == 100
    assert peer.wait_closed(1).error is None


@pytest.mark.parametrize("framing", ["websocket", "tcp"])
def test_who_never_closes_after_its_error_is_gone_after_the_linger_time(site: Site, framing: str) -> None:
    with site.server.gives_back_its_sockets():
        peer = site.log_in(NORTHWIND, framing)
        peer.stomp(b"WHAT\n\n\0")
        assert peer.wait_closed(1).message == "Bad command"


AFTERWARDS = {
    "pings": ws_frame(b"x", PING) * 100,
    "pongs": ws_frame(b"x", PONG) * 100,
    "a close": close(NORMAL),
    "two closes": close(NORMAL) * 2,
    "a close with a bad code": close(1005),
    "garbage": b"\xff" * 5_000,
    "an unmasked frame": ws_frame(b"x", mask=False),
    "a reserved bit": ws_frame(b"x", reserved=4),
    "bad UTF-8": ws_frame(b"\xff"),
    "a SEND": ws_frame(stomp_frame("SEND", "late", {"destination": RAW + "late.a", "content-length": 4})) * 10,
    "a SEND with a receipt": ws_frame(stomp_frame("SEND", "late", {"destination": RAW + "late.a", "receipt": "r"})),
    "half a frame": ws_frame(b"SEND\n", length=50_000),
    "a login": ws_frame(stomp_frame("CONNECT", headers={"accept-version": "1.2", **BUS._asdict()})),
    "a mebibyte": ws_frame(b"x" * 100_000, BINARY) * 10,
}  # fmt: skip


@pytest.mark.parametrize("end", ["ERROR", "DISCONNECT", "violation", "failed login"])
def test_nothing_comes_of_what_is_sent_after_the_end(site: Site, end: str, subtests: pytest.Subtests) -> None:
    witness = site.log_in(BUS)
    witness.subscribe(RAW + "late.#")
    for name, octets in AFTERWARDS.items():
        with subtests.test(name), Attacker(site.server.websocket) as peer:
            peer.handshake()
            if end == "failed login":
                last = stomp_frame("CONNECT", headers={"accept-version": "1.2", "login": "x", "passcode": "x"})
            else:
                peer.connect(*BUS)
                peer.frame("SEND", "late", destination=RAW + "late.a", content_length=4)  # so that its head is known
                assert witness.expect("MESSAGE").body == b"late"
                last = stomp_frame("DISCONNECT", headers={"receipt": "bye"}) if end == "DISCONNECT" else b"WHAT\n\n\0"
            peer.send(ws_frame(last, reserved=4 if end == "violation" else 0) + octets)  # in one piece ...
            peer.wait_closed(1)
            if end != "failed login":  # while a login is verified the session goes on
                assert not peer.pongs
            peer.send(octets)  # ... and after the server has closed its half
            time.sleep(0.01)
            peer.send(octets)
    witness.expect_nothing(0.05)
