"""Transactions: their caps, and that COMMIT does all of one or nothing."""

from __future__ import annotations

import pytest

from tests.attacks.attacker import Attacker, stomp_frame, ws_frame
from tests.attacks.conftest import Site
from tests.attacks.people import (
    ACME,
    AUDITOR,
    BUS,
    CONTOSO_KEY,
    EVENTS,
    NORTHWIND,
    NORTHWIND_KEY,
    RAW,
    RIVAL_EVENTS,
    event,
)
from tests.attacks.server_process import MIB

TRANSACTIONS_MAX, ACTIONS_MAX = 16, 1_024


def delivered(peer: Attacker, count: int) -> list[str]:
    """Subscribe with ack:client-individual, send ``count`` events to it, and give their ack ids."""
    peer.subscribe(RAW + "tx.#", ack="client-individual")
    for number in range(count):
        peer.frame("SEND", str(number), destination=RAW + "tx.a")
    return [peer.expect("MESSAGE").headers["ack"] for _ in range(count)]


def test_ten_thousand_begins_end_at_the_cap(site: Site) -> None:
    peer = site.log_in(BUS)
    with site.server.memory_grows_less_than(10 * MIB):
        peer.stomp(*[stomp_frame("BEGIN", headers={"transaction": n}) for n in range(10_000)])
        closing = peer.wait_closed(1)
    assert closing.message == "Too many transactions"
    assert f"{TRANSACTIONS_MAX}" in closing.detail


def test_one_begin_with_a_million_sends_ends_at_the_cap(site: Site) -> None:
    witness, peer = site.log_in(BUS), site.log_in(BUS)
    witness.subscribe(RAW + "million")
    send = stomp_frame("SEND", "x", {"destination": RAW + "million", "transaction": "t"})
    peer.frame("BEGIN", transaction="t")
    with site.server.memory_grows_less_than(10 * MIB):
        for _ in range(1_000):
            if not peer.send(ws_frame(send) * 1_000):
                break
        closing = peer.wait_closed(1)
    assert closing.message == "Transaction too long"
    assert f"{ACTIONS_MAX}" in closing.detail
    witness.expect_nothing(0.05)


@pytest.mark.parametrize("where", ["bodies", "headers", "ack ids"])
def test_open_transactions_hold_a_bounded_number_of_octets(site: Site, where: str) -> None:
    frame = {
        "bodies": stomp_frame("SEND", "x" * 200_000, {"destination": RAW + "a", "transaction": "t"}),
        "headers": stomp_frame("SEND", "", {"destination": RAW + "a", "transaction": "t",
                                            **{f"h{n}": "x" * 8_000 for n in range(7)}}),
        "ack ids": stomp_frame("ACK", "", {"id": "x" * 8_000, "transaction": "t"}),
    }[where]  # fmt: skip
    peer = site.log_in(BUS)
    peer.frame("BEGIN", transaction="t")
    with site.server.memory_grows_less_than(12 * MIB):
        for _ in range(1_000):
            if not peer.stomp(frame):
                break
        assert peer.wait_closed(2).message == "Transaction too large"


def test_full_transactions_of_one_connection_cost_little_memory(site: Site) -> None:
    peer = site.log_in(BUS)
    with site.server.memory_grows_less_than(50 * MIB):
        for transaction in range(TRANSACTIONS_MAX):
            peer.frame("BEGIN", transaction=transaction)
            send = stomp_frame("SEND", "x", {"destination": RAW + "full", "transaction": transaction})
            peer.send(ws_frame(send) * ACTIONS_MAX)
        for transaction in range(TRANSACTIONS_MAX):
            peer.frame("COMMIT", transaction=transaction, receipt=transaction)
            peer.expect_receipt(str(transaction))


#: A SEND that spoils the transaction it is in: login, frame, message of the ERROR.
SPOILERS = {
    "to another system's exchange": (RIVAL_EVENTS + NORTHWIND_KEY, event(), "Access refused"),
    "to an exchange that is not there": ("/exchange/acme_nothing/a", event(), "Access refused"),
    "to an alias": ("/topic/acme_event_full_v24." + NORTHWIND_KEY, event(), "Unknown destination"),
    "with another partner's key": (EVENTS + CONTOSO_KEY, event(), "Invalid body"),
    "with an account that the partner has not": (EVENTS + "123" + NORTHWIND_KEY[2:], event(), "Invalid routing key"),
    "with a body that is none": (EVENTS + NORTHWIND_KEY, "x", "Invalid body"),
    "with a wildcard": (EVENTS + "12.#", event(), "Invalid routing key"),
}  # fmt: skip


def test_one_forbidden_send_in_a_transaction_spoils_all_of_it(site: Site, subtests: pytest.Subtests) -> None:
    auditor, partner = site.log_in(AUDITOR), site.log_in(NORTHWIND)
    auditor.subscribe(EVENTS + "12.#")
    auditor.subscribe(RIVAL_EVENTS + "#", id="1")
    partner.subscribe(EVENTS + "#")
    for name, (destination, body, message) in SPOILERS.items():
        for order in (0, 1):
            with subtests.test(name, order=order):
                acme = site.log_in(ACME)
                acme.frame("BEGIN", transaction="t")
                frames = [
                    stomp_frame("SEND", event(), {"destination": EVENTS + NORTHWIND_KEY, "transaction": "t"}),
                    stomp_frame("SEND", body, {"destination": destination, "transaction": "t"}),
                ]
                acme.stomp(*(frames if order else frames[::-1]))
                acme.frame("COMMIT", transaction="t", receipt="c")
                closing = acme.wait_closed(1)
                assert closing.error is not None
                assert (closing.message, closing.error.headers["receipt-id"]) == (message, "c")
    auditor.expect_nothing(0.05)
    partner.expect_nothing(0.05)


@pytest.mark.parametrize("end", ["ABORT", "DISCONNECT", "a cut", "an error"])
def test_nothing_of_a_transaction_that_was_not_committed_is_published(site: Site, end: str) -> None:
    witness, peer = site.log_in(BUS), site.log_in(BUS)
    witness.subscribe(RAW + "uncommitted")
    peer.frame("BEGIN", transaction="t")
    peer.frame("SEND", "x", destination=RAW + "uncommitted", transaction="t", receipt="r")
    peer.expect_receipt("r")
    if end == "an error":
        peer.frame("SUBSCRIBE")
    elif end == "a cut":
        peer.close()
    else:
        peer.frame(end, transaction="t", receipt="e")
        peer.expect_receipt("e")
    witness.expect_nothing(0.1)


def test_an_acknowledgement_that_cannot_be_done_spoils_the_transaction(site: Site, subtests: pytest.Subtests) -> None:
    cases = {
        "twice": ["ACK 0", "ACK 0"],
        "ACK and NACK": ["ACK 0", "NACK 0"],
        "what was acknowledged before": ["ACK 2"],
        "somebody else's": ["ACK 0", "ACK foreign"],
        "rubbish": ["ACK 0", "ACK rubbish"],
    }
    owner = site.log_in(BUS)
    (foreign,) = delivered(owner, 1)
    for name, actions in cases.items():
        for ack_mode in ("client", "client-individual"):
            with subtests.test(name, ack_mode=ack_mode):
                witness, peer = site.log_in(BUS), site.log_in(BUS)
                witness.subscribe(RAW + "spoilt")
                peer.subscribe(RAW + "acked", ack=ack_mode)
                for number in range(3):
                    peer.frame("SEND", str(number), destination=RAW + "acked")
                ids = [peer.expect("MESSAGE").headers["ack"] for _ in range(3)]
                peer.frame("ACK", id=ids[2] if ack_mode == "client-individual" else ids[0])
                acked = {"0": ids[1], "2": ids[2] if ack_mode == "client-individual" else ids[0], "foreign": foreign}
                peer.frame("BEGIN", transaction="t")
                peer.frame("SEND", "x", destination=RAW + "spoilt", transaction="t")
                for action in actions:
                    verb, which = action.split()
                    peer.frame(verb, id=acked.get(which, which), transaction="t")
                peer.frame("COMMIT", transaction="t", receipt="c")
                closing = peer.wait_closed(1)
                assert closing.error is not None
                assert closing.error.headers["receipt-id"] == "c"
                witness.expect_nothing(0.01)
    owner.frame("NACK", id=foreign)
    assert owner.expect("MESSAGE").headers["redelivered"] == "true"


def test_what_is_acknowledged_in_an_aborted_transaction_is_still_unacknowledged(site: Site) -> None:
    peer = site.log_in(BUS)
    (ack_id,) = delivered(peer, 1)
    peer.frame("BEGIN", transaction="t")
    peer.frame("ACK", id=ack_id, transaction="t")
    peer.frame("ABORT", transaction="t")
    peer.frame("NACK", id=ack_id)
    assert peer.expect("MESSAGE").headers["redelivered"] == "true"


def test_a_transaction_is_its_sessions_own(site: Site) -> None:
    one, other = site.log_in(BUS), site.log_in(BUS)
    one.frame("BEGIN", transaction="t", receipt="b")
    one.expect_receipt("b")
    other.frame("SEND", "x", destination=RAW + "a", transaction="t")
    assert other.wait_closed(1).message == "Bad transaction"
    one.frame("COMMIT", transaction="t", receipt="c")
    one.expect_receipt("c")
    one.frame("COMMIT", transaction="t")
    assert one.wait_closed(1).message == "Bad transaction"
