"""Guesses at passcodes: limited for an account and for an address, and no matter to whoever is known.

Each address of 127.0.0.0/8 is another peer to the server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attacks.attacker import Attacker, Closing, basic
from tests.attacks.conftest import Site, Start
from tests.attacks.http_request import Answer, ask
from tests.attacks.people import BUS, CONTOSO, NORTHWIND, Login

LIMITS = {"failed_logins_max": 20, "failed_logins_per_address_max": 60, "failed_logins_per_login_max": 300}
GUESSES = 1_000
GUESSER, OWNER = "127.0.0.2", "127.0.0.3"
WRONG, LIMITED = "Bad CONNECT", "Too many failed logins"


@pytest.fixture
def limited(start: Start) -> Site:
    """A server with the limits above, where the control connection is known at 127.0.0.1."""
    return start(http=True, **LIMITS)


def guess(site: Site, login: str, passcode: str, source: str = GUESSER) -> Closing:
    """How one login ends."""
    with Attacker(site.server.tcp, source=source) as peer:
        peer.frame("CONNECT", accept_version="1.2", login=login, passcode=passcode)
        return peer.wait_closed()


def ask_as(site: Site, login: str, password: str, source: str = GUESSER) -> Answer:
    """The same over HTTP."""
    return ask(site.server.http, "GET", "/exchanges", {"Authorization": basic(login, password)}, source=source)


def log_in(site: Site, who: Login, source: str) -> None:
    """It must be let in, and soon."""
    began = time.monotonic()
    with Attacker(site.server.tcp, source=source) as peer:
        peer.connect(*who)
    assert time.monotonic() - began < 2


def without_number(text: str) -> str:
    """An answer but for the seconds that are left."""
    return re.sub(r"\d+ seconds", "N seconds", text)


def test_a_thousand_wrong_passcodes_of_one_account_are_limited_and_its_owner_gets_in(limited: Site) -> None:
    answers: list[str] = []
    for number in range(GUESSES):
        closing = guess(limited, NORTHWIND.login, f"guess-{number}")
        assert closing.seconds < 2
        answers.append(closing.message)
        if number % 250 == 200:
            log_in(limited, NORTHWIND, OWNER)
    assert answers == [WRONG] * 20 + [LIMITED] * (GUESSES - 20)
    right, wrong = (guess(limited, NORTHWIND.login, each) for each in (NORTHWIND.passcode, "x"))
    assert right.message == LIMITED  # else a guesser would learn it
    assert without_number(right.detail) == without_number(wrong.detail)
    log_in(limited, CONTOSO, GUESSER)  # somebody else, who has the same address


def test_wrong_passcodes_of_a_thousand_accounts_are_limited_and_who_is_known_gets_in(limited: Site) -> None:
    log_in(limited, BUS, GUESSER)
    names = [*(f"guess-{number}" for number in range(GUESSES)), CONTOSO.login, "a:b", "é" * 300, ""]
    closings = [guess(limited, name, "x") for name in names if name]
    answers = [closing.message for closing in closings]
    assert answers == [WRONG] * 60 + [LIMITED] * (len(closings) - 60)
    assert len({without_number(closing.detail) for closing in closings[60:]}) == 1  # of those that there are, too
    assert max(closing.seconds for closing in closings) < 2
    log_in(limited, BUS, GUESSER)
    log_in(limited, CONTOSO, OWNER)
    assert guess(limited, *CONTOSO).message == LIMITED


def test_guesses_from_everywhere_are_limited_and_the_owner_gets_in_where_he_was_before(limited: Site) -> None:
    log_in(limited, NORTHWIND, OWNER)
    addresses = [f"127.0.{number}.1" for number in range(1, 41)]
    answers = [guess(limited, NORTHWIND.login, f"{n}", address).message for n in range(10) for address in addresses]
    assert answers == [WRONG] * 300 + [LIMITED] * 100
    log_in(limited, NORTHWIND, OWNER)
    assert guess(limited, *NORTHWIND, "127.0.99.1").message == LIMITED
    log_in(limited, CONTOSO, "127.0.99.1")


def test_guesses_at_once_are_no_more_than_one_after_another(limited: Site) -> None:
    peers = [limited.dial("tcp", source=GUESSER) for _ in range(100)]
    for number, peer in enumerate(peers):
        peer.frame("CONNECT", accept_version="1.2", login=NORTHWIND.login, passcode=f"guess-{number}")
    answers = [peer.wait_closed().message for peer in peers]
    assert answers.count(WRONG) == 20
    busy = "Busy"  # verifications_waiting_per_login_max
    assert answers.count(LIMITED) + answers.count(busy) == 80


def test_guesses_over_http_are_limited_and_count_for_stomp_too(limited: Site) -> None:
    log_in(limited, BUS, GUESSER)
    answers = [ask_as(limited, NORTHWIND.login, f"guess-{number}") for number in range(GUESSES)]
    assert [answer.status for answer in answers] == [401] * 20 + [429] * (GUESSES - 20)
    assert all(1 <= int(answer.headers["retry-after"]) <= 300 for answer in answers[20:])
    assert "Too many failed logins" in answers[-1].body
    assert max(answer.seconds for answer in answers) < 2
    assert ask_as(limited, *NORTHWIND).status == 429
    assert guess(limited, *NORTHWIND).message == LIMITED
    assert ask_as(limited, *NORTHWIND, OWNER).status == 200
    assert [ask_as(limited, f"guess-{number}", "x").status for number in range(60)] == [401] * 40 + [429] * 20
    assert ask_as(limited, *BUS).status == 200


def test_guesses_at_tokens_are_limited(limited: Site) -> None:
    def tried() -> Iterator[int]:
        for number in range(GUESSES):
            headers = {"Authorization": f"Bearer guess-{number}"}
            yield ask(limited.server.http, "GET", "/systems", headers, source=GUESSER).status

    assert list(tried()) == [401] * 300 + [429] * (GUESSES - 300)
    assert ask_as(limited, *BUS).status == 200  # a password is counted by itself


def test_everybody_else_is_served_while_it_goes_on(limited: Site) -> None:
    def guesses(number: int) -> set[str]:
        return {guess(limited, f"guess-{number}", "x", f"127.0.5.{number}").message for _ in range(80)}

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(guesses, number) for number in range(1, 5)]
        while not all(each.done() for each in running):
            log_in(limited, CONTOSO, OWNER)
            assert ask_as(limited, *CONTOSO, OWNER).seconds < 2
    assert all(each.result() == {WRONG, LIMITED} for each in running)
