"""STOMP frames: limits of a frame, repeated and injected headers, what a sender may not say, and floods of frames."""

from __future__ import annotations

import time

import pytest

from tests.attacks.attacker import BINARY, Attacker, StompFrame, stomp_frame, ws_frame
from tests.attacks.conftest import LIMITS, Site
from tests.attacks.people import (
    ACME,
    AUDITOR,
    BUS,
    CONTOSO,
    CONTOSO_KEY,
    EVENTS,
    NORTHWIND,
    NORTHWIND_KEY,
    RAW,
    RIVAL_EVENTS,
    event,
)
from tests.attacks.server_process import MIB

FRAMINGS = pytest.mark.parametrize("framing", ["websocket", "tcp"])
BODY_BYTES_MAX = LIMITS["body_bytes_max"]


def send_to(peer: Attacker, key: str, body: str | bytes = b"x", **headers: object) -> None:
    """SEND to RAW, and wait for its receipt."""
    peer.frame("SEND", body, destination=RAW + key, receipt="sent", **headers)
    peer.expect_receipt("sent")


#: octets, message of the ERROR; where two say what is wrong, it depends on how TCP cuts the octets which comes
TOO_MUCH = {
    "101 headers": (b"SEND\n" + b"".join(b"h%d:x\n" % n for n in range(101)) + b"\n\0", "Too many headers"),
    "10,000 headers": (
        b"SEND\n" + b"".join(b"h%d:x\n" % n for n in range(10_000)) + b"\n\0",
        "Headers too long or Too many headers",
    ),
    "200 times the same header": (b"SEND\n" + b"destination:/x\n" * 200 + b"\n\0", "Too many headers"),
    "a header line of 1 MiB": (b"SEND\nx:" + b"y" * MIB + b"\n\n\0", "Headers too long"),
    "a header name of 1 MiB": (b"SEND\n" + b"y" * MIB + b":x\n\n\0", "Headers too long"),
    "a receipt of 1 MiB": (b"SEND\nreceipt:" + b"y" * MIB + b"\n\n\0", "Headers too long"),
    "a header line of 9 KiB": (b"SEND\nx:" + b"y" * 9_000 + b"\n\n\0", "Header too long"),
    "a receipt of 9 KiB": (b"SEND\nreceipt:" + b"y" * 9_000 + b"\n\n\0", "Header too long"),
    "a head of 1 MiB": (b"SEND\n" + (b"x:" + b"y" * 8_000 + b"\n") * 131 + b"\n\0", "Headers too long"),
    "1 MiB of headers without an end": (b"SEND\n" + b"x:y\n" * (MIB // 4), "Headers too long"),
    "a command of 1 MiB": (b"S" * MIB, "Bad command"),
    "a command of 1 MiB and a line feed": (b"S" * MIB + b"\n\n\0", "Bad command"),
    "a command with spaces": (b"SEND \ndestination:/x\n\n\0", "Bad command"),
    "a command after spaces": (b"  SEND\ndestination:/x\n\n\0", "Bad command"),
    "a command in lower case": (b"send\ndestination:/x\n\n\0", "Bad command"),
    "a command of the server": (b"MESSAGE\ndestination:/x\n\n\0", "Bad command"),
    "a byte order mark": (b"\xef\xbb\xbfSEND\n\n\0", "Bad command"),
    "a NUL": (b"\0", "Malformed frame"),
    "1 MiB of NULs": (b"\0" * MIB, "Malformed frame"),
    "a NUL in the head": (b"SEND\ndestination:/x\0\n\n\0", "Malformed frame"),
    "a NUL in a name": (b"SEND\nx\0:y\n\n\0", "Malformed frame"),
    "a second NUL": (b"DISCONNECT\nreceipt:\0\n\n\0", "Malformed frame"),
    "no NUL after the length": (b"SEND\ndestination:/x\ncontent-length:1\n\nabc\0", "Malformed frame"),
    "no colon": (b"SEND\ndestination\n\n\0", "Malformed header"),
    "no name": (b"SEND\n:x\n\n\0", "Malformed header"),
    "headers that are not UTF-8": (b"SEND\nx:\xff\n\n\0", "Malformed header"),
    "headers with a surrogate": (b"SEND\nx:\xed\xa0\x80\n\n\0", "Malformed header"),
    "a length of -1": (b"SEND\ndestination:/x\ncontent-length:-1\n\n\0", "Invalid header"),
    "a length in hexadecimal": (b"SEND\ndestination:/x\ncontent-length:0x5\n\nabcde\0", "Invalid header"),
    "a length with a fraction": (b"SEND\ndestination:/x\ncontent-length:1.0\n\na\0", "Invalid header"),
    "a length in Arabic digits": ("SEND\ndestination:/x\ncontent-length:٣\n\nabc\0".encode(), "Invalid header"),
    "a length of 5,000 digits": (b"SEND\ncontent-length:" + b"9" * 5_000 + b"\n\n\0", "Invalid header"),
    "a length of 2^63": (b"SEND\ncontent-length:%d\n\n" % 2**63, "Invalid header"),
    "a length of 10^18-1": (b"SEND\ncontent-length:%d\n\n" % (10**18 - 1), "Body too large"),
    "a length one over the limit": (b"SEND\ncontent-length:%d\n\n" % (BODY_BYTES_MAX + 1), "Body too large"),
    "an undefined escape": (b"SEND\ndestination:/x\nx:\\t\n\n\0", "Invalid escape"),
    "an undefined escape in a name": (b"SEND\ndestination:/x\nx\\t:\n\n\0", "Invalid escape"),
    "half an escape": (b"SEND\ndestination:/x\nx:\\\n\n\0", "Invalid escape"),
}


@FRAMINGS
def test_what_is_no_frame_or_too_much_is_an_error_at_once_and_is_not_held(
    site: Site, framing: str, subtests: pytest.Subtests
) -> None:
    for name, (octets, message) in TOO_MUCH.items():
        with subtests.test(name), site.log_in(BUS, framing) as peer, site.server.memory_grows_less_than(5 * MIB):
            for start in range(0, len(octets), 100_000):  # as messages that the WebSocket's limit lets through
                piece = octets[start : start + 100_000]
                if not peer.send(ws_frame(piece, BINARY) if framing == "websocket" else piece):
                    break
            assert peer.wait_closed(1).message in message.split(" or ")


@FRAMINGS
@pytest.mark.parametrize("length", [True, False])
def test_a_body_of_exactly_the_limit_is_taken_and_one_octet_more_is_not(site: Site, framing: str, length: bool) -> None:
    peer = site.log_in(BUS, framing)
    peer.subscribe(RAW + "limit.#")
    for size, taken in ((BODY_BYTES_MAX, True), (BODY_BYTES_MAX + 1, False)):
        more = {"content_length": size} if length else {}
        peer.frame("SEND", b"x" * size, destination=RAW + "limit.a", receipt="r", **more)
        if taken:
            answers = {peer.expect_any("MESSAGE", "RECEIPT").command for _ in range(2)}
            assert answers == {"MESSAGE", "RECEIPT"}
        else:
            closing = peer.wait_closed(1)
            assert closing.message == "Body too large"
            assert "body_bytes_max" in closing.detail


@FRAMINGS
def test_a_hundred_times_the_limit_is_refused_without_holding_it(site: Site, framing: str) -> None:
    peer = site.log_in(BUS, framing)
    head = stomp_frame("SEND", headers={"destination": RAW + "a"})[:-1]
    with site.server.memory_grows_less_than(2 * BODY_BYTES_MAX + 2 * MIB):
        for piece in (head, *[b"x" * BODY_BYTES_MAX] * 100):
            if not peer.send(ws_frame(piece, BINARY) if framing == "websocket" else piece):
                break
        assert peer.wait_closed(1).message == "Body too large"


@FRAMINGS
def test_the_first_of_a_repeated_header_wins_for_the_right_and_for_the_way(site: Site, framing: str) -> None:
    """What is authorised is what is used: neither a right to the first nor one to the second opens the other."""
    auditor = site.log_in(AUDITOR)
    auditor.subscribe(RIVAL_EVENTS + "#", "rival")
    auditor.subscribe(EVENTS + "12.#", "own")
    own, foreign = f"destination:{EVENTS}{NORTHWIND_KEY}\n", f"destination:{RIVAL_EVENTS}{NORTHWIND_KEY}\n"
    acme = site.log_in(ACME, framing)
    for number in range(3):  # the second and third time its head is known
        body = event(number)
        acme.stomp(f"SEND\n{own}{foreign * 60}content-length:{len(body)}\n\n{body}\0".encode())
        found = auditor.expect("MESSAGE")
        assert (found.headers["subscription"], found.headers["destination"]) == ("own", EVENTS + NORTHWIND_KEY)
        assert sum(line.startswith("destination:") for line in found.lines) == 1
    acme.stomp(f"SEND\n{foreign}{own}\n{event()}\0".encode())
    assert acme.wait_closed(1).message == "Access refused"
    partner = site.log_in(NORTHWIND, framing)
    partner.stomp(f"SUBSCRIBE\nid:0\ndestination:{RIVAL_EVENTS}#\ndestination:{EVENTS}#\n\n\0".encode())
    assert partner.wait_closed(1).message == "Access refused"
    auditor.expect_nothing(0.05)


def test_the_first_of_every_other_header_wins_too(site: Site) -> None:
    peer = site.log_in(BUS)
    peer.stomp(
        f"SUBSCRIBE\nid:one\nid:two\nack:client\nack:auto\ndestination:{RAW}twice\nreceipt:a\nreceipt:b\n\n\0".encode()
    )
    peer.expect_receipt("a")
    peer.stomp(
        f"SEND\ndestination:{RAW}twice\ncontent-length:2\ncontent-length:9\ncolour:red\ncolour:blue\n\nab\0".encode()
    )
    found = peer.expect("MESSAGE")
    assert (found.headers["subscription"], found.body, "ack" in found.headers) == ("one", b"ab", True)
    assert [line for line in found.lines if line.startswith("colour:")] == ["colour:red"]
    assert sum(line.startswith("content-length:") for line in found.lines) == 1


#: Values as 1.2 sends them, and what they mean.
INJECTIONS = {
    r"a\nsubscription\cother\n\n\\": "a\nsubscription:other\n\n\\",
    r"a\r\nredelivered\ctrue": "a\r\nredelivered:true",
    r"\\n": "\\n",
    r"\\c\\\\": "\\c\\\\",
    " both ends ": " both ends ",
    "a:b:c": "a:b:c",
    "\t\x01\x7f": "\t\x01\x7f",
    "\u2028\u2029\x85\x0b": "\u2028\u2029\x85\x0b",
}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_an_escaped_value_injects_no_header_line_whatever_version_the_subscriber_speaks(
    site: Site, version: str
) -> None:
    subscriber = site.log_in(BUS, version=version)
    subscriber.subscribe(RAW + "inject.#")
    sender = site.log_in(BUS)
    for number, (value, meant) in enumerate(INJECTIONS.items()):
        sender.stomp(f"SEND\ndestination:{RAW}inject.a\nx-{number}:{value}\nna\\nme\\c:y\n\nbody\0".encode())
        found = subscriber.expect("MESSAGE")
        names = [line.partition(":")[0] for line in found.lines]
        assert names[:4] == ["subscription", "message-id", "redelivered", "destination"]
        assert names[4:] == [f"x-{number}", r"na\nme\c", "content-length"]
        assert found.body == b"body"
        assert found.headers["subscription"] == "0"
        if version == "1.2":
            assert found.headers[f"x-{number}"] == meant


def test_a_value_of_1_0_with_a_colon_and_a_backslash_reaches_others_as_it_was_meant(site: Site) -> None:
    old, new = site.log_in(BUS, version="1.0"), site.log_in(BUS)
    old.subscribe(RAW + "old.#")
    new.subscribe(RAW + "old.#")
    old.stomp(f"SEND\ndestination:{RAW}old.a\nx:a:b\\c\\n\n\n\0".encode())
    assert new.expect("MESSAGE").headers["x"] == "a:b\\c\\n"
    assert "x:a:b\\c\\n" in old.expect("MESSAGE").lines


#: Headers that a MESSAGE has from the server, or that concern the SEND alone.
SERVERS = {
    "subscription": "forged", "ack": "forged", "redelivered": "forged", "user-id": "forged",
    "receipt": "forged-receipt", "login": "forged", "passcode": "forged", "x-received-at": "forged",
    "x-stream-offset": "forged", "x-replayed": "forged", "x-gap": "forged",
}  # fmt: skip


@pytest.mark.parametrize("ack", ["auto", "client"])
def test_nobody_sees_what_a_sender_said_in_the_servers_name(site: Site, ack: str) -> None:
    subscriber, sender = site.log_in(BUS), site.log_in(BUS)
    subscriber.subscribe(RAW + "forged.#", ack=ack)
    for _ in range(2):
        sender.stomp(stomp_frame("SEND", "x", {"destination": RAW + "forged.a", **SERVERS}))
        sender.expect_receipt("forged-receipt")
        found = subscriber.expect("MESSAGE")
        assert not [line for line in found.lines if "forged" in line.replace("forged.a", "")]
        assert found.headers["redelivered"] == "false"
    sender.frame("SEND", destination=RAW + "forged.a", message_id="forged")
    assert sender.wait_closed(1).message == "Invalid header"
    subscriber.expect_nothing(0.05)


def test_blank_lines_are_heart_beats_and_cost_next_to_nothing(site: Site) -> None:
    websocket, tcp = site.log_in(NORTHWIND), site.log_in(NORTHWIND, "tcp")
    cpu_s = site.server.cpu_s
    for _ in range(100):  # 2,000 in a second
        for _ in range(10):
            websocket.send(ws_frame(b"\n"))
            tcp.send(b"\r\n")
        time.sleep(0.01)
    assert site.server.cpu_s - cpu_s < 0.3  # with the control connection's rounds
    for peer in (websocket, tcp):
        peer.subscribe(EVENTS + "#")


@FRAMINGS
def test_a_mebibyte_of_blank_lines_is_nothing(site: Site, framing: str) -> None:
    peer = site.log_in(NORTHWIND, framing)
    with site.server.memory_grows_less_than(2 * MIB):
        for octets in (b"\n", b"\r\n", b"\r"):
            lines = octets * (150_000 // len(octets))
            for _ in range(7):
                peer.send(ws_frame(lines) if framing == "websocket" else lines)
        peer.subscribe(EVENTS + "#")


@FRAMINGS
def test_one_octet_at_a_time_is_a_frame_too(site: Site, framing: str) -> None:
    peer = site.log_in(BUS, framing)
    frame = stomp_frame("SUBSCRIBE", headers={"destination": RAW + "#", "id": "0", "receipt": "r"})
    peer.drip(ws_frame(frame) if framing == "websocket" else frame, 1)
    peer.expect_receipt("r")
    if framing == "websocket":
        for octet in stomp_frame("UNSUBSCRIBE", headers={"id": "0", "receipt": "r"}):
            peer.send(ws_frame(bytes([octet])))
        peer.expect_receipt("r")


def heavy_frames(count: int) -> bytes:
    """The worst there is to read: as many headers as may be, and a new one in each head so that none is known."""
    headers = "".join(f"h{n}:{n}\n" for n in range(96))
    frames = (f"SEND\ndestination:{RAW}heavy\nn:{n}\n{headers}\nx\0" for n in range(count))
    return b"".join(ws_frame(frame.encode()) for frame in frames)


@pytest.mark.parametrize("count", [25_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_a_flood_of_frames_that_are_heavy_to_read_keeps_nobody_waiting_and_is_not_remembered(
    site: Site, count: int
) -> None:
    peer = site.log_in(BUS)
    peer.socket.settimeout(60)
    octets = heavy_frames(count)
    with site.server.memory_grows_less_than(32 * MIB):
        peer.send(octets)
        peer.frame("SEND", destination=RAW + "heavy", receipt="last")
        peer.expect_receipt("last", 20)


def test_a_flood_of_distinct_heads_and_keys_is_remembered_up_to_a_bound_only(site: Site) -> None:
    peer = site.log_in(BUS)
    with site.server.memory_grows_less_than(96 * MIB):
        for first in range(0, 4_000, 200):
            peer.stomp(*[
                stomp_frame("SEND", "x", {"destination": f"{RAW}k.{n}.{'y' * 200}", "x": "z" * 7_000, "w": "v" * 7_000})
                for n in range(first, first + 200)
            ])  # fmt: skip
        send_to(peer, "last")


@pytest.mark.parametrize("login", [ACME, BUS])
def test_a_receipt_asked_for_in_every_frame_and_never_read_stops_the_reading(site: Site, login: object) -> None:
    peer = site.log_in(login, receive_buffer_bytes=4_096)  # type: ignore[arg-type]
    peer.socket.settimeout(0.3)
    destination, body = (RAW + "a", "x") if login is BUS else (EVENTS + NORTHWIND_KEY, event())
    frame = stomp_frame("SEND", body, {"destination": destination, "receipt": "r" * 4_000})
    with site.server.memory_grows_less_than(16 * MIB):
        until = time.monotonic() + 5
        while peer.stomp(*[frame] * 100) and time.monotonic() < until:
            pass
        assert time.monotonic() < until, "the server takes frames for ever from a peer that does not read"


def test_a_body_is_relayed_octet_for_octet(site: Site) -> None:
    peer = site.log_in(BUS)
    peer.subscribe(RAW + "octets.#")
    forged = b"\0\0MESSAGE\nsubscription:other\n\n\0"
    for body in (b"", b"\0", forged, b"\xff\xfe", b"\xed\xa0\x80", bytes(range(256)), b"\n" * 9):
        frame = stomp_frame("SEND", body, {"destination": RAW + "octets.a", "content-length": len(body)})
        peer.send(ws_frame(frame, BINARY))
        assert peer.expect("MESSAGE").body == body


# --- bodies that a message type has to read


def full(*more: str) -> str:
    return event()[:-1] + "".join("," + text for text in more) + "}"


#: body, and whether it is taken
BODIES: dict[str, tuple[str | bytes, bool]] = {
    "100,000 lists in each other": (full('"x":' + "[" * 50_000 + "]" * 50_000), False),
    "60,000 objects in each other": (full('"x":' + '{"a":' * 40_000 + "1" + "}" * 40_000), False),
    "lists that never end": ("[" * 200_000, False),
    "lists where numbers belong": (full('"boundingBox":' + "[" * 50_000 + "]" * 50_000), False),
    "a number of 200,000 digits for an id": (event().replace('"eventId":1', '"eventId":' + "9" * 200_000), False),
    "a number of 200,000 digits somewhere": (full('"x":' + "9" * 200_000), True),
    "a fraction of 200,000 digits": (full('"confidence":0.' + "1" * 200_000), True),
    "1e999999": (full('"confidence":1e999999'), False),
    "an id with an exponent": (event().replace('"eventId":1', '"eventId":1e5'), False),
    "NaN": (full('"confidence":NaN'), False),
    "Infinity": (full('"confidence":Infinity'), False),
    "20,000 keys": (full(*(f'"k{n}":1' for n in range(20_000))), True),
    "the same key 20,000 times": (full(*('"eventId":1' for _ in range(20_000))), True),
    "the account twice, the last one foreign": (
        full('"source":{"type":"camera","sourceId":32,"accountId":777}'),
        False,
    ),
    "a lone surrogate in a type": (event().replace("personDetected", "\\ud800"), False),
    "a lone surrogate in a text": (full('"namespace":"\\ud800"'), False),
    "a lone surrogate in what is not read": (full('"x":"\\udfff"'), False),
    "a surrogate as octets": (event().encode()[:-1] + b',"x":"\xed\xa0\x80"}', False),
    "an escaped NUL": (full('"namespace":"\\u0000"'), True),
    "a NUL": (full('"namespace":"\0"'), False),
    "a line feed in a text": (full('"namespace":"\n"'), False),
    "a byte order mark": ("\ufeff" + event(), False),
    "UTF-16": (event().encode("utf-16"), False),
    "two bodies": (event() * 2, False),
    "nothing": ("", False),
    "null": ("null", False),
    "a comment": ("/**/" + event(), False),
    "a comma too many": (event()[:-1] + ",}", False),
    "100,000 backslashes": (full('"x":"' + "\\\\" * 100_000 + '"'), True),
    "a time of 200,000 digits": (event().replace("+0000", "0" * 200_000), False),
    "a type that is an id's name": (event().replace("personDetected", "__class__"), False),
}


def test_a_body_that_is_a_bomb_or_no_body_is_an_error_at_once_and_what_is_taken_is_relayed_as_it_came(
    site: Site, subtests: pytest.Subtests
) -> None:
    subscriber = site.log_in(NORTHWIND)
    subscriber.subscribe(EVENTS + "#")
    for name, (body, taken) in BODIES.items():
        octets = body.encode() if isinstance(body, str) else body
        with subtests.test(name), site.log_in(ACME) as peer, site.server.memory_grows_less_than(8 * MIB):
            frame = stomp_frame("SEND", octets, {"destination": EVENTS + NORTHWIND_KEY, "content-length": len(octets),
                                                 "receipt": "r"})  # fmt: skip
            peer.send(ws_frame(frame, BINARY))
            found = peer.read(1)
            assert isinstance(found, StompFrame), found
            if taken:
                assert found.command == "RECEIPT", found
                assert subscriber.expect("MESSAGE").body == octets
            else:
                assert (found.command, found.headers["message"]) == ("ERROR", "Invalid body")
                assert found.headers["receipt-id"] == "r"
                assert len(found.body) < 1_000
    subscriber.expect_nothing(0.05)


def test_a_foreign_partner_does_not_get_what_a_body_says_but_its_key_does_not(site: Site) -> None:
    contoso = site.log_in(CONTOSO)
    contoso.subscribe(EVENTS + "#")
    acme = site.log_in(ACME)
    acme.frame("SEND", event(account=777), destination=EVENTS + NORTHWIND_KEY)
    assert acme.wait_closed(1).message == "Invalid body"
    acme = site.log_in(ACME)
    acme.frame("SEND", event(), destination=EVENTS + CONTOSO_KEY)
    assert acme.wait_closed(1).message == "Invalid body"
    contoso.expect_nothing(0.05)
