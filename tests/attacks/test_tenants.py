"""Tenants: a partner sees its own and nothing else, whatever pattern, alias, letter or header it tries."""

from __future__ import annotations

import pytest

from tests.attacks.attacker import Attacker, Closing, stomp_frame
from tests.attacks.conftest import Site
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
    RIVAL,
    RIVAL_EVENTS,
    Login,
    event,
)

#: Of partner 12, on an exchange that it shares with partner 123.
PATTERNS = [
    "#", "*.#", "#.*", "*.*.*.*.#", "123.#", "*.777.#", "#.777.#", "#.personDetected", "123.777.32.create.#",
    CONTOSO_KEY, "#.create.#", "12.#", "1.#", "0012.#", "+12.#", "5.#", "*.55.#", "#.55.#",
]  # fmt: skip

#: Those of them that match one's own event.
OF_ONES_OWN = {"#", "*.#", "#.*", "*.*.*.*.#", "#.personDetected", "#.create.#", "12.#"}

#: Partner 12's own number and 123's, in letters that look alike or are the same to somebody.
LOOK_ALIKES = [
    "\uff11\uff12\uff13.#", "\u0661\u0662\u0663.#", "123\u200b.#", "\u202e321.#", "1\u06a823.#",
    "\U0001d7cf\U0001d7d0\U0001d7d1.#", "123\u2024777.#", "123\uff0e#", "123\u3002#",
]  # fmt: skip


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_no_pattern_shows_another_partners_events(site: Site, count: int) -> None:
    nosy, acme, contoso = site.log_in(NORTHWIND), site.log_in(ACME), site.log_in(CONTOSO)
    contoso.subscribe(EVENTS + "#")
    for number, pattern in enumerate(PATTERNS):
        nosy.subscribe(EVENTS + pattern, id=str(number))  # silence, and the same RECEIPT for every pattern
    for number in range(count):
        acme.frame("SEND", event(number, account=777), destination=EVENTS + CONTOSO_KEY)
        if number % 100 == 99:
            assert len(contoso.messages(count=100)) == 100
    nosy.expect_nothing(0.1)
    acme.frame("SEND", event(), destination=EVENTS + NORTHWIND_KEY)
    own = nosy.messages(0.1)
    assert {found.headers["destination"] for found in own} == {EVENTS + NORTHWIND_KEY}
    assert {PATTERNS[int(found.headers["subscription"])] for found in own} == OF_ONES_OWN


def test_letters_that_look_like_another_partners_number_are_not_its_number(site: Site) -> None:
    acme, contoso = site.log_in(ACME), site.log_in(CONTOSO)
    contoso.subscribe(EVENTS + "#")
    nosy = [site.log_in(NORTHWIND) for _ in LOOK_ALIKES]
    for peer, pattern in zip(nosy, LOOK_ALIKES, strict=True):
        peer.frame("SUBSCRIBE", destination=EVENTS + pattern, id="0", receipt="r")
        answer = peer.expect_any("RECEIPT", "ERROR")
        assert answer.headers.get("message", "Invalid pattern") == "Invalid pattern"
    acme.frame("SEND", event(account=777), destination=EVENTS + CONTOSO_KEY)
    contoso.expect("MESSAGE")
    for peer in nosy:
        found = peer.read(0.01)
        assert found is None or isinstance(found, Closing)


#: What partner 12 may not subscribe to, all with one answer; {} is a pattern.
FOREIGN = {
    "another system's exchange": "/exchange/rival_event_full_v24/{}",
    "an exchange that was never there": "/exchange/rival_face_v24/{}",
    "a system that was never there": "/exchange/nobody_event_full_v24/{}",
    "its system's exchange that is not granted": "/exchange/acme_event_v24/{}",
    "its system's free exchange": "/exchange/acme_raw/{}",
    "an operator's": "/exchange/amq.topic/{}",
    "upper case": "/exchange/ACME_event_full_v24/{}",
    "another case of the type": "/exchange/acme_Event_Full_v24/{}",
    "a name that goes on": "/exchange/acme_event_full_v24x/{}",
    "a name that begins earlier": "/exchange/xacme_event_full_v24/{}",
    "the system alone": "/exchange/acme/{}",
    "the type alone": "/exchange/event_full_v24/{}",
    "a name of dots": "/exchange/../{}",
    "an empty system": "/exchange/_event_full_v24/{}",
}

#: Aliases that other brokers know, of partner 12's own exchange and of 123's.
ALIASES = [
    "/topic/{0}.{1}", "/topic/{1}", "/queue/{0}", "/amq/queue/{0}", "/exchange/{0}", "/exchange/{0}/",
    "/exchange//{0}/{1}", "//exchange/{0}/{1}", "/exchange/{0}//{1}", "/exchange/{0}/./{1}",
    "/exchange/{0}/../{0}/{1}", "/Exchange/{0}/{1}", "/EXCHANGE/{0}/{1}", "exchange/{0}/{1}", "/exchange/{0}/{1}/",
    "/exchange/{0}/{1}/x", "/exchange%2f{0}/{1}", "/%65xchange/{0}/{1}", "/exchange/%61cme_event_full_v24/{1}",
    "/exchange/{0}%2f{1}", "/exchange/{0}/{1}?x", " /exchange/{0}/{1}", "/exchange/{0} /{1}", "/exchange/ {0}/{1}",
    "/exchange/{0}/{1}\\r", "/exchange/{0}\\n/{1}", "\\\\exchange\\\\{0}\\\\{1}", "/exchange/{0}\\c{1}",
    "/exchange/\u0430cme_event_full_v24/{1}", "/exchange/{0}\u200b/{1}", "/exchange/\uff41cme_event_full_v24/{1}",
    "/exchange/{0}\u2215{1}", "/exchange/" + "x" * 5_000 + "/{1}", "/temp-queue/{1}", "/temp-topic/{1}",
    "/reply-queue/{1}", "/stream/{0}", "ws://x/exchange/{0}/{1}", "/", "",
]  # fmt: skip

#: Keys and patterns that are not well formed.
MALFORMED = [
    ".", "..", ".#", "#.", "12..create", "12.", ".12", "12.#.", "12 .#", "12\t.#", "12.\\n", "12\\r.#", "12.a*",
    "12.*a", "12.**", "12.##", "12.a#", "12.#b", "12.\u00a0", "12.\u2028x", "x" * 256, "\u00f6" * 128,
    "12." + "a." * 126 + "aa",
]  # fmt: skip


def refused(site: Site, who: Login, destination: str, command: str = "SUBSCRIBE", **headers: object) -> tuple[str, str]:
    """Message and detail of the ERROR; nothing else comes."""
    body = event() if command == "SEND" else ""
    peer = site.log_in(who)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    peer.stomp(stomp_frame(command, body, {"destination": destination, "id": "0", "receipt": "r", **more}))
    closing = peer.wait_closed(1)
    assert closing.error is not None
    assert closing.error.headers["receipt-id"] == "r"
    return closing.message, closing.detail


def test_what_is_not_there_and_what_is_not_granted_get_the_same_answer(site: Site, subtests: pytest.Subtests) -> None:
    for name, destination in FOREIGN.items():
        for pattern in ("#", "12.#", "123.#"):
            with subtests.test(name, pattern=pattern):
                message, detail = refused(site, NORTHWIND, destination.format(pattern))
                exchange = destination.split("/")[2]
                assert message == "Access refused"
                assert detail.replace(repr(exchange), "{}") == (
                    f"There is no exchange {{}} to which {NORTHWIND.login!r} may subscribe. An exchange is "
                    "{system}_{message_type}; ask the operator to switch the type on and to grant it."
                )


@pytest.mark.parametrize("command", ["SUBSCRIBE", "SEND"])
def test_an_exchange_has_one_name_and_no_alias(site: Site, command: str, subtests: pytest.Subtests) -> None:
    """One spelling for each place, so what is authorised is what is used."""
    for exchange in ("acme_event_full_v24", "rival_event_full_v24"):
        for alias in ALIASES:
            with subtests.test(alias[:60], exchange=exchange):
                destination = alias.format(exchange, "#" if command == "SUBSCRIBE" else NORTHWIND_KEY)
                message, _ = refused(site, NORTHWIND if command == "SUBSCRIBE" else ACME, destination, command)
                assert message in {"Unknown destination", "Access refused", "Invalid pattern", "Invalid routing key"}


@pytest.mark.parametrize("command", ["SUBSCRIBE", "SEND"])
def test_a_key_or_pattern_that_is_not_well_formed_is_an_error(
    site: Site, command: str, subtests: pytest.Subtests
) -> None:
    for text in MALFORMED:
        with subtests.test(text[:20]):
            message, detail = refused(site, BUS, RAW + text, command)
            assert message == ("Invalid pattern" if command == "SUBSCRIBE" else "Invalid routing key")
            assert len(detail) < 1_000


def keys(who: str) -> list[str]:
    return [
        f"{who}.#", who, f"{who}.*", f"*.{who}", f"{who}.12345", f"{who}.12345.32.create.personDetected",
        f"0{who}.12345.32.create.objectDetected.personDetected",
        f"+{who}.12345.32.create.objectDetected.personDetected",
        f"{who}.12345.32.CREATE.objectDetected.personDetected",
        f"{who}.12345.32.delete.objectDetected.personDetected",
        f"{who}.12345.32.create.objectdetected.personDetected",
        f"{who}.12345.032.create.objectDetected.personDetected",
        f"{who}.12345.34.create.objectDetected.personDetected", f"{who}.777.32.create.objectDetected.personDetected",
        f"{who}.99999.32.create.objectDetected.personDetected",
        f"{who}.12345.32.create.objectDetected.personDetected.x",
        f"{who}.12345.32.create.objectDetected.faceDetected", f"{who}.12345.32.create",
        f"{who}.12345.32.create.objectDetected.personDetected".replace("1", "\uff11", 1),
        f"{who}.12345.{2**63}.create.objectDetected.personDetected", f"{'9' * 200}.12345.32.create.personDetected",
    ]  # fmt: skip


def test_a_system_reaches_no_partner_with_a_key_that_is_not_what_its_body_says(
    site: Site, subtests: pytest.Subtests
) -> None:
    auditor = site.log_in(AUDITOR)
    auditor.subscribe(EVENTS + "12.#")
    auditor.subscribe(EVENTS + "123.#", id="1")
    for partner in ("12", "123", "5", "0", "999"):
        for key in keys(partner):
            with subtests.test(key):
                message, _ = refused(site, ACME, EVENTS + key, "SEND")
                assert message in {"Invalid routing key", "Invalid body"}
    auditor.expect_nothing(0.05)


def test_a_system_publishes_to_its_own_exchanges_only_and_a_service_within_its_rights(
    site: Site, subtests: pytest.Subtests
) -> None:
    cases = [
        (ACME, RIVAL_EVENTS + NORTHWIND_KEY), (RIVAL, EVENTS + NORTHWIND_KEY), (RIVAL, RAW + "a"),
        (BUS, EVENTS + NORTHWIND_KEY), (AUDITOR, RAW + "a"), (AUDITOR, EVENTS + NORTHWIND_KEY),
        (NORTHWIND, EVENTS + NORTHWIND_KEY), (CONTOSO, EVENTS + CONTOSO_KEY),
        (ACME, "/exchange/acme_user_v24/12.12345.create"),
    ]  # fmt: skip
    for who, destination in cases:
        with subtests.test(f"{who.login} {destination}"):
            assert refused(site, who, destination, "SEND")[0] == "Access refused"
    for who, destination in [(ACME, EVENTS + "#"), (RIVAL, RIVAL_EVENTS + "#"), (BUS, EVENTS + "#"), (ACME, RAW + "#")]:
        with subtests.test(f"{who.login} {destination}"):
            assert refused(site, who, destination)[0] == "Access refused"


def test_what_one_connection_may_does_not_open_another_of_somebody_else(site: Site) -> None:
    """Heads and plans are remembered; whose they are must not be forgotten."""
    auditor = site.log_in(AUDITOR)
    auditor.subscribe(EVENTS + "12.#")
    send = stomp_frame("SEND", event(), {"destination": EVENTS + NORTHWIND_KEY, "content-length": len(event())})
    acme = site.log_in(ACME)
    for _ in range(3):
        acme.stomp(send)
        auditor.expect("MESSAGE")
    for who in (RIVAL, NORTHWIND, CONTOSO, BUS, AUDITOR):
        peer = site.log_in(who)
        peer.stomp(send)
        assert peer.wait_closed(1).message == "Access refused"
    auditor.expect_nothing(0.05)


def test_what_was_returned_goes_to_its_own_subscription_only(site: Site) -> None:
    owner, other, acme = site.log_in(NORTHWIND), site.log_in(CONTOSO), site.log_in(ACME)
    owner.subscribe(EVENTS + "#", ack="client")
    other.subscribe(EVENTS + "#", ack="client")
    acme.frame("SEND", event(), destination=EVENTS + NORTHWIND_KEY)
    found = owner.expect("MESSAGE")
    for _ in range(3):
        owner.frame("NACK", id=found.headers["ack"])
        found = owner.expect("MESSAGE")
        assert found.headers["redelivered"] == "true"
    owner.close()
    other.expect_nothing(0.1)
    again = site.log_in(NORTHWIND)
    again.subscribe(EVENTS + "#", ack="client")
    again.expect_nothing(0.1)  # a transient subscription begins with the next event


def test_headers_do_not_make_somebody_else_of_a_partner(site: Site) -> None:
    contoso, acme = site.log_in(CONTOSO), site.log_in(ACME)
    contoso.subscribe(EVENTS + "#")
    nosy: Attacker = site.log_in(NORTHWIND)
    claims = {"user-id": "123", "partner": "123", "x-owner": "123", "host": "contoso", "session": contoso.session}
    wish = {"destination": EVENTS + "#", "id": "0", "receipt": "r", **CONTOSO._asdict(), **claims}
    nosy.stomp(stomp_frame("SUBSCRIBE", headers=wish))
    nosy.expect_receipt("r")
    acme.frame("SEND", event(account=777), destination=EVENTS + CONTOSO_KEY)
    contoso.expect("MESSAGE")
    nosy.expect_nothing(0.05)
