"""``heliograph subscribe EXCHANGE PATTERN``: print events as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from heliograph import client
from heliograph.cli.connection import DEFAULT_URL, checked_login, checked_url, secret_of
from heliograph.cli.event_line import event_line
from heliograph.cli.interrupt import Interrupted, run_interruptibly
from heliograph.cli.terminal import one_line_json
from heliograph.errors import SettingsError
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_pattern

Printer = Callable[[client.Message], None]


def subscribe(
    exchange: str,
    pattern: str = "#",
    /,
    *,
    url: Annotated[str, Parameter(env_var="HELIOGRAPH_URL")] = DEFAULT_URL,
    login: Annotated[str | None, Parameter(env_var="HELIOGRAPH_LOGIN")] = None,
    password: Annotated[str | None, Parameter(env_var="HELIOGRAPH_PASSWORD")] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    ack: Literal["auto", "client", "client-individual"] = "auto",
    prefetch: int = 256,
    count: int | None = None,
) -> int:
    """Print the events of EXCHANGE whose routing key matches PATTERN, until Ctrl-C.

    Example: heliograph subscribe acme_event_full_v24 '#' --login ops@northwind.example

    Parameters
    ----------
    exchange
        {system}_{message type}, such as acme_event_full_v24.
    pattern
        Words joined by dots; '*' stands for one word, '#' for zero or more. Quote it for the shell.
    url
        The server's WebSocket.
    login
        A partner's e-mail, or a service's name.
    password
        Better in the variable, or typed when asked: other users can see a command's flags.
    json
        Print each body as it is, one a line.
    ack
        With client and client-individual each event is acknowledged after it was printed.
    prefetch
        How many events may be on their way.
    count
        Stop after so many.
    """
    destination = checked_destination(exchange, pattern)
    if prefetch < 1 or (count is not None and count < 1):
        raise SettingsError("Bad number", "--prefetch and --count must be 1 or more.")
    who = checked_login(login, "--login")
    secret = secret_of(who, password, "--password")

    def subscribed() -> None:
        print(f"subscribed to {destination}; Ctrl-C ends it", file=sys.stderr, flush=True)

    work = print_events(checked_url(url), who, secret, destination, printer(json), ack, prefetch, count, subscribed)
    try:
        run_interruptibly(work)
    except Interrupted:
        pass  # that is how it ends
    return 0


async def print_events(
    url: str,
    login: str,
    password: str,
    destination: str,
    show: Printer,
    ack: str,
    prefetch: int,
    count: int | None,
    subscribed: Callable[[], object] = lambda: None,
) -> None:
    """Subscribe (and call ``subscribed``), and show every event; return after ``count``."""
    async with (
        client.connect(url, login, password) as connection,
        connection.subscribe(destination, ack=ack, prefetch=prefetch) as subscription,
    ):
        subscribed()
        shown = 0
        async for message in subscription:
            show(message)
            if ack != "auto":
                await message.ack()
            shown += 1
            if shown == count:
                break


def printer(json: bool) -> Printer:
    """What shows a message: a readable line, coloured on a terminal, or the body alone."""
    if json:
        return lambda message: print(one_line_json(message.body), flush=True)
    if not sys.stdout.isatty():
        return lambda message: print("  ".join(text for text, _ in event_line(message)).rstrip(), flush=True)
    console = Console(highlight=False, soft_wrap=True)
    return lambda message: console.print(Text("  ").join(Text(*part) for part in event_line(message)))


def checked_destination(exchange: str, pattern: str) -> str:
    """``/exchange/{exchange}/{pattern}``; an error here saves a way to the server."""
    destination = f"/exchange/{exchange}/{pattern}"
    parse_destination(destination)
    parse_pattern(pattern, Limits())
    return destination
