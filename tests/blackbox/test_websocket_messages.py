"""STOMP in WebSocket messages: one frame in each that goes out, any cut at all of what comes in."""

import pytest

from tests.blackbox.logins import PARTNER_7, SERVICE, SYSTEM
from tests.blackbox.raw import Closed, Frame, RawWebSocket, connect_frame, frame, parse_frames
from tests.blackbox.recording import EXCHANGE, of_partner, recording

BUS = "/exchange/bus_raw"
TEXT = "Grüße, 東京".encode()


@pytest.fixture
def peer(server):
    """A service that receives on ``bus.#`` what it sends there."""
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(frame("SUBSCRIBE", id="0", destination=f"{BUS}/#", receipt="ready"))
        assert peer.frame().command == "RECEIPT"
        yield peer


def only_frame(message: str | bytes) -> Frame:
    """The frame in a message that holds exactly one, which ends in NUL and LF."""
    data = message.encode() if isinstance(message, str) else message
    assert data.endswith(b"\0\n")
    frames, rest = parse_frames(data)
    assert (len(frames), rest) == (1, b"")
    return frames[0]


def test_each_message_that_goes_out_holds_one_frame_however_many_are_due(server):
    events = recording()
    with RawWebSocket(server.ws_url) as consumer, RawWebSocket(server.ws_url) as publisher:
        consumer.log_in(PARTNER_7)
        publisher.log_in(SYSTEM)
        consumer.send(frame("SUBSCRIBE", id="0", destination=f"{EXCHANGE}/#", receipt="ready"))
        assert only_frame(consumer.message()).command == "RECEIPT"
        sends = [frame("SEND", event.body, destination=event.destination, receipt="r") for event in events]
        publisher.send(b"".join(sends))
        due = of_partner(7)
        assert [only_frame(consumer.message()).body for _ in due] == [event.body for event in due]
        for _ in events:
            assert only_frame(publisher.message()).command == "RECEIPT"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"plain", str),
        (TEXT, str),
        (b"", str),
        (b"a\0b", str),
        (b"\xff\xd8\xff\xe0 a picture \0\0", bytes),
        (TEXT[:-1], bytes),
    ],
)
@pytest.mark.parametrize("ack", ["auto", "client"])
def test_text_comes_as_text_and_what_is_no_utf_8_as_binary(server, ack, body, kind):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(frame("SUBSCRIBE", id="0", destination=f"{BUS}/#", ack=ack))
        peer.send(frame("SEND", body, **{"destination": f"{BUS}/x", "content-length": len(body)}))
        message = peer.message()
        assert type(message) is kind
        assert only_frame(message).body == body


ASKED = frame("SEND", TEXT, destination=f"{BUS}/cut", note="grün", receipt="r")
CUTS = range(1, len(ASKED))


def answers(peer):
    """What a SEND with a receipt brings to a sender that is subscribed, in either order."""
    received = {frame.command: frame for frame in peer.frames(2)}
    assert received["MESSAGE"].body == TEXT
    assert received["MESSAGE"].headers["note"] == "grün"
    assert received["RECEIPT"].headers == {"receipt-id": "r"}


def test_a_frame_may_be_cut_over_two_messages_at_any_octet(peer):
    for cut in CUTS:
        peer.send(ASKED[:cut])
        peer.send(ASKED[cut:])
        answers(peer)


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
def test_a_message_may_be_fragmented_at_any_octet_or_character(peer, as_text):
    whole = ASKED.decode() if as_text else ASKED
    for cut in range(1, len(whole)):
        peer.send([whole[:cut], whole[cut:]])
        answers(peer)


def test_a_frame_may_come_octet_by_octet_in_messages_and_in_fragments(peer):
    octets = [ASKED[at : at + 1] for at in range(len(ASKED))]
    for octet in octets:
        peer.send(octet)
    answers(peer)
    peer.send(octets)
    answers(peer)


def test_a_message_may_hold_several_frames_and_a_part_of_the_next(peer):
    stream = ASKED * 3
    for cut in (0, 1, len(ASKED) // 2, len(ASKED) - 1):
        peer.send(stream[: len(ASKED) * 2 + cut])
        peer.send(stream[len(ASKED) * 2 + cut :])
        for _ in range(3):
            peer.frames(2)


def test_ends_of_line_may_be_crlf_and_may_stand_between_frames(peer):
    head, _, body = ASKED.partition(b"\n\n")
    crlf = head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body
    peer.send(b"\n\r\n" + crlf + b"\r\n\n" + crlf + b"\n")
    for _ in range(4):
        peer.frame()
    peer.send("\n")
    for cut in range(1, len(crlf)):
        peer.send(crlf[:cut])
        peer.send(crlf[cut:])
        answers(peer)


def test_a_nul_within_content_length_is_part_of_the_body(peer):
    body = b"\0one\0\0SEND\n\ntwo\0"
    whole = frame("SEND", body, **{"destination": f"{BUS}/nul", "content-length": len(body)})
    for cut in range(1, len(whole)):
        peer.send(whole[:cut])
        peer.send(whole[cut:])
        assert peer.frame().body == body


def test_a_whole_session_may_come_in_one_message(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.send(connect_frame(SERVICE) + ASKED + frame("DISCONNECT", receipt="bye"))
        connected, *receipts = peer.frames(3)
        assert connected.command == "CONNECTED"
        assert receipts == [Frame("RECEIPT", {"receipt-id": receipt}, b"") for receipt in ("r", "bye")]
        assert peer.closed().code == 1000


@pytest.mark.parametrize("offered", [["v12.stomp"], ["v10.stomp", "v11.stomp"], ["graphql-ws"], []])
def test_the_best_subprotocol_that_is_offered_is_agreed_on(server, offered):
    """RFC 6455 section 4.2.2: one of those offered, or none."""
    best = max((name for name in offered if name.endswith(".stomp")), default=None)
    with RawWebSocket(server.ws_url, subprotocols=offered) as peer:
        assert peer.socket.subprotocol == best
        peer.log_in(SERVICE)


def test_after_an_error_comes_the_close_code_and_nothing_else(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(b"FOO\n\n\0" + ASKED)
        assert peer.frame().command == "ERROR"
        with pytest.raises(Closed) as closed:
            peer.message()
        assert (closed.value.code, closed.value.reason) == (1002, "Bad command")
