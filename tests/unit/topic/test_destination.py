import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.errors import DestinationError
from heliograph.topic.destination import Destination, parse_destination


def test_a_destination_has_an_exchange_and_a_key():
    assert parse_destination("/exchange/acme_event_full_v24/7.12345.#") == Destination(
        "acme_event_full_v24", "7.12345.#"
    )


def test_nothing_is_decoded_or_folded():
    assert parse_destination("/exchange/A.b-C_9/7%2e1").key == "7%2e1"
    assert parse_destination("/exchange/ACME_x/k").exchange != parse_destination("/exchange/acme_x/k").exchange


@given(st.text())
def test_any_text_is_a_destination_or_a_DestinationError(text: str):
    for candidate in (text, f"/exchange/{text}", f"/exchange/acme/{text}"):
        try:
            exchange, key = parse_destination(candidate)
        except DestinationError as error:
            assert "/exchange/{system}_{message type}/" in error.detail
        else:
            assert candidate == f"/exchange/{exchange}/{key}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "does not begin with /exchange/"),
        ("/nosuch/x", "'/nosuch/x' is not a valid destination. It does not begin with /exchange/"),
        ("/topic/a", "does not begin"),
        ("/queue/a", "does not begin"),
        ("/amq/queue/a", "does not begin"),
        ("/Exchange/acme/k", "does not begin"),
        ("//exchange/acme/k", "does not begin"),
        ("exchange/acme/k", "does not begin"),
        (" /exchange/acme/k", "does not begin"),
        ("/exchange", "does not begin"),
        ("/exchange/", "exchange name"),
        ("/exchange//k", "exchange name"),
        ("/exchange/a b/k", "exchange name"),
        ("/exchange/a%2eb/k", "exchange name"),
        ("/exchange/" + "a" * 128 + "/k", "exchange name"),
        ("/exchange/a\n/k", "exchange name"),
        ("/exchange/é/k", "exchange name"),
        ("/exchange/acme", "after the exchange is missing"),
        ("/exchange/acme/", "after the exchange is missing"),
        ("/exchange/acme//k", "There is a '/' in the routing key"),
        ("/exchange/acme/k/", "There is a '/' in the routing key"),
        ("/exchange/acme/a/b", "There is a '/' in the routing key"),
    ],
)
def test_the_fault_is_named(text: str, fault: str):
    with pytest.raises(DestinationError) as caught:
        parse_destination(text)
    assert caught.value.message == "Unknown destination"
    assert fault in caught.value.detail


def test_an_exchange_name_may_have_127_octets():
    assert parse_destination(f"/exchange/{'a' * 127}/k").exchange == "a" * 127


def test_an_error_does_not_repeat_a_megabyte():
    with pytest.raises(DestinationError) as caught:
        parse_destination("/nosuch/" + "x" * 1_000_000)
    assert len(caught.value.detail) < 1_000
