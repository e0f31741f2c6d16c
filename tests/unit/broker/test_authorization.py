"""Who may publish and subscribe where; one answer for what is not there and what is not granted."""

from __future__ import annotations

import pytest

from heliograph.broker.authorization import binding, publishable, renewed
from heliograph.directory.directory import Directory
from heliograph.directory.principal import Partner, Principal, Right, Service, System
from heliograph.engine.interface import Binding
from heliograph.errors import AccessError
from heliograph.topic.destination import Destination
from tests.in_memory import OTHER_PARTNER, PARTNER, SERVICE, SYSTEM, directory

DIRECTORY = directory()
WHO: dict[str, Principal] = {
    "partner": DIRECTORY.principals[PARTNER[0]],
    "other partner": DIRECTORY.principals[OTHER_PARTNER[0]],
    "system": DIRECTORY.principals[SYSTEM[0]],
    "other system": DIRECTORY.principals["other"],
    "service": DIRECTORY.principals[SERVICE[0]],
}
EXCHANGES = [*DIRECTORY.exchanges, "acme_user_v24", "nosuch", "acme", "ACME_face_v24"]

#: who may subscribe to what
SUBSCRIBE = {
    ("partner", "acme_event_full_v24"),
    ("partner", "acme_face_v24"),
    ("other partner", "acme_face_v24"),
    ("service", "acme_raw"),
    ("service", "acme_face_v24"),
}
#: who may publish what
PUBLISH = {
    ("system", "acme_event_full_v24", "7.1.delete"),
    ("system", "acme_event_v24", "7.1.delete"),
    ("system", "acme_face_v24", "7.1.delete"),
    ("system", "acme_face_v24", "9.1.create"),
    ("system", "acme_raw", "9.1.create"),
    ("system", "acme_raw", "7.1.delete"),
    ("system", "acme_event_full_v24", "9.1.create"),
    ("system", "acme_event_v24", "9.1.create"),
    ("other system", "other_face_v24", "7.1.delete"),
    ("other system", "other_face_v24", "9.1.create"),
    ("service", "acme_raw", "7.1.delete"),
    ("service", "acme_raw", "9.1.create"),
    ("service", "acme_face_v24", "7.1.delete"),
}


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split("."))


def test_the_table_speaks_of_what_there_is() -> None:
    assert {type(who) for who in WHO.values()} == {Partner, System, Service}
    assert {exchange for _, exchange in SUBSCRIBE} | {exchange for _, exchange, _ in PUBLISH} <= set(
        DIRECTORY.exchanges
    )


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("name", WHO)
def test_only_what_is_granted_can_be_subscribed_to(name: str, exchange: str) -> None:
    destination = Destination(exchange, "#")
    if (name, exchange) in SUBSCRIBE:
        assert binding(DIRECTORY, WHO[name], destination, ("#",)).exchange == exchange
    else:
        with pytest.raises(AccessError) as refused:
            binding(DIRECTORY, WHO[name], destination, ("#",))
        assert refused.value.message == "Access refused"


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("name", WHO)
def test_only_what_is_granted_can_be_published(name: str, exchange: str) -> None:
    for key in ("7.1.delete", "9.1.create"):
        destination = Destination(exchange, key)
        if (name, exchange, key) in PUBLISH:
            assert publishable(DIRECTORY, WHO[name], destination, words(key)).name == exchange
        else:
            with pytest.raises(AccessError) as refused:
                publishable(DIRECTORY, WHO[name], destination, words(key))
            assert refused.value.message == "Access refused"


@pytest.mark.parametrize("name", WHO)
def test_what_is_not_there_and_what_is_not_granted_get_the_same_answer(name: str) -> None:
    """Else anybody could find out which exchanges there are."""
    subscribing, publishing = set(), set()
    for exchange in EXCHANGES:
        destination = Destination(exchange, "9.1.create")
        if (name, exchange) not in SUBSCRIBE:
            with pytest.raises(AccessError) as refused:
                binding(DIRECTORY, WHO[name], destination, ("#",))
            subscribing.add(refused.value.detail.replace(repr(exchange), "X", 1))
        if (name, exchange, "9.1.create") not in PUBLISH:
            with pytest.raises(AccessError) as refused:
                publishable(DIRECTORY, WHO[name], destination, words("9.1.create"))
            publishing.add(refused.value.detail.replace(repr(exchange), "X", 1))
    assert len(subscribing) == 1
    assert len(publishing) == 1


def test_a_partner_is_bound_to_its_own_tree_whatever_it_asks_for() -> None:
    for pattern in ("#", "9.#", "*.12345.#", "7.#"):
        assert binding(DIRECTORY, WHO["partner"], Destination("acme_face_v24", pattern), words(pattern)) == Binding(
            "acme_face_v24", words(pattern), "7", ()
        )


def test_a_service_is_bound_by_its_rights_on_that_exchange_alone() -> None:
    assert binding(DIRECTORY, WHO["service"], Destination("acme_face_v24", "#"), ("#",)) == Binding(
        "acme_face_v24", ("#",), None, (("*", "*", "create"), ("9", "#"))
    )


def test_a_service_without_rights_gets_nothing() -> None:
    """No rights must never be taken for all rights."""
    nobody = Service("nobody")
    for exchange in EXCHANGES:
        with pytest.raises(AccessError):
            binding(DIRECTORY, nobody, Destination(exchange, "#"), ("#",))
        with pytest.raises(AccessError):
            publishable(DIRECTORY, nobody, Destination(exchange, "a"), ("a",))


def test_a_right_to_subscribe_is_none_to_publish_and_the_other_way_round() -> None:
    reader = directory(
        """
        [[systems]]
        name = "acme"
        secret = "s"
        message_types = ["raw"]
        [[message_types]]
        name = "raw"
        key = "#"
        body = "any"
        [[services]]
        name = "reader"
        secret = "r"
        subscribe = ["/exchange/acme_raw/#"]
        [[services]]
        name = "writer"
        secret = "w"
        publish = ["/exchange/acme_raw/#"]
        """
    )
    destination = Destination("acme_raw", "a")
    binding(reader, reader.principals["reader"], destination, ("a",))
    publishable(reader, reader.principals["writer"], destination, ("a",))
    with pytest.raises(AccessError):
        publishable(reader, reader.principals["reader"], destination, ("a",))
    with pytest.raises(AccessError):
        binding(reader, reader.principals["writer"], destination, ("a",))


# --- what was granted before, by a directory that has changed


def rights(*patterns: str) -> Service:
    return Service("archiver", subscribe=tuple(Right("acme_face_v24", words(pattern)) for pattern in patterns))


@pytest.mark.parametrize(
    ("before", "now", "pattern", "goes_on"),
    [
        (["7.#"], ["7.#"], "#", True),
        (["7.#"], ["7.#", "9.#"], "#", True),
        (["7.#"], ["#"], "#", True),
        (["7.#", "9.#"], ["7.#"], "#", False),
        (["7.#", "9.#"], ["7.#"], "7.*.create", True),
        (["7.#"], ["7.*"], "#", False),
        (["7.#"], ["9.#"], "7.#", False),
        (["7.#"], [], "#", False),
    ],
)
def test_a_service_goes_on_where_it_loses_nothing_that_it_asked_for(
    before: list[str], now: list[str], pattern: str, goes_on: bool
) -> None:
    held = binding(DIRECTORY, rights(*before), Destination("acme_face_v24", pattern), words(pattern))
    if goes_on:
        assert renewed(DIRECTORY, rights(*now), held).rights == tuple(words(right) for right in now)
    else:
        with pytest.raises(AccessError) as caught:
            renewed(DIRECTORY, rights(*now), held)
        assert caught.value.message == "Access withdrawn"
        assert f"/exchange/acme_face_v24/{pattern}" in caught.value.detail


@pytest.mark.parametrize("now", ["granted", "not granted", "no exchange", "another partner", "a system"])
def test_a_partner_goes_on_as_long_as_it_is_granted_and_the_same(now: str) -> None:
    held = Binding("acme_face_v24", ("#",), "7")
    partner = Partner(7, "Northwind", "ops@northwind.example", frozenset({"acme_face_v24"}))
    directory = DIRECTORY
    others: dict[str, Principal] = {
        "not granted": Partner(7, partner.name, partner.login),
        "another partner": Partner(8, partner.name, partner.login, partner.exchanges),
        "a system": System(partner.login, partner.exchanges),
    }
    principal = others.get(now, partner)
    if now == "no exchange":
        directory = Directory({}, {}, {})
    if now == "granted":
        assert renewed(directory, principal, held) == held
    else:
        with pytest.raises(AccessError) as caught:
            renewed(directory, principal, held)
        assert caught.value.message == "Access withdrawn"
