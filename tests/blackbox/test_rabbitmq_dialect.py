"""The same frames to a real RabbitMQ and to us: what existing clients are used to is what they get here.

Deliberate differences: with ack:auto the message-id is ``{exchange}@@{offset}``; ``content-length:0`` is sent for an
empty body; ``ack`` is sent in 1.0 and 1.1 too; an ERROR repeats the ``receipt-id`` and says in its body how to mend it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest

from tests.blackbox.logins import SERVICE, Login
from tests.blackbox.rabbitmq_node import RabbitmqNode
from tests.blackbox.raw import Frame, RawWebSocket, connect_frame, frame

pytestmark = pytest.mark.needs_rabbitmq

BUS = "/exchange/bus_raw"
KEY = f"{BUS}/a.b"
SESSION = re.compile(r"session-[\w-]{22}")

Talk = Callable[[RawWebSocket], list[Frame]]


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqNode]:
    node = RabbitmqNode(tmp_path_factory.mktemp("rabbitmq"))
    yield node
    node.stop()


@pytest.fixture
def both(server, rabbitmq):
    """``both(talk)``: what ours answers, and what RabbitMQ does."""

    def talk_to_both(talk: Talk) -> tuple[list[Frame], list[Frame]]:
        answers = []
        for url in (server.ws_url, rabbitmq.ws_url):
            with RawWebSocket(url) as peer:
                answers.append(talk(peer))
        return answers[0], answers[1]

    return talk_to_both


def comparable(answer: Frame) -> tuple[str, Mapping[str, str], bytes]:
    """Without what is different each time, or names the server."""
    headers = {name: SESSION.sub("SESSION", value) for name, value in answer.headers.items() if name != "server"}
    return answer.command, headers, answer.body


# --- CONNECTED


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"heart-beat": "5000,7000"},
        {"accept-version": "1.1"},
        {"accept-version": "1.0"},
        {"accept-version": "1.2,1.1,1.0"},
        {"host": "/"},
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [b"CONNECT", b"STOMP"])
def test_connected_has_the_same_headers(both, command, headers):
    def talk(peer):
        peer.send(connect_frame(SERVICE, **headers).replace(b"CONNECT", command))
        return [peer.frame()]

    (ours,), (theirs,) = both(talk)
    assert comparable(ours) == comparable(theirs)
    assert ours.headers["server"].startswith("heliograph/")
    assert SESSION.fullmatch(ours.headers["session"])


# --- MESSAGE and RECEIPT


def subscribed(version: str = "1.2", **headers: str) -> Talk:
    """SUBSCRIBE, then SEND two events to it; the first is given back and comes again, if acknowledgements are due."""

    def talk(peer: RawWebSocket) -> list[Frame]:
        peer.log_in(SERVICE, **{"accept-version": version})
        peer.send(frame("SUBSCRIBE", destination=f"{BUS}/#", **headers))
        named = "id" if version == "1.2" else "message-id"
        answers = []
        for body in (b"one", b"two"):
            peer.send(frame("SEND", body, destination=KEY, x_note="a\\cb\\\\c" if version != "1.0" else "ab"))
            answers.append(peer.frame())
        if headers["ack"] != "auto":
            if version != "1.0":
                peer.send(frame("NACK", **{named: answers[0].headers["message-id"], "subscription": "s"}))
                answers.append(peer.frame())
            answers.append(last_ack(peer, answers[-1], named))
        return answers

    return talk


def last_ack(peer: RawWebSocket, delivery: Frame, named: str) -> Frame:
    peer.send(frame("ACK", **{named: delivery.headers["message-id"], "subscription": "s", "receipt": "done"}))
    return peer.frame()


@pytest.mark.parametrize("subscription", [{"id": "s"}, {"id": "a\\cb"}, {}], ids=str)
@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_messages_to_acknowledge_have_the_same_headers_and_ids(both, ack, subscription):
    ours, theirs = both(subscribed(ack=ack, **subscription))
    assert [comparable(answer) for answer in ours] == [comparable(answer) for answer in theirs]
    assert [answer.command for answer in ours] == ["MESSAGE"] * 3 + ["RECEIPT"]
    assert ours[2].headers["redelivered"] == "true"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_older_versions_have_the_same_headers_and_ids(both, version):
    ours, theirs = both(subscribed(version, ack="client-individual", id="s"))
    for answer in ours:
        if answer.command == "MESSAGE":
            assert dict(answer.headers).pop("ack") == answer.headers["message-id"]
    without_ack = [
        Frame(answer.command, {n: v for n, v in answer.headers.items() if n != "ack"}, answer.body) for answer in ours
    ]
    assert [comparable(answer) for answer in without_ack] == [comparable(answer) for answer in theirs]


@pytest.mark.parametrize("subscription", [{"id": "s"}, {}], ids=str)
def test_messages_with_ack_auto_differ_in_the_form_of_their_id_alone(both, subscription):
    ours, theirs = both(subscribed(ack="auto", **subscription))
    for mine, yours in zip(ours, theirs, strict=True):
        assert re.fullmatch(r"bus_raw@@\d+", mine.headers["message-id"])
        assert {**mine.headers, "message-id": ""} == {**yours.headers, "message-id": ""}
        assert mine.body == yours.body


def test_a_publishers_headers_pass_alike_and_of_a_repeated_one_the_first(both):
    headers = {
        "destination": KEY,
        "content-type": "text/plain",
        "persistent": "true",
        "priority": "3",
        "correlation-id": "c",
        "reply-to": "/queue/x",
        "x-own": "1",
    }

    def talk(peer):
        peer.log_in(SERVICE)
        peer.send(frame("SUBSCRIBE", destination=KEY, id="s", ack="client"))
        peer.send(frame("SEND", b"hi", **headers).replace(b"x-own:1\n", b"x-own:1\nx-own:2\n"))
        return [peer.frame()]

    (ours,), (theirs,) = both(talk)
    assert comparable(ours) == comparable(theirs)
    assert ours.headers["x-own"] == "1"


def test_receipts_are_alike_for_every_verb(both):
    def talk(peer):
        peer.log_in(SERVICE)
        steps = [
            frame("SUBSCRIBE", destination=KEY, id="s"),
            frame("BEGIN", transaction="t"),
            frame("ABORT", transaction="t"),
            frame("BEGIN", transaction="t"),
            frame("COMMIT", transaction="t"),
            frame("SEND", b"hi", destination=f"{BUS}/elsewhere"),
            frame("UNSUBSCRIBE", id="s"),
        ]
        answers = []
        for number, step in enumerate(steps):
            peer.send(step.replace(b"\n", b"\nreceipt:a\\cb-%d\n" % number, 1))
            answers.append(peer.frame())
        return answers

    ours, theirs = both(talk)
    assert [comparable(answer) for answer in ours] == [comparable(answer) for answer in theirs]
    assert len(ours) == 7


# --- ERROR


class Row(NamedTuple):
    name: str
    frames: tuple[bytes, ...]
    message: str
    body: str  # how both bodies begin
    logged_in: bool = True


def row(name: str, *frames: bytes, message: str, body: str = "", logged_in: bool = True) -> Row:
    return Row(name, frames, message, body, logged_in)


OTHER_ACK = "T_1@@session-u0pwVrymhyUHmLLwD6ERnQ@@2"

ROWS = [
    row(
        "bad credentials",
        connect_frame(Login("guest", "wrong")),
        message="Bad CONNECT",
        body="Access refused for user 'guest'",
        logged_in=False,
    ),
    row(
        "version",
        connect_frame(SERVICE, **{"accept-version": "9.9"}),
        message="Version mismatch",
        body="Supported versions are 1.0,1.1,1.2",
        logged_in=False,
    ),
    row(
        "before CONNECT",
        frame("SEND", destination=KEY),
        message="Illegal command",
        body="You must log in using CONNECT first",
        logged_in=False,
    ),
    row("unknown command", frame("FOO"), message="Bad command", body="Could not interpret command "),
    row(
        "SEND without destination",
        frame("SEND"),
        message="Missing destination",
        body="\"SEND\" must include a 'destination' header",
    ),
    row(
        "SUBSCRIBE without destination",
        frame("SUBSCRIBE", id="1"),
        message="Missing destination",
        body="\"SUBSCRIBE\" must include a 'destination' header",
    ),
    row(
        "SEND to a bad destination",
        frame("SEND", destination="/nosuch/x"),
        message="Unknown destination",
        body="'/nosuch/x' is not a valid destination.",
    ),
    row(
        "SUBSCRIBE to a bad destination",
        frame("SUBSCRIBE", id="1", destination="/nosuch/x"),
        message="Unknown destination",
        body="'/nosuch/x' is not a valid destination.",
    ),
    row("ACK without id", frame("ACK"), message="Missing header", body='"ACK" must include '),
    row("ACK with a malformed id", frame("ACK", id="bogus"), message="Invalid header"),
    row("ACK with an unknown id", frame("ACK", id=OTHER_ACK), message="Subscription not found"),
    row("NACK with an unknown id", frame("NACK", id=OTHER_ACK), message="Subscription not found"),
    row("UNSUBSCRIBE unknown", frame("UNSUBSCRIBE", id="7"), message="No subscription found"),
    row(
        "message-id on SEND",
        frame("SEND", destination=KEY, message_id="1"),
        message="Invalid header",
        body="'message-id' is not allowed on 'SEND'",
    ),
    row("COMMIT unknown", frame("COMMIT", transaction="t"), message="Bad transaction"),
    row("ABORT unknown", frame("ABORT", transaction="t"), message="Bad transaction"),
    row("SEND in an unknown transaction", frame("SEND", destination=KEY, transaction="t"), message="Bad transaction"),
]


def told(peer: RawWebSocket, row: Row) -> list[Frame]:
    if row.logged_in:
        peer.log_in(SERVICE)
    for each in row.frames[:-1]:
        peer.send(each)
    peer.send(row.frames[-1])
    return [peer.frame()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_an_error_has_the_same_message_and_its_body_begins_alike(both, row):
    for (error,) in both(lambda peer: told(peer, row)):
        assert (error.command, error.headers["message"]) == ("ERROR", row.message)
        assert error.headers["content-type"] == "text/plain"
        assert error.headers["version"] == "1.0,1.1,1.2"
        assert int(error.headers["content-length"]) == len(error.body)
        assert error.body.decode().startswith(row.body)
