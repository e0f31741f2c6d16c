"""A recording goes in by one process and comes out of others, each partner's events to it alone."""

import json
import signal
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from tests.integration.conftest import (
    ACME,
    ARCHIVER,
    COMMAND,
    CONTOSO,
    EXCHANGE,
    NORTHWIND,
    Process,
    Start,
    address,
    wait_until,
)

TRACE = [
    json.loads(line) for line in (resources.files("heliograph.traces") / "site.jsonl").read_text("utf-8").splitlines()
]
OF_7 = [event["event"] for event in TRACE if event["routingKey"].startswith("7.")]
OF_9 = [event["event"] for event in TRACE if event["routingKey"].startswith("9.")]


SUBSCRIBED = f"subscribed to /exchange/{EXCHANGE}/"


def subscribed(start: Start, url: str, who: dict[str, str], *arguments: str) -> Process:
    """A subscriber whose subscription is in place."""
    process = start("subscribe", EXCHANGE, *arguments, HELIOGRAPH_URL=url, **who)
    wait_until(lambda: bool(process.errors))
    assert process.errors[0].startswith(SUBSCRIBED)
    return process


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
def test_each_partner_gets_its_whole_part_of_a_trace(start: Start, url: str, ack: str):
    options = ("--json", "--ack", ack, "--prefetch", "10")
    northwind = subscribed(start, url, NORTHWIND, "#", "--count", str(len(OF_7)), *options)
    contoso = subscribed(start, url, CONTOSO, "*.777.#", "--count", str(len(OF_9)), *options)
    archiver = subscribed(start, url, ARCHIVER, "#", "--count", str(len(TRACE)), *options)
    playing = start("play", "site", "--speed", "0", HELIOGRAPH_URL=url, **ACME)
    assert playing.ended() == 0
    assert playing.lines[0].startswith(f"played {len(TRACE)} events in ")
    assert [process.ended() for process in (northwind, contoso, archiver)] == [0, 0, 0]
    assert [json.loads(line) for line in northwind.lines] == OF_7
    assert [json.loads(line) for line in contoso.lines] == OF_9
    assert [json.loads(line) for line in archiver.lines] == [event["event"] for event in TRACE]


def test_a_readable_line_for_each_event(start: Start, url: str):
    subscriber = subscribed(start, url, NORTHWIND, "7.*.*.create.objectDetected.#", "--count", "1")
    assert start("play", "site", "--speed", "0", HELIOGRAPH_URL=url, **ACME).ended() == 0
    assert subscriber.ended() == 0
    assert subscriber.lines == [
        "2026-11-22 09:00:00.300  7/12345/32  personDetected           83%  box 0.77 0.33 0.88 0.61"
    ]


def test_ctrl_c_ends_a_subscriber_in_good_order(start: Start, url: str):
    subscriber = subscribed(start, url, NORTHWIND)
    assert subscriber.stop(signal.SIGINT) == 0
    assert subscriber.errors == [f"{SUBSCRIBED}#; Ctrl-C ends it"]


def test_a_server_that_goes_ends_a_subscriber_with_its_words(start: Start, server: Process):
    subscriber = subscribed(start, address(server), NORTHWIND)
    assert server.stop() == 0
    assert subscriber.ended() == 1
    assert subscriber.errors[1:] == [
        "heliograph: Server going away: It is being stopped or restarted; connect again in a moment."
    ]


def test_a_reader_that_has_had_enough_ends_it_quietly(start: Start, url: str):
    environment = {**NORTHWIND, "HELIOGRAPH_URL": url}
    script = f'"{COMMAND}" subscribe {EXCHANGE} | head -n 2'
    with subprocess.Popen(
        ["sh", "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stderr is not None
        assert shell.stderr.readline().startswith(SUBSCRIBED)
        # Without end, since it is the next line that finds nobody to read it.
        start("play", "site", "--speed", "20", "--loop", HELIOGRAPH_URL=url, **ACME)
        try:
            output, errors = shell.communicate(timeout=20)
        finally:
            shell.kill()
    assert (len(output.splitlines()), errors) == (2, "")


def test_a_loop_renews_ids_and_ends_with_ctrl_c(start: Start, url: str, tmp_path: Path):
    (tmp_path / "short.jsonl").write_text("".join(json.dumps(event) + "\n" for event in TRACE[:2]))
    subscriber = subscribed(start, url, NORTHWIND, "#", "--json", "--count", "6")
    playing = start("play", "short.jsonl", "--speed", "20", "--loop", HELIOGRAPH_URL=url, **ACME)
    assert subscriber.ended() == 0
    assert playing.stop(signal.SIGINT) == 0
    assert playing.lines[0].startswith("stopped: played ")
    first = TRACE[0]["event"]["eventId"]
    assert [json.loads(line)["eventId"] for line in subscriber.lines] == list(range(first, first + 6))


def test_ctrl_c_before_the_end_of_a_trace_is_exit_code_130(start: Start, url: str):
    subscriber = subscribed(start, url, NORTHWIND)
    playing = start("play", "site", "--speed", "1", HELIOGRAPH_URL=url, **ACME)
    subscriber.line()
    assert playing.stop(signal.SIGINT) == 130
    assert playing.lines[0].startswith("stopped: played ")


#: who wants what → what the server says to it
REFUSALS = {
    "wrong password": (["subscribe", EXCHANGE], {**NORTHWIND, "HELIOGRAPH_PASSWORD": "x"}, "Bad CONNECT"),
    "exchange not granted": (["subscribe", "acme_event_v24"], NORTHWIND, "no exchange 'acme_event_v24'"),
    "exchange not there": (["subscribe", "acme_nosuch"], NORTHWIND, "no exchange 'acme_nosuch'"),
    "a system that subscribes": (
        ["subscribe", EXCHANGE],
        {"HELIOGRAPH_LOGIN": "acme", "HELIOGRAPH_PASSWORD": "producer-secret"},
        "A system publishes",
    ),
    "wrong secret": (["play", "site"], {**ACME, "HELIOGRAPH_SECRET": "x"}, "Bad CONNECT"),
    "events as faces": (["play", "site", "--message-type", "face_v24"], ACME, "Invalid routing key"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_exit_code_1_with_the_servers_words(start: Start, url: str, case: str):
    arguments, who, words = REFUSALS[case]
    process = start(*arguments, HELIOGRAPH_URL=url, **who)
    assert process.ended() == 1
    assert process.lines == []
    assert len(process.errors) == 1
    assert process.errors[0].startswith("heliograph: ")
    assert words in process.errors[0]
