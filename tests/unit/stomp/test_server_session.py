"""The session as a table of (state, command), what each verb reads, its limits, and that nothing makes it raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import ClientError, LimitError, ProtocolError
from heliograph.limits import Limits
from heliograph.stomp.events import (
    Ack,
    Commit,
    Connect,
    Disconnect,
    Done,
    Event,
    Nack,
    Send,
    Subscribe,
    Unsubscribe,
    Violation,
)
from heliograph.stomp.frame import CLIENT_COMMANDS
from heliograph.stomp.parser import head_cache
from heliograph.stomp.server_session import NOT_PASSED_ON, ServerSession, State
from heliograph.stomp.version import V10, V11, V12
from tests.unit.stomp.sessions import LIMITS, REPEATED, frame, new, opened
from tests.unit.stomp.wire_cases import WIRE_CASES, cut_at


def violation(events: list[Event]) -> Violation:
    last = events[-1]
    assert isinstance(last, Violation)
    assert not any(isinstance(event, Violation) for event in events[:-1])
    return last


def told(session: ServerSession, octets: bytes) -> tuple[str, str]:
    """Message and detail of the violation, which says how to mend it, and ends the session."""
    error = violation(session.receive(octets)).error
    assert isinstance(error, ClientError)
    assert error.message
    assert error.detail.endswith((".", "1.2"))
    assert session.state is State.OVER
    return error.message, error.detail


# --- what is legal when


#: every verb as it should be, in a session that has subscription "s" and transaction "t"
LEGAL: dict[str, tuple[bytes, type[Any]]] = {
    "CONNECT": (frame("CONNECT", accept_version="1.2", host="here"), Connect),
    "STOMP": (frame("STOMP", accept_version="1.2"), Connect),
    "SEND": (frame("SEND", b"{}", destination="/x"), Send),
    "SUBSCRIBE": (frame("SUBSCRIBE", id="new", destination="/x"), Subscribe),
    "UNSUBSCRIBE": (frame("UNSUBSCRIBE", id="s"), Unsubscribe),
    "ACK": (frame("ACK", id="x@@y@@1"), Ack),
    "NACK": (frame("NACK", id="x@@y@@1"), Nack),
    "BEGIN": (frame("BEGIN", transaction="u"), Done),
    "COMMIT": (frame("COMMIT", transaction="t"), Commit),
    "ABORT": (frame("ABORT", transaction="t"), Done),
    "DISCONNECT": (frame("DISCONNECT"), Disconnect),
}

CONNECTS = ("CONNECT", "STOMP")


def in_state(state: State) -> ServerSession:
    session = new()
    if state is not State.NEW:
        session.receive(frame("CONNECT", accept_version="1.2"))
    if state in (State.OPEN, State.OVER):
        session.accept()
        session.resume()
        session.receive(frame("SUBSCRIBE", id="s", destination="/x") + frame("BEGIN", transaction="t"))
    if state is State.OVER:
        session.receive(frame("DISCONNECT"))
    assert session.state is state
    return session


def test_the_table_of_the_test_knows_every_command() -> None:
    assert LEGAL.keys() == CLIENT_COMMANDS


@pytest.mark.parametrize("command", LEGAL)
def test_new_takes_connect_and_stomp_alone(command: str) -> None:
    session = in_state(State.NEW)
    if command in CONNECTS:
        assert [type(event) for event in session.receive(LEGAL[command][0])] == [Connect]
        assert session.state is State.LOGIN
    else:
        message, detail = told(session, LEGAL[command][0])
        assert message == "Illegal command"
        assert detail.startswith("You must log in using CONNECT first")
        assert command in detail


@pytest.mark.parametrize("command", LEGAL)
def test_what_comes_while_logging_in_waits_until_it_is_done(command: str) -> None:
    session = in_state(State.LOGIN)
    assert session.receive(LEGAL[command][0]) == []
    assert session.state is State.LOGIN
    session.accept()
    events = session.resume()
    assert len(events) == 1
    if command in CONNECTS:
        assert violation(events).error.message == "Illegal command"


@pytest.mark.parametrize("command", LEGAL)
def test_open_takes_every_verb_but_a_second_connect(command: str) -> None:
    octets, kind = LEGAL[command]
    session = in_state(State.OPEN)
    if command in CONNECTS:
        assert told(session, octets) == ("Illegal command", "This session is connected already; CONNECT comes once.")
    else:
        assert [type(event) for event in session.receive(octets)] == [kind]
        assert session.state is (State.OVER if command == "DISCONNECT" else State.OPEN)


@pytest.mark.parametrize("command", LEGAL)
def test_nothing_comes_of_a_session_that_is_over(command: str) -> None:
    session = in_state(State.OVER)
    assert session.receive(LEGAL[command][0]) == []
    assert session.receive(b"FOO\n\n\0") == []


def test_an_empty_piece_does_not_end_the_wait_for_the_login() -> None:
    session = in_state(State.LOGIN)
    assert session.receive(LEGAL["SUBSCRIBE"][0]) == []
    assert session.receive(b"") == []
    session.accept()
    assert [type(event) for event in session.resume()] == [Subscribe]


def test_before_the_login_one_frame_is_read_whatever_it_is() -> None:
    cache = head_cache(LIMITS)
    session = new(cache=cache)
    violation(session.receive(LEGAL["SEND"][0] * 1_000))
    assert session.receive(LEGAL["SEND"][0]) == []
    assert len(cache[V12]) == 0


def test_too_much_at_once_before_the_login_is_refused() -> None:
    session = new(Limits(unauthenticated_bytes_max=100))
    events = session.receive(frame("CONNECT", accept_version="1.2") + b"\n" * 101)
    assert type(events[0]) is Connect
    assert "unauthenticated_bytes_max" in violation(events).error.detail


def test_what_comes_after_a_fault_is_dropped() -> None:
    session = opened()
    good = frame("SEND", destination="/x", receipt="1")
    events = session.receive(good + frame("ACK") + good)
    assert [type(event) for event in events] == [Send, Violation]
    assert session.receive(good) == []


# --- CONNECT


@pytest.mark.parametrize(
    ("accept_version", "version"),
    [
        (None, V10),
        ("1.0", V10),
        ("1.1", V11),
        ("1.2", V12),
        ("1.0,1.1,1.2", V12),
        ("1.2,1.1,1.0", V12),
        ("1.0,1.1,2.0", V11),
        ("1.1, 1.0", V11),
        ("1.10,1.0", V10),
    ],
)
def test_the_highest_common_version_is_agreed_on(accept_version: str | None, version: str) -> None:
    session = new()
    headers = {} if accept_version is None else {"accept_version": accept_version}
    assert [type(event) for event in session.receive(frame("CONNECT", **headers))] == [Connect]
    assert session.version == version


@pytest.mark.parametrize("accept_version", ["9.9", "", ",", "1", "1.2.3", "x" * 1_000])
def test_no_common_version_is_an_error_with_the_supported_ones(accept_version: str) -> None:
    message, detail = told(new(), frame("CONNECT", accept_version=accept_version))
    assert message == "Version mismatch"
    assert detail.startswith("Supported versions are 1.0,1.1,1.2")
    assert len(detail) < 200


def test_the_agreed_version_decides_how_what_follows_is_read() -> None:
    for version, expected in ((V10, "\\c"), (V11, ":"), (V12, ":")):
        session = new()
        session.receive(frame("CONNECT", accept_version=version) + frame("SEND", destination="\\c"))
        session.accept()
        (event,) = session.resume()
        assert isinstance(event, Send)
        assert event.head.destination == expected


@pytest.mark.parametrize(
    ("wish", "ours"),
    [
        (None, "0,0"),
        ("0,0", "0,0"),
        ("10000,20000", "20000,10000"),
        ("1,1", "1000,1000"),
        ("0,5000", "5000,0"),
        (" 5000 , 0 ", "0,5000"),
        ("2147483647,0", "0,2147483647"),
    ],
)
def test_heart_beats_are_granted_but_not_below_the_floor(wish: str | None, ours: str) -> None:
    session = new()
    headers = {} if wish is None else {"heart_beat": wish}
    session.receive(frame("CONNECT", accept_version="1.2", **headers))
    assert str(session.heartbeat) == ours


@pytest.mark.parametrize(
    "wish", ["", "1", "1,", ",1", "a,b", "-1,0", "1,2,3", "1.5,0", "2147483648,0", "1" * 50 + ",0", "١,٢"]
)
def test_rubbish_for_heart_beats_is_an_error(wish: str) -> None:
    message, detail = told(new(), frame("CONNECT", accept_version="1.2", heart_beat=wish))
    assert message == "Invalid header"
    assert "10000,10000" in detail


def test_credentials_are_read_as_they_stand_and_are_not_printed() -> None:
    (event,) = new().receive(frame("CONNECT", accept_version="1.2", login="a:b", passcode="p\\cq"))
    assert isinstance(event, Connect)
    assert (event.login, event.passcode) == ("a:b", "p\\cq")
    assert "p\\cq" not in repr(event)
    (event,) = new().receive(frame("CONNECT", accept_version="1.2"))
    assert isinstance(event, Connect)
    assert (event.login, event.passcode) == ("", "")


# --- the verbs


def test_send_names_its_destination_and_what_a_message_repeats() -> None:
    (event,) = opened().receive(
        frame("SEND", b"{}", content_type="application/json", destination="/x", receipt="r", foo="1", persistent="true")
    )
    assert isinstance(event, Send)
    assert (event.head.destination, event.body, event.receipt) == ("/x", b"{}", "r")
    assert list(event.head.headers.items()) == [
        ("foo", "1"),
        ("persistent", "true"),
        ("content-type", "application/json"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *sorted(NOT_PASSED_ON - {"message-id"}),
        "Content-Length",
        "USER-ID",
        " subscription",
        "ack ",
        "\tMessage-Id ",
        "\u00a0ack",
    ],
)
def test_a_message_repeats_nothing_that_is_the_senders_own_or_the_servers_to_say(name: str) -> None:
    octets = b"SEND\ndestination:/x\n" + name.encode() + b":0\n\n\0"
    session = opened()
    session.receive(frame("BEGIN", transaction="0"))
    events = session.receive(octets) + session.receive(frame("COMMIT", transaction="0"))
    sends = [e for e in events if isinstance(e, Send)] + [
        a for e in events if isinstance(e, Commit) for a in e.actions if isinstance(a, Send)
    ]
    assert [dict(send.head.headers) for send in sends] == [{}]
    assert sends[0].head.destination == "/x"


def test_subscribe_with_and_without_id() -> None:
    session = opened()
    octets = frame("SUBSCRIBE", destination="/x", ack="client", prefetch_count="7", receipt="r", foo="bar")
    (event,) = session.receive(octets)
    assert isinstance(event, Subscribe)
    assert (event.tag, event.id, event.destination) == ("Q_/x", None, "/x")
    assert (event.ack, event.prefetch_count, event.receipt) == ("client", 7, "r")
    assert event.headers["foo"] == "bar"
    (event,) = session.receive(frame("SUBSCRIBE", id="/x", destination="/x"))
    assert isinstance(event, Subscribe)
    assert (event.tag, event.id, event.ack, event.prefetch_count) == ("T_/x", "/x", "auto", None)


def test_an_id_or_a_destination_is_free_again_after_unsubscribe() -> None:
    session = opened()
    for octets in (frame("SUBSCRIBE", id="1", destination="/x"), frame("SUBSCRIBE", destination="/x")):
        session.receive(octets)
        (event,) = session.receive(octets.replace(b"SUBSCRIBE", b"UNSUBSCRIBE"))
        assert isinstance(event, Unsubscribe)
        assert [type(event) for event in session.receive(octets)] == [Subscribe]


def test_a_subscription_that_the_server_ended_can_be_made_again() -> None:
    session = opened()
    session.receive(frame("SUBSCRIBE", id="1", destination="/x"))
    session.ended("T_1")
    session.ended("T_unknown")
    assert [type(event) for event in session.receive(frame("SUBSCRIBE", id="1", destination="/x"))] == [Subscribe]


@pytest.mark.parametrize(("version", "name"), [(V12, "id"), (V11, "message_id"), (V10, "message_id")])
def test_ack_and_nack_name_the_delivery_as_their_version_says(version: str, name: str) -> None:
    session = opened(version)
    assert session.receive(frame("ACK", **{name: "t@@s@@1"}, subscription="s", receipt="r")) == [Ack("t@@s@@1", "r")]
    assert session.receive(frame("NACK", **{name: "t@@s@@1"})) == [Nack("t@@s@@1", True, None)]
    assert session.receive(frame("NACK", **{name: "t@@s@@1"}, requeue="false")) == [Nack("t@@s@@1", False, None)]
    other = "id" if name == "message_id" else "message_id"
    assert told(session, frame("ACK", **{other: "t@@s@@1"}))[0] == "Missing header"


@pytest.mark.parametrize(
    "octets",
    [
        b"ACK\nid:t@@s@@1\n\n\0",
        b"ACK\nid:t@@s@@1\n\n\0\n",
        b"ACK\nid:t@@s@@1\r\n\n\0",
        b"ACK\r\nid:t@@s@@1\r\n\r\n\0",
        b"ACK\nid:t@@s@@1\nsubscription:t\n\n\0",
        b"ACK\nsubscription:t\nid:t@@s@@1\n\n\0",
        b"ACK\nid:t@@s@@1\nid:u\n\n\0\n\n",
        b"ACK\nid:t@@s@@1\ncontent-length:0\n\n\0",
        b"\nACK\nid:t@@s@@1\n\n\0",
    ],
)
def test_however_an_ack_is_written_it_is_the_same(octets: bytes) -> None:
    assert opened().receive(octets) == [Ack("t@@s@@1", None)]


def test_an_ack_id_is_unescaped() -> None:
    assert opened().receive(b"ACK\nid:a\\cb\xc3\xa9@@1\n\n\0") == [Ack("a:bé@@1", None)]
    assert told(opened(), b"ACK\nid:\xff\n\n\0")[0] == "Malformed header"
    assert told(opened(), b"ACK\nid:a\0b\n\n\0")[0] == "Malformed frame"


def test_a_disconnect_carries_its_receipt() -> None:
    assert opened().receive(frame("DISCONNECT", receipt="bye")) == [Disconnect("bye")]


# --- transactions


def test_a_transaction_comes_out_at_commit_in_the_order_it_was_sent() -> None:
    session = opened()
    events = session.receive(
        frame("BEGIN", transaction="t", receipt="0")
        + frame("SEND", b"1", destination="/x", transaction="t", receipt="1")
        + frame("SEND", b"now", destination="/x")
        + frame("ACK", id="a@@s@@1", transaction="t", receipt="2")
        + frame("NACK", id="a@@s@@2", transaction="t")
        + frame("SEND", b"2", destination="/x", transaction="t")
    )
    assert [event for event in events if isinstance(event, Done)] == [
        Done("0"),
        Done("1"),
        Done("2"),
        Done(None),
        Done(None),
    ]
    assert [event.body for event in events if isinstance(event, Send)] == [b"now"]
    (commit,) = session.receive(frame("COMMIT", transaction="t", receipt="c"))
    assert isinstance(commit, Commit)
    assert commit.receipt == "c"
    assert [type(action) for action in commit.actions] == [Send, Ack, Nack, Send]
    assert [action.receipt for action in commit.actions] == [None] * 4
    assert [action.body for action in commit.actions if isinstance(action, Send)] == [b"1", b"2"]


def test_an_aborted_transaction_is_forgotten_and_its_name_free() -> None:
    session = opened()
    session.receive(frame("BEGIN", transaction="t") + frame("SEND", destination="/x", transaction="t"))
    assert session.receive(frame("ABORT", transaction="t", receipt="r")) == [Done("r")]
    session.receive(frame("BEGIN", transaction="t"))
    assert session.receive(frame("COMMIT", transaction="t")) == [Commit([], None)]


def test_transactions_do_not_mix() -> None:
    session = opened()
    session.receive(frame("BEGIN", transaction="a") + frame("BEGIN", transaction="b"))
    for name in "abab":
        session.receive(frame("SEND", name.encode(), destination="/x", transaction=name))
    (b,) = session.receive(frame("COMMIT", transaction="b"))
    (a,) = session.receive(frame("COMMIT", transaction="a"))
    assert isinstance(a, Commit)
    assert isinstance(b, Commit)
    bodies = [[action.body for action in each.actions if isinstance(action, Send)] for each in (a, b)]
    assert bodies == [[b"a", b"a"], [b"b", b"b"]]


def test_the_octets_of_a_transaction_are_given_back_at_its_end() -> None:
    session = opened(limits=Limits(transaction_bytes_max=100))
    for ending in ("COMMIT", "ABORT") * 3:
        events = session.receive(
            frame("BEGIN", transaction="t")
            + frame("SEND", b"x" * 90, destination="/x", transaction="t")
            + frame(ending, transaction="t")
        )
        assert not any(isinstance(event, Violation) for event in events)


# --- every error: (octets, message, part of the detail)

# fmt: off
ERRORS = {
    "SEND without destination": (frame("SEND"), "Missing destination", "\"SEND\" must include a 'destination' header"),
    "SEND with message-id": (frame("SEND", destination="/x", message_id="1"), "Invalid header",
                             "'message-id' is not allowed on 'SEND'"),
    "SEND in no transaction": (frame("SEND", destination="/x", transaction="u"), "Bad transaction", "BEGIN it first"),
    "SUBSCRIBE without destination": (frame("SUBSCRIBE", id="1"), "Missing destination", "\"SUBSCRIBE\" must include"),
    "SUBSCRIBE with an ack that is none": (frame("SUBSCRIBE", destination="/x", ack="never"), "Invalid header",
                                           "auto, client, client-individual"),
    "SUBSCRIBE with an id twice": (frame("SUBSCRIBE", id="s", destination="/y"), "Duplicate subscription", "id 's'"),
    "SUBSCRIBE with a destination twice": (frame("SUBSCRIBE", destination="/d") * 2, "Duplicate subscription",
                                           "destination '/d' and no id"),
    "prefetch-count negative": (frame("SUBSCRIBE", destination="/x", prefetch_count="-1"), "Invalid header", "'-1'"),
    "prefetch-count no number": (frame("SUBSCRIBE", destination="/x", prefetch_count="x"), "Invalid header", "'x'"),
    "prefetch-count endless": (frame("SUBSCRIBE", destination="/x", prefetch_count="9" * 19), "Invalid header", "999"),
    "UNSUBSCRIBE of nothing": (frame("UNSUBSCRIBE"), "Missing header", "'id' or the 'destination'"),
    "UNSUBSCRIBE of an unknown id": (frame("UNSUBSCRIBE", id="u"), "No subscription found", "id 'u'"),
    "UNSUBSCRIBE of an unknown destination": (frame("UNSUBSCRIBE", destination="/u"), "No subscription found", "'/u'"),
    "ACK without id": (frame("ACK"), "Missing header", "\"ACK\" must include a 'id' header"),
    "NACK without id": (frame("NACK"), "Missing header", "\"NACK\" must include a 'id' header"),
    "NACK with a requeue that is none": (frame("NACK", id="1", requeue="yes"), "Invalid header", "'true' or 'false'"),
    "ACK in no transaction": (frame("ACK", id="1", transaction="u"), "Bad transaction", "'u'"),
    "NACK in no transaction": (frame("NACK", id="1", transaction="u"), "Bad transaction", "'u'"),
    "BEGIN without transaction": (frame("BEGIN"), "Missing header", "'transaction'"),
    "BEGIN twice": (frame("BEGIN", transaction="t"), "Bad transaction", "open already"),
    "COMMIT without transaction": (frame("COMMIT"), "Missing header", "'transaction'"),
    "COMMIT of an unknown one": (frame("COMMIT", transaction="u"), "Bad transaction", "BEGIN it first"),
    "COMMIT twice": (frame("COMMIT", transaction="t") * 2, "Bad transaction", "'t'"),
    "ABORT without transaction": (frame("ABORT"), "Missing header", "'transaction'"),
    "ABORT of an unknown one": (frame("ABORT", transaction="u"), "Bad transaction", "BEGIN it first"),
    "an unknown command": (frame("FOO"), "Bad command", "Could not interpret command 'FOO'"),
}
# fmt: on


@pytest.mark.parametrize("name", ERRORS)
def test_every_fault_is_an_error_that_says_how_to_mend_it(name: str) -> None:
    octets, message, part = ERRORS[name]
    found, detail = told(in_state(State.OPEN), octets)
    assert found == message
    assert part in detail


@pytest.mark.parametrize("name", ERRORS)
def test_every_fault_names_the_receipt_of_its_frame(name: str) -> None:
    octets = ERRORS[name][0]
    command, rest = octets.rsplit(b"\0", 2)[-2].split(b"\n", 1)
    before = octets.rsplit(b"\0", 2)[-3] + b"\0" if octets.count(b"\0") > 1 else b""
    events = in_state(State.OPEN).receive(before + command + b"\nreceipt:r\\c1\n" + rest + b"\0")
    assert violation(events).receipt == "r:1"


@pytest.mark.parametrize("text", ["x" * 8_000, "é" * 4_000, "\x01\x7f\u2028" * 1_000])
def test_what_a_client_sends_comes_back_cut_short(text: str) -> None:
    for octets in (
        frame("SUBSCRIBE", destination="/x", ack=text),
        frame("UNSUBSCRIBE", id=text),
        frame("UNSUBSCRIBE", destination=text),
        frame("COMMIT", transaction=text),
        frame("NACK", id="1", requeue=text),
        frame("SEND", content_length=text),
    ):
        assert len(told(in_state(State.OPEN), octets)[1]) < 2_000


# --- limits: at the limit it is taken, one over it refused


def begun(count: int) -> bytes:
    return b"".join(frame("BEGIN", transaction=number) for number in range(count))


# fmt: off
LIMIT_CASES: dict[str, tuple[dict[str, int], Callable[[int], bytes]]] = {
    "subscriptions_max": ({"subscriptions_max": 3}, lambda count: b"".join(
        frame("SUBSCRIBE", id=number, destination="/x") for number in range(count))),
    "transactions_max": ({"transactions_max": 3}, begun),
    "transaction_actions_max": ({"transaction_actions_max": 3}, lambda count: begun(1) + b"".join(
        frame("ACK", id=number, transaction=0) for number in range(count))),
    "transaction_bytes_max": ({"transaction_bytes_max": 3}, lambda count: begun(1) + b"".join(
        frame("SEND", b"xy"[: max(0, count - 2)], destination="/x", transaction=0) for _ in range(1))),
}
# fmt: on


@pytest.mark.parametrize("name", LIMIT_CASES)
def test_a_limit_is_reached_but_not_passed(name: str) -> None:
    changed, octets = LIMIT_CASES[name]
    (value,) = changed.values()
    limits = Limits(**changed)
    assert not any(isinstance(event, Violation) for event in opened(limits=limits).receive(octets(value)))
    error = violation(opened(limits=limits).receive(octets(value + 1))).error
    assert isinstance(error, LimitError)
    assert name in error.detail
    assert str(value) in error.detail


def test_an_unsubscribe_makes_room() -> None:
    session = opened(limits=Limits(subscriptions_max=1))
    for number in range(3):
        assert not any(
            isinstance(event, Violation)
            for event in session.receive(
                frame("SUBSCRIBE", id=number, destination="/x") + frame("UNSUBSCRIBE", id=number)
            )
        )


@pytest.mark.parametrize("verb", ["SEND", "ACK"])
def test_headers_count_in_a_transaction_too(verb: str) -> None:
    """Else 16 transactions of 1 024 empty SENDs with 64 KiB of headers each would hold a GiB."""
    session = opened(limits=Limits(transaction_bytes_max=10_000))
    session.receive(begun(1))
    name = "destination" if verb == "SEND" else "id"
    octets = b"".join(frame(verb, **{name: f"{number}{'x' * 2_000}"}, transaction=0) for number in range(6))
    error = violation(session.receive(octets)).error
    assert "transaction_bytes_max" in error.detail


# --- frames or a protocol error, nothing else


PIECES = st.sampled_from(
    [
        *(octets for octets, _ in LEGAL.values()),
        *(octets for octets, *_ in ERRORS.values()),
        *(case.octets for case in WIRE_CASES),
        REPEATED,
        REPEATED,
        REPEATED[:-1],
        b"\n",
        b"\0",
        b"SEND\n",
        b"destination:/x\n",
        b"receipt:1\n",
        b"transaction:t\n",
        b"content-length:2\n",
    ]
)


@st.composite
def octets(draw: st.DrawFn) -> bytes:
    """Good frames, faulty ones and rubbish in a row, with a few octets changed."""
    found = b"".join(draw(st.lists(PIECES | st.binary(max_size=6), max_size=8)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(found)))
        found = found[:at] + draw(st.binary(max_size=2)) + found[at + draw(st.integers(0, 2)) :]
    return found


def drive(session: ServerSession, pieces: list[bytes]) -> list[Event]:
    """All events; each CONNECT is accepted at once."""
    events: list[Event] = []
    for piece in pieces:
        batch = session.receive(piece)
        while batch:
            events += batch
            batch = []
            if isinstance(events[-1], Connect):
                session.accept()
                batch = session.resume()
    return events


def compared(event: Event) -> object:
    """Violations by receipt alone: which of two faults in a frame is named first may depend on the split."""
    if isinstance(event, Violation):
        assert isinstance(event.error, ProtocolError | LimitError)
        assert event.error.detail
        return "violation"
    if isinstance(event, Send):
        return event.head.destination, dict(event.head.headers), event.body, event.receipt
    if isinstance(event, Commit):
        return [compared(action) for action in event.actions], event.receipt
    return event


@given(octets(), st.lists(st.integers(0, 500)), st.sampled_from([V10, V11, V12]), st.booleans())
def test_octets_give_events_or_one_violation_and_nothing_after_it_wherever_they_are_cut(
    data: bytes, cuts: list[int], version: str, logged_in: bool
) -> None:
    def start() -> ServerSession:
        session = opened(version) if logged_in else new()
        if logged_in:
            session.receive(frame("SUBSCRIBE", id="s", destination="/x") + frame("BEGIN", transaction="t"))
        return session

    session = start()
    events = drive(session, [data])
    violations = [event for event in events if isinstance(event, Violation)]
    assert violations in ([], events[-1:])
    if violations:
        assert session.state is State.OVER
        assert drive(session, [LEGAL["SEND"][0], b"\n", b"FOO\n\n\0"]) == []
    assert [compared(event) for event in drive(start(), cut_at(data, cuts))] == [compared(event) for event in events]


@given(st.lists(octets(), max_size=6), st.booleans())
def test_short_and_long_way_together_give_what_the_long_one_gives_alone(pieces: list[bytes], warm: bool) -> None:
    alone, together = opened(), opened()
    for session in (alone, together) if warm else ():
        session.receive(REPEATED)
    expected = drive(alone, pieces)
    found: list[Event] = []
    others = iter(pieces)
    piece = next(others, None)
    while piece is not None:
        sends = together.short_way.sends(piece, others)
        if sends is None:
            found += drive(together, [piece])
            piece = next(others, None)
            continue
        heads, bodies, receipts, piece = sends
        found += [Send(*pair, receipts.get(n)) for n, pair in enumerate(zip(heads, bodies, strict=True))]
    assert [compared(event) for event in found] == [compared(event) for event in expected]
    assert together.state is alone.state
