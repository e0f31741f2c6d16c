"""The client's half of a session: every frame read back by the server's half, and every server frame read."""

import pytest

from heliograph.errors import ProtocolError
from heliograph.limits import Limits
from heliograph.stomp import events, serializer
from heliograph.stomp.client_session import ClientSession, Connected, Delivery, Receipt, Refusal, State
from heliograph.stomp.events import Violation
from heliograph.stomp.heartbeat import HeartBeat
from heliograph.stomp.server_session import ServerSession

LIMITS = Limits()
CONNECTED = b"CONNECTED\nversion:1.2\nsession:s-1\nserver:test/1\nheart-beat:0,0\n\n\0\n"


@pytest.fixture
def client() -> ClientSession:
    session = ClientSession(LIMITS)
    session.connect("here", HeartBeat())
    session.receive(CONNECTED)
    return session


@pytest.fixture
def server() -> ServerSession:
    session = ServerSession("session-x", LIMITS)
    session.receive(b"CONNECT\naccept-version:1.2\n\n\0")
    session.accept()
    session.resume()
    return session


AWKWARD = "a:b\\c\r\nd é"
ACK_ID = "T_0@@session-x@@1"

#: what is said → what the server hears
VERBS = {
    "ack": (lambda c: c.ack(ACK_ID, "r"), events.Ack(ACK_ID, "r")),
    "nack": (lambda c: c.nack(ACK_ID), events.Nack(ACK_ID, True, None)),
    "nack without requeue": (lambda c: c.nack(ACK_ID, requeue=False), events.Nack(ACK_ID, False, None)),
    "begin": (lambda c: c.begin(AWKWARD, "r"), events.Done("r")),
    "begin and commit": (lambda c: c.begin("t") + c.commit("t", "r"), events.Commit([], "r")),
    "begin and abort": (lambda c: c.begin("t") + c.abort("t", "r"), events.Done("r")),
    "disconnect": (lambda c: c.disconnect("r"), events.Disconnect("r")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_server_hears_what_the_client_says(client: ClientSession, server: ServerSession, verb: str):
    say, heard = VERBS[verb]
    assert server.receive(say(client))[-1] == heard


def test_send(client: ClientSession, server: ServerSession):
    headers = {"content-type": "application/json", AWKWARD: AWKWARD}
    (heard,) = server.receive(client.send("/exchange/x/1", b"{\0}", headers, "r:1"))
    assert isinstance(heard, events.Send)
    assert (heard.head.destination, heard.body, heard.receipt) == ("/exchange/x/1", b"{\0}", "r:1")
    assert list(heard.head.headers.items()) == [(AWKWARD, AWKWARD), ("content-type", "application/json")]


def test_subscribe_and_unsubscribe(client: ClientSession, server: ServerSession):
    (heard,) = server.receive(client.subscribe("0", "/exchange/x/#", "client", 7, {"x-mine": "1"}, "r"))
    assert isinstance(heard, events.Subscribe)
    assert (heard.id, heard.destination, heard.ack, heard.prefetch_count, heard.receipt) == (
        "0",
        "/exchange/x/#",
        "client",
        7,
        "r",
    )
    assert heard.headers["x-mine"] == "1"
    (heard,) = server.receive(client.unsubscribe("0"))
    assert isinstance(heard, events.Unsubscribe)


def test_actions_of_a_transaction(client: ClientSession, server: ServerSession):
    frames = [
        client.begin("t"),
        client.send("/exchange/x/1", b"", transaction="t"),
        client.ack(ACK_ID, transaction="t"),
        client.nack(ACK_ID, transaction="t"),
        client.commit("t"),
    ]
    committed = server.receive(b"".join(frames))[-1]
    assert isinstance(committed, events.Commit)
    assert [type(action) for action in committed.actions] == [events.Send, events.Ack, events.Nack]


@pytest.mark.parametrize("name", ["destination", "receipt", "content-length"])
def test_a_header_that_is_ours_is_refused(client: ClientSession, name: str):
    with pytest.raises(ValueError, match=name):
        client.send("/exchange/x/1", b"", {name: "x"}, "r")


def test_what_cannot_be_said_is_refused(client: ClientSession):
    with pytest.raises(ValueError, match="NUL"):
        client.send("/exchange/x/1", b"", {"a": "\0"})
    for evil in ("a\nadmin:true", "a\0", "a\r"):
        with pytest.raises(ValueError, match="passcode"):
            ClientSession(LIMITS).connect("here", HeartBeat(), "login", evil)


def test_connect_carries_credentials_only_where_given():
    session = ClientSession(LIMITS)
    assert session.connect("here", HeartBeat(1, 2)) == (b"CONNECT\naccept-version:1.2\nhost:here\nheart-beat:1,2\n\n\0")
    (heard,) = ServerSession("s", LIMITS).receive(session.connect("here", HeartBeat(), "a\\b:c", "d:e"))
    assert heard == events.Connect("a\\b:c", "d:e")


@pytest.mark.parametrize(
    ("offer", "answer", "agreed"),
    [
        (HeartBeat(10_000, 10_000), "0,0", HeartBeat()),
        (HeartBeat(0, 0), "10000,10000", HeartBeat()),
        (HeartBeat(500, 1_000), "2000,3000", HeartBeat(3_000, 2_000)),
        (HeartBeat(5_000, 6_000), "1000,1000", HeartBeat(5_000, 6_000)),
        (HeartBeat(5_000, 0), "1000,1000", HeartBeat(5_000, 0)),
    ],
)
def test_heart_beats_are_the_slower_of_both_wishes(offer: HeartBeat, answer: str, agreed: HeartBeat):
    session = ClientSession(LIMITS)
    session.connect("here", offer)
    session.receive(CONNECTED.replace(b"0,0", answer.encode()))
    assert session.heartbeat == agreed


def test_connected_names_session_and_server():
    session = ClientSession(LIMITS)
    session.connect("here", HeartBeat())
    assert session.receive(b"\n" + CONNECTED) == [Connected("s-1", "test/1")]
    assert session.state is State.OPEN


def test_a_message_of_our_serializer_is_read(client: ClientSession):
    rest = serializer.message_middle("/exchange/x/1:2", {"a": AWKWARD}, "1.2") + b"3\n\n\0\n\0\0\n"
    wire = serializer.message_begin("0", "1.2") + b"message-id:m\\c1\nredelivered:true\nack:m\\c1\n" + rest
    for cut in range(len(wire)):
        (delivery,) = client.receive(wire[:cut]) + client.receive(wire[cut:])
        assert isinstance(delivery, Delivery)
        assert (delivery.subscription, delivery.destination) == ("0", "/exchange/x/1:2")
        assert (delivery.message_id, delivery.ack_id, delivery.redelivered) == ("m:1", "m:1", True)
        assert (delivery.headers["a"], delivery.body) == (AWKWARD, b"\0\n\0")


def test_receipt_and_error(client: ClientSession):
    frames = client.receive(
        serializer.receipt("r:1", "1.2") + serializer.error(ProtocolError("No", "Mend it."), "1.2", "r:2")
    )
    assert frames == [Receipt("r:1"), Refusal("No", "Mend it.", "r:2")]
    assert client.state is State.OVER
    assert client.receive(serializer.receipt("r:1", "1.2")) == []


#: what a server may not do
VIOLATIONS = {
    "MESSAGE before CONNECTED": (b"", b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/x\n\n\0"),
    "CONNECTED of a version not offered": (b"", b"CONNECTED\nversion:1.1\n\n\0"),
    "CONNECTED without a version": (b"", b"CONNECTED\n\n\0"),
    "heart-beat that is none": (b"", b"CONNECTED\nversion:1.2\nheart-beat:soon\n\n\0"),
    "CONNECTED twice": (CONNECTED, CONNECTED),
    "MESSAGE without subscription": (CONNECTED, b"MESSAGE\nmessage-id:1\ndestination:/x\n\n\0"),
    "RECEIPT without receipt-id": (CONNECTED, b"RECEIPT\n\n\0"),
    "a client's verb": (CONNECTED, b"SEND\ndestination:/x\n\n\0"),
    "no STOMP at all": (CONNECTED, b"HTTP/1.1 200 OK\r\n\r\nhello\0"),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_violation_ends_the_session(case: str):
    before, octets = VIOLATIONS[case]
    session = ClientSession(LIMITS)
    session.connect("here", HeartBeat())
    session.receive(before)
    (event,) = session.receive(octets)
    assert isinstance(event, Violation)
    assert session.state is State.OVER
    assert session.receive(CONNECTED) == []
