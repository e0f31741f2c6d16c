"""Permission or credential withdrawn, account removed, while subscribed; what was stored before the deny stays denied.

The server reads its directory file again on SIGHUP.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.attacks.conftest import DIRECTORY, Site, Start
from tests.attacks.people import ACME, AUDITOR, CONTOSO, EVENTS, NORTHWIND, NORTHWIND_KEY, event

TEXT = DIRECTORY.read_text()
FACES = "/exchange/acme_face_v24/"
GRANT = 'grants = [{ system = "acme", message_types = ["event_full_v24", "face_v24"] }]'
WITHDRAWN = {
    "grant": TEXT.replace(GRANT, 'grants = [{ system = "acme", message_types = ["face_v24"] }]'),
    "password": TEXT.replace("northwind-password", "changed-password"),
    "partner": re.sub(r"\[\[partners\]\]\nid = 12\n.*?(?=\[\[partners)", "", TEXT, flags=re.DOTALL),
}
#: The row of the list: no message later than this after the change.
STOPPED_S = 5.0


class Operator:
    """Changes the directory of a server of its own."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._file = folder / "directory.toml"
        self._file.write_text(TEXT)
        self.site: Site = start(self._file)

    def change(self, text: str) -> None:
        """It is asked for when this returns, not yet done."""
        self._file.write_text(text)
        os.kill(self.site.server.pid, signal.SIGHUP)

    def change_and_wait(self, text: str) -> None:
        """It is done when this returns."""
        told = self._told()
        self.change(text)
        deadline = time.monotonic() + STOPPED_S
        while self._told() == told:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _told(self) -> int:
        log = self.site.server.log.read_bytes()
        return log.count(b"directory replaced") + log.count(b"changes=0")


@pytest.fixture
def operator(start: Start, tmp_path: Path) -> Operator:
    return Operator(start, tmp_path)


@pytest.mark.parametrize("what", WITHDRAWN)
@pytest.mark.parametrize("ack", ["auto", "client"])
def test_nothing_is_delivered_after_a_withdrawal_however_much_is_under_way(
    operator: Operator, what: str, ack: str
) -> None:
    site = operator.site
    victim, acme, auditor = site.log_in(NORTHWIND), site.log_in(ACME), site.log_in(AUDITOR)
    victim.subscribe(EVENTS + "#", ack=ack)
    auditor.subscribe(EVENTS + "12.#")
    operator.change(WITHDRAWN[what])
    error_after = None
    began = time.monotonic()
    for number in range(2_000):  # under way before, during and after it
        if not acme.frame("SEND", event(number), destination=EVENTS + NORTHWIND_KEY):
            break
        if number % 100 == 99:
            time.sleep(0.01)
    while error_after is None:
        found = victim.expect_any("MESSAGE", "ERROR", seconds=STOPPED_S)
        if found.command == "ERROR":
            error_after = time.monotonic() - began
            assert found.headers["message"] == "Access withdrawn"
    assert error_after < STOPPED_S
    assert victim.wait_closed(STOPPED_S).error is None, "the ERROR was the last frame"
    assert auditor.messages(0.3), "others see what is published"


@pytest.mark.parametrize("what", WITHDRAWN)
def test_what_was_withdrawn_is_not_got_back_by_connecting_again(operator: Operator, what: str) -> None:
    site = operator.site
    victim, acme = site.log_in(NORTHWIND), site.log_in(ACME)
    victim.subscribe(EVENTS + "#", ack="client", x_queue_name="q")
    acme.frame("SEND", event(1), destination=EVENTS + NORTHWIND_KEY, receipt="r")
    acme.expect_receipt("r")
    victim.expect("MESSAGE")
    operator.change_and_wait(WITHDRAWN[what])
    assert victim.expect("ERROR").headers["message"] == "Access withdrawn"
    for start in (
        {},
        {"x-stream-offset": "first"},
        {"x-queue-name": "q"},
        {"x-queue-name": "q", "x-dead-letter": "true"},
    ):
        peer = site.open()
        peer.frame("CONNECT", **{"accept-version": "1.2", "login": NORTHWIND.login, "passcode": NORTHWIND.passcode})
        answer = peer.expect_any("CONNECTED", "ERROR")
        if what == "grant":
            assert answer.command == "CONNECTED"
            peer.frame("SUBSCRIBE", **{"destination": EVENTS + "#", "id": "0", **start})
            assert peer.wait_closed().message == "Access refused"
        else:
            assert answer.headers["message"] == "Bad CONNECT"


def test_dead_letters_and_redeliveries_of_what_was_withdrawn_are_not_reached_by_another_name(
    operator: Operator,
) -> None:
    site = operator.site
    victim, acme = site.log_in(NORTHWIND), site.log_in(ACME)
    victim.subscribe(EVENTS + "#", ack="client-individual", x_queue_name="q")
    acme.frame("SEND", event(1), destination=EVENTS + NORTHWIND_KEY)
    victim.frame("NACK", id=victim.expect("MESSAGE").headers["ack"], requeue="false", receipt="n")
    victim.expect_receipt("n")
    operator.change_and_wait(WITHDRAWN["grant"])
    victim.expect("ERROR")
    for more, message in (
        ({"x-dead-letter": "true"}, "No durable subscription"),
        ({}, "Subscription differs"),
    ):
        peer = site.log_in(NORTHWIND)
        peer.frame("SUBSCRIBE", **{"destination": FACES + "#", "id": "0", "x-queue-name": "q", **more})
        assert peer.wait_closed().message == message


def test_a_directory_that_changes_all_the_time_disturbs_nobody_it_does_not_concern(operator: Operator) -> None:
    site = operator.site
    contoso, acme = site.log_in(CONTOSO), site.log_in(ACME)
    contoso.subscribe(EVENTS + "#", ack="client")
    for number in range(10):
        operator.change_and_wait(WITHDRAWN["grant"] if number % 2 else TEXT)
        acme.frame(
            "SEND", event(number, account=777), destination=EVENTS + "123.777.32.create.objectDetected.personDetected"
        )
        assert contoso.expect("MESSAGE").headers["redelivered"] == "false"


def test_removing_the_producer_while_it_sends_stores_nothing_more(operator: Operator) -> None:
    site = operator.site
    acme, auditor = site.log_in(ACME), site.log_in(AUDITOR)
    auditor.subscribe(EVENTS + "12.#")
    operator.change_and_wait(TEXT.replace("acme-secret", "changed-secret"))
    acme.frame("SEND", event(1), destination=EVENTS + NORTHWIND_KEY)
    assert acme.wait_closed().message == "Access withdrawn"
    auditor.expect_nothing(0.3)
