"""Before login: an unknown peer gets little, and not for long."""

from __future__ import annotations

import time

import pytest

from tests.attacks.attacker import BINARY, CONTINUATION, Attacker, StompFrame, stomp_frame, ws_frame
from tests.attacks.conftest import Site, Start
from tests.attacks.people import BUS, EVENTS, NORTHWIND, RAW
from tests.attacks.server_process import MIB

FRAMINGS = pytest.mark.parametrize("framing", ["websocket", "tcp"])
STRANGERS = 20

VERBS = {
    "SEND": stomp_frame("SEND", "x", {"destination": RAW + "a", "receipt": "1"}),
    "SUBSCRIBE": stomp_frame("SUBSCRIBE", headers={"destination": RAW + "#", "id": "0", "receipt": "1"}),
    "UNSUBSCRIBE": stomp_frame("UNSUBSCRIBE", headers={"id": "0"}),
    "ACK": stomp_frame("ACK", headers={"id": "T_0@@session-aaaaaaaaaaaaaaaaaaaaaa@@1"}),
    "NACK": stomp_frame("NACK", headers={"id": "T_0@@session-aaaaaaaaaaaaaaaaaaaaaa@@1"}),
    "BEGIN": stomp_frame("BEGIN", headers={"transaction": "t"}),
    "COMMIT": stomp_frame("COMMIT", headers={"transaction": "t"}),
    "ABORT": stomp_frame("ABORT", headers={"transaction": "t"}),
    "DISCONNECT": stomp_frame("DISCONNECT", headers={"receipt": "1"}),
}
CONNECT = stomp_frame("CONNECT", headers={"accept-version": "1.2", "login": BUS.login, "passcode": BUS.passcode})
WRONG = stomp_frame("CONNECT", headers={"accept-version": "1.2", "login": BUS.login, "passcode": "wrong"})


@FRAMINGS
def test_a_verb_as_the_first_frame_is_an_error_and_nothing_is_done(
    site: Site, framing: str, subtests: pytest.Subtests
) -> None:
    witness = site.log_in(BUS)
    witness.subscribe(RAW + "#")
    for verb, frame in VERBS.items():
        with subtests.test(verb):
            stranger = site.open(framing)
            stranger.stomp(frame, CONNECT)  # a right CONNECT behind it mends nothing
            closing = stranger.wait_closed(1)
            assert closing.message == "Illegal command"
            assert verb in closing.detail
    witness.expect_nothing(0.05)


@FRAMINGS
def test_what_follows_a_wrong_connect_is_not_done_and_what_follows_a_right_one_waits_for_it(
    site: Site, framing: str
) -> None:
    witness = site.log_in(BUS)
    witness.subscribe(RAW + "#")
    stranger = site.open(framing)
    stranger.stomp(WRONG, VERBS["SEND"], CONNECT, VERBS["SEND"])
    assert stranger.wait_closed().message == "Bad CONNECT"
    witness.expect_nothing(0.05)
    hasty = site.open(framing)
    hasty.stomp(CONNECT, VERBS["SEND"])
    hasty.expect("CONNECTED")
    hasty.expect_receipt("1")
    assert witness.expect("MESSAGE").body == b"x"


def test_silence_ends_at_the_login_timeout_and_an_idle_login_stays(site: Site) -> None:
    idle = site.log_in(NORTHWIND)
    strangers = {
        "silent": site.open(),
        "silent on TCP": site.open("tcp"),
        "blank lines are no login": site.open(),
        "blank lines on TCP": site.open("tcp"),
        "half a CONNECT": site.open("tcp"),
        "half a WebSocket frame": site.open(),
        "pings": site.open(),
    }
    strangers["half a CONNECT"].send(CONNECT[:-1])
    began = time.monotonic()
    limit_s = site.server.limits["login_ms_max"] / 1000
    while time.monotonic() < began + limit_s - 0.2:
        strangers["blank lines are no login"].send(ws_frame(b"\n"))
        strangers["blank lines on TCP"].send(b"\n")
        strangers["half a WebSocket frame"].send(b"\x81" if time.monotonic() < began + 0.05 else b"")
        strangers["pings"].send(ws_frame(b"", 9))
        time.sleep(0.1)
    for name, stranger in strangers.items():
        closing = stranger.wait_closed(began + limit_s + 1 - time.monotonic())
        assert closing.message == "Login timed out", name
    idle.subscribe(EVENTS + "#")


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.long)])
def test_slow_handshakes_end_at_their_timeout_and_new_clients_get_in_meanwhile(site: Site, count: int) -> None:
    request = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: " + b"x" * 100
    began = time.monotonic()
    limit_s = site.server.limits["handshake_ms_max"] / 1000
    with site.server.gives_back_its_sockets():
        slow = [site.dial() for _ in range(count)]
        silent = site.dial()
        for octet in request:
            for stranger in slow:
                stranger.send(bytes([octet]))
            before = time.monotonic()
            with Attacker(site.server.websocket) as newcomer:
                assert newcomer.handshake().status == 101
                newcomer.connect(*NORTHWIND)
            assert time.monotonic() - before < 1
            if time.monotonic() > began + limit_s:
                break
        for stranger in (*slow, silent):
            assert stranger.wait_closed(began + limit_s + 2 - time.monotonic()).error is None
        site.sockets.close()


def pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[start : start + size] for start in range(0, len(octets), size)]


#: What a stranger sends, message by message, until the server has had enough.
FLOODS = {
    "a body over every limit": [b"SEND\ncontent-length:100000000\n\n", *pieces(b"x" * 4 * MIB, 3_000)],
    "a body within the limit": [b"SEND\ncontent-length:200000\n\n", *pieces(b"x" * MIB, 3_000)],
    "a body without a length": [b"SEND\n\n", *pieces(b"x" * MIB, 3_000)],
    "a CONNECT with a body": [b"CONNECT\naccept-version:1.2\ncontent-length:200000\n\n", *pieces(b"x" * MIB, 3_000)],
    "headers": [b"CONNECT\n", *[b"h%d:x\n" % number for number in range(10_000)]],
    "long headers": [b"CONNECT\n", *[b"h%d:%b\n" % (number, b"x" * 3_000) for number in range(400)]],
    "one long header": [b"CONNECT\nlogin:", *pieces(b"x" * MIB, 3_000)],
    "no end of line": pieces(b"x" * MIB, 3_000),
    "NULs": pieces(b"\0" * MIB, 3_000),
}


@pytest.mark.parametrize("cut", ["messages", "fragments", "tcp"])
def test_what_a_stranger_sends_is_held_up_to_the_budget_only(site: Site, cut: str, subtests: pytest.Subtests) -> None:
    for flood, octets in FLOODS.items():
        if cut == "messages":
            octets = [ws_frame(piece, BINARY) for piece in octets]
        elif cut == "fragments":
            octets = [ws_frame(piece, BINARY if n == 0 else CONTINUATION, fin=False) for n, piece in enumerate(octets)]
        strangers = [site.open("tcp" if cut == "tcp" else "websocket") for _ in range(STRANGERS)]
        with subtests.test(flood), site.server.memory_grows_less_than(STRANGERS * MIB):
            for stranger in strangers:
                stranger.send(b"".join(octets))  # as far as the server takes it
            for stranger in strangers:
                assert stranger.wait_closed(1).error is not None
                stranger.close()


def test_one_message_of_a_stranger_is_not_held_until_it_is_whole(site: Site) -> None:
    message = ws_frame(b"SEND\nx:" + b"x" * 390_000, BINARY, length=390_100)  # what one who is logged in may send
    strangers = [site.open() for _ in range(3 * STRANGERS)]
    with site.server.memory_grows_less_than(3 * STRANGERS * 300 * 1024):
        for stranger in strangers:
            stranger.send(message)
        for stranger in strangers:
            assert stranger.wait_closed(1).message == "Frame too large"


@FRAMINGS
def test_an_unknown_login_and_a_wrong_passcode_get_the_same_octets(site: Site, framing: str) -> None:
    def answer(login: str, passcode: str) -> StompFrame:
        stranger = site.open(framing)
        stranger.frame("CONNECT", accept_version="1.2", login=login, passcode=passcode)
        closing = stranger.wait_closed()
        assert closing.error is not None
        return closing.error

    known = answer(NORTHWIND.login, "orthwind-password")
    assert answer(NORTHWIND.login, NORTHWIND.passcode[:-1] + "x") == known
    assert answer(NORTHWIND.login, "") == known
    assert answer(NORTHWIND.login, NORTHWIND.passcode + " ") == known
    unknown = answer("xps@northwind.example", NORTHWIND.passcode)
    assert unknown.lines == known.lines
    assert unknown.body.replace(b"xps@", b"ops@") == known.body


def test_a_flood_of_wrong_passcodes_keeps_nobody_else_out(start: Start) -> None:
    site = start(costly=True, verified_ms_max=1, login_ms_max=4_000)  # so that the owner is verified anew
    with site.server.gives_back_its_sockets():
        guessers = [site.open() for _ in range(8)]
        for number, guesser in enumerate(guessers):
            guesser.frame("CONNECT", accept_version="1.2", login=BUS.login, passcode=f"guess-{number}")
        began = time.monotonic()
        for who in (NORTHWIND, BUS):  # another one, and the owner
            site.log_in(who)
            assert time.monotonic() - began < 10
        for guesser in guessers:
            assert guesser.wait_closed(8).message in ("Bad CONNECT", "Login timed out")
        for number in range(100):  # who has gone before his turn takes none
            with Attacker(site.server.tcp) as fickle:
                fickle.frame("CONNECT", accept_version="1.2", login=f"fickle-{number}", passcode="x")
        began = time.monotonic()
        site.log_in(NORTHWIND)
        assert time.monotonic() - began < 3  # 100 verifications take longer
        site.sockets.close()


def test_a_peer_whose_login_failed_holds_no_socket_of_the_server(site: Site) -> None:
    with site.server.gives_back_its_sockets():
        for _ in range(5):
            with Attacker(site.server.websocket) as stranger:
                stranger.handshake()
                stranger.frame("CONNECT", accept_version="1.2", login="nobody", passcode="x")
                assert stranger.wait_closed().code == 1008
