"""What is refused reaches every client's error callback with a message and a body; it is never a bare close."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.blackbox.clients.connection import Connection, Refused
from tests.blackbox.clients.kinds import every_client
from tests.blackbox.logins import PARTNER_7, PARTNER_9, SYSTEM, Login
from tests.blackbox.recording import EXCHANGE, of_partner

EVENT = of_partner(7)[0]
ALL = f"{EXCHANGE}/#"


class Case(NamedTuple):
    name: str
    who: Login
    do: Callable[[Connection], object]
    message: str
    body: str  # a part of it


def subscribe(destination: str) -> Callable[[Connection], object]:
    return lambda connection: connection.subscribe(destination, confirm=False)


def send(destination: str, body: bytes) -> Callable[[Connection], object]:
    return lambda connection: connection.send(destination, body)


CASES = [
    Case(
        "unknown exchange",
        PARTNER_7,
        subscribe("/exchange/nosuch_event_full_v24/#"),
        "Access refused",
        "There is no exchange 'nosuch_event_full_v24' to which 'ops@northwind.example' may subscribe.",
    ),
    Case(
        "exchange that is not granted",
        PARTNER_7,
        subscribe("/exchange/acme_event_v24/#"),
        "Access refused",
        "There is no exchange 'acme_event_v24' to which 'ops@northwind.example' may subscribe.",
    ),
    Case("bad destination", PARTNER_7, subscribe("/nosuch/x"), "Unknown destination", "'/nosuch/x' is not a valid"),
    Case("bad pattern", PARTNER_7, subscribe(f"{EXCHANGE}/7..create.#"), "Invalid pattern", "7..create"),
    Case("partner that sends", PARTNER_7, send(*EVENT), "Access refused", "only systems and services publish"),
    Case("system that subscribes", SYSTEM, subscribe(ALL), "Access refused", "A system publishes events"),
    Case(
        "system that sends to another's exchange",
        SYSTEM,
        send("/exchange/bus_raw/x", b"{}"),
        "Access refused",
        "There is no exchange 'bus_raw' to which 'acme' may publish",
    ),
    Case(
        "body of another account than its key",
        SYSTEM,
        send(EVENT.destination, EVENT.body.replace(b'"accountId":12345', b'"accountId":777')),
        "Invalid body",
        "source.accountId is 777, but the routing key says 12345",
    ),
    Case(
        "body without its timestamp",
        SYSTEM,
        send(EVENT.destination, EVENT.body.replace(b'"timestamp"', b'"time"')),
        "Invalid body",
        "timestamp must be a time",
    ),
    Case("body that is no JSON", SYSTEM, send(EVENT.destination, b"{"), "Invalid body", "not valid JSON"),
    Case(
        "key of an account that is another partner's",
        SYSTEM,
        send(EVENT.destination.replace("/7.", "/9."), EVENT.body),
        "Invalid routing key",
        "Partner 9 has no account 12345",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
@every_client()
def test_an_error_names_what_is_wrong_and_closes_that_connection_alone(dial, case):
    control = dial(PARTNER_9)
    connection = dial(case.who)
    case.do(connection)
    error = connection.error()
    assert error is not None, "closed without an ERROR"
    assert error.message == case.message
    assert case.body in error.body
    assert error.headers["content-type"] == "text/plain"
    control.fence(ALL)
    assert control.is_quiet


@every_client("own-id")
def test_a_subscription_id_in_use_is_an_error(dial):
    consumer = dial(PARTNER_7)
    consumer.subscribe(ALL, subscription_id="same")
    consumer.subscribe(ALL, subscription_id="same", confirm=False)
    error = consumer.error()
    assert error is not None, "closed without an ERROR"
    assert error.message == "Duplicate subscription"
    assert "id 'same'" in error.body


@pytest.mark.parametrize("login", [Login(PARTNER_7.login, "wrong"), Login("nobody@example.com", PARTNER_7.passcode)])
@every_client("login-error")
def test_wrong_credentials_are_an_error_that_does_not_say_which_half_was_wrong(dial, login):
    with pytest.raises(Refused) as refused:
        dial(login)
    error = refused.value.error
    assert error is not None, "closed without an ERROR"
    assert (error.message, error.body) == ("Bad CONNECT", f"Access refused for user '{login.login}'")


@every_client()
def test_wrong_credentials_never_connect(dial):
    """Also for a client that keeps to itself what came before CONNECTED."""
    with pytest.raises(Refused):
        dial(Login(PARTNER_7.login, "wrong"))
