"""Where RabbitMQ 3.10 closes without a word, or lets pass what it should not, ours says what is wrong, then closes."""

from typing import NamedTuple

import pytest

from tests.blackbox.logins import SERVICE
from tests.blackbox.raw import Frame, RawWebSocket, connect_frame, frame

KEY = "/exchange/bus_raw/a.b"
SUBSCRIBE = frame("SUBSCRIBE", id="1", destination=KEY)


class Fault(NamedTuple):
    name: str
    frames: tuple[bytes, ...]
    message: str
    logged_in: bool = True


def fault(name: str, *frames: bytes, message: str, logged_in: bool = True) -> Fault:
    return Fault(name, frames, message, logged_in)


FAULTS = [
    fault("header without a colon", b"SEND\ndestination\n\n\0", message="Malformed header"),
    fault("undefined escape", frame("SEND", destination=KEY, x_note="a\\tb"), message="Invalid escape"),
    fault("second CONNECT", connect_frame(SERVICE), message="Illegal command"),
    fault("unknown exchange", SUBSCRIBE.replace(b"bus_raw", b"nosuch_raw"), message="Access refused"),
    fault("SEND to an unknown exchange", frame("SEND", destination="/exchange/nosuch/x"), message="Access refused"),
    fault("duplicate subscription id", SUBSCRIBE, SUBSCRIBE, message="Duplicate subscription"),
    fault("BEGIN of an open transaction", *[frame("BEGIN", transaction="t")] * 2, message="Bad transaction"),
    fault("no credentials", b"CONNECT\naccept-version:1.2\n\n\0", message="Bad CONNECT", logged_in=False),
    fault("a frame of 70 MiB", frame("SEND", destination=KEY, content_length=70 << 20), message="Body too large"),
    fault("a destination without a slash", frame("SEND", destination="nowhere"), message="Unknown destination"),
    fault("bad ack mode", frame("SUBSCRIBE", id="1", destination=KEY, ack="often"), message="Invalid header"),
    fault(
        "bad prefetch-count",
        frame("SUBSCRIBE", id="1", destination=KEY, ack="client", prefetch_count="many"),
        message="Invalid header",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_of_the_client_is_told_before_the_close(server, fault):
    with RawWebSocket(server.ws_url) as peer:
        if fault.logged_in:
            peer.log_in(SERVICE)
        for each in fault.frames:
            peer.send(each)
        error = peer.frame()
        assert (error.command, error.headers["message"]) == ("ERROR", fault.message)
        assert error.body
        closed = peer.closed()
        assert closed.code in (1002, 1008)
        assert closed.reason == fault.message


def test_disconnect_gets_its_receipt_over_websocket(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(frame("DISCONNECT", receipt="bye"))
        assert peer.frame() == Frame("RECEIPT", {"receipt-id": "bye"}, b"")
        assert peer.closed().code == 1000


def test_a_publishers_receipt_and_transaction_do_not_leak_into_messages(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(SUBSCRIBE + frame("BEGIN", transaction="t"))
        peer.send(frame("SEND", b"hi", destination=KEY, transaction="t", receipt="sent"))
        peer.send(frame("COMMIT", transaction="t", receipt="done"))
        # A subscriber without acknowledgements may see the event before it is on disk, and so before COMMIT's receipt.
        heard = [peer.frame() for _ in range(3)]
        receipts = [each.headers for each in heard if each.command == "RECEIPT"]
        (message,) = [each for each in heard if each.command == "MESSAGE"]
        assert receipts == [{"receipt-id": "sent"}, {"receipt-id": "done"}]
        assert not {"receipt", "transaction"} & message.headers.keys()


def test_an_ack_that_comes_twice_is_an_error_and_no_receipt(server):
    with RawWebSocket(server.ws_url) as peer:
        peer.log_in(SERVICE)
        peer.send(SUBSCRIBE.replace(b"\n\n", b"\nack:client-individual\n\n") + frame("SEND", b"hi", destination=KEY))
        ack = frame("ACK", id=peer.frame().headers["ack"], receipt="done")
        peer.send(ack)
        assert peer.frame().command == "RECEIPT"
        peer.send(ack)
        error = peer.frame()
        assert (error.command, error.headers["receipt-id"]) == ("ERROR", "done")
