"""What SUBSCRIBE asks for beyond a live feed; what cannot be given is refused by name, never left out in silence."""

from __future__ import annotations

import pytest

from heliograph.engine.interface import Durable, Start, StartAt
from heliograph.errors import HeliographError, ProtocolError, UnsupportedError
from heliograph.server.stomp.arguments import Arguments, read_arguments, read_start
from heliograph.stomp.events import Subscribe
from tests.in_memory import PARTNER, SERVICE, directory

NOW_MS = 1_800_000_000_000


def subscribe(id: str | None = "0", **headers: str) -> Subscribe:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Subscribe("T_0", id, "/exchange/e/#", "auto", None, given, None)


def read(id: str | None = "0", **headers: str) -> Arguments:
    return read_arguments(subscribe(id, **headers), NOW_MS)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_max_length": "10"},
        {"x_max_length_bytes": "10"},
        {"x_overflow": "drop-head"},
        {"x_dead_letter_exchange": "dead"},
        {"x_dead_letter_routing_key": "dead"},
        {"x_single_active_consumer": "true"},
        {"durable": "true", "x_queue_name": "mine", "auto_delete": "false", "x_max_length": "1"},
    ],
)
def test_what_is_asked_for_and_not_given_is_named(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError) as refused:
        read(**headers)
    assert refused.value.message == "Not supported"
    for name in headers.keys() - {"auto_delete", "durable", "x_queue_name"}:
        assert name.replace("_", "-") in refused.value.detail


@pytest.mark.parametrize(
    "headers", [{}, {"durable": "false"}, {"auto_delete": "true"}, {"exclusive": "true"}, {"foo": "x"}]
)
def test_what_changes_nothing_is_let_pass(headers: dict[str, str]) -> None:
    assert read(**headers) == Arguments()


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"durable": "true"}, "0 /exchange/e/#"),
        ({"durable": "true", "auto_delete": "false"}, "0 /exchange/e/#"),
        ({"x_queue_name": "mine"}, "mine"),
        ({"x_queue_name": "mine", "durable": "true"}, "mine"),
        ({"x_queue_name": "x" * 255}, "x" * 255),
    ],
)
def test_a_durable_subscription_is_known_by_its_queue_name_or_its_destination_and_id(
    headers: dict[str, str], name: str
) -> None:
    assert read(**headers) == Arguments(durable_name=name)


def test_ids_and_destinations_do_not_run_into_each_other() -> None:
    assert read("a b", durable="true").durable_name != read("a", durable="true").durable_name


def test_all_that_belongs_to_a_durable_subscription() -> None:
    arguments = read(
        durable="true", x_expires="1000", x_message_ttl="60", x_dead_letter="true", x_stream_offset="first"
    )
    assert arguments == Arguments("0 /exchange/e/#", Start(StartAt.FIRST), 1000, 60, dead_letters=True)


def test_partners_and_services_do_not_meet_under_one_name() -> None:
    principals = directory().principals
    arguments = read(x_queue_name="mine", x_expires="5")
    partner, service = (arguments.durable(principals[who[0]]) for who in (PARTNER, SERVICE))
    assert partner == Durable("partner 7", "mine", 5)
    assert service == Durable("service archiver", "mine", 5)
    assert read().durable(principals[PARTNER[0]]) is None


@pytest.mark.parametrize(
    ("id", "headers", "part"),
    [
        (None, {"durable": "true"}, "'id'"),
        ("0", {"durable": "yes"}, "durable"),
        ("0", {"x_queue_name": ""}, "x-queue-name"),
        ("0", {"x_queue_name": "ä" * 128}, "x-queue-name"),
        ("0", {"x_expires": "1000"}, "durable:true"),
        ("0", {"x_message_ttl": "1000"}, "durable:true"),
        ("0", {"x_dead_letter": "true"}, "durable:true"),
        ("0", {"durable": "true", "x_expires": "0"}, "x-expires"),
        ("0", {"durable": "true", "x_expires": "-1"}, "x-expires"),
        ("0", {"durable": "true", "x_message_ttl": "1.5"}, "x-message-ttl"),
        ("0", {"durable": "true", "x_message_ttl": "²"}, "x-message-ttl"),
        ("0", {"durable": "true", "x_message_ttl": "9" * 19}, "x-message-ttl"),
        ("0", {"durable": "true", "x_dead_letter": "1"}, "x-dead-letter"),
        ("0", {"x_stream_offset": "?"}, "x-stream-offset"),
    ],
)
def test_what_is_not_well_formed_is_an_error_that_names_it(id: str | None, headers: dict[str, str], part: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        read(id, **headers)
    assert part in refused.value.detail


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("first", Start(StartAt.FIRST)),
        ("last", Start(StartAt.LAST)),
        ("next", Start(StartAt.NEXT)),
        ("offset=0", Start(StartAt.OFFSET, 0)),
        ("offset=123456789012345678", Start(StartAt.OFFSET, 123456789012345678)),
        ("timestamp=1700000000", Start(StartAt.TIMESTAMP, 1_700_000_000_000)),
        ("timestamp=2023-11-14T22:13:20+00:00", Start(StartAt.TIMESTAMP, 1_700_000_000_000)),
        ("timestamp=2023-11-14T23:13:20.250+01:00", Start(StartAt.TIMESTAMP, 1_700_000_000_250)),
        ("timestamp=2023-11-14T22:13:20Z", Start(StartAt.TIMESTAMP, 1_700_000_000_000)),
        ("1h", Start(StartAt.TIMESTAMP, NOW_MS - 3_600_000)),
        ("timestamp=90s", Start(StartAt.TIMESTAMP, NOW_MS - 90_000)),
        ("15m", Start(StartAt.TIMESTAMP, NOW_MS - 900_000)),
        ("7d", Start(StartAt.TIMESTAMP, NOW_MS - 604_800_000)),
        ("250ms", Start(StartAt.TIMESTAMP, NOW_MS - 250)),
    ],
)
def test_starts(text: str, start: Start) -> None:
    assert read_start(text, NOW_MS) == start
    assert read(x_stream_offset=text) == Arguments(start=start)


@pytest.mark.parametrize(
    "text",
    ["", "First", "offset", "offset=", "offset=-1", "offset=1.5", "offset=" + "9" * 19, "offset=²", "timestamp=",
     "timestamp=2023-11-14T22:13:20", "timestamp=yesterday", "1y", "h", "1h30m", "-1h", "1" * 10 + "h", "first ",
     "timestamp=" + "9" * 19, "offset=1h"],
)  # fmt: skip
def test_starts_that_are_none(text: str) -> None:
    with pytest.raises(HeliographError, match="x-stream-offset is"):
        read_start(text, NOW_MS)
