"""``heliograph play TRACE``: publish a recording at its own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from heliograph import client
from heliograph.cli.connection import DEFAULT_URL, checked_login, checked_url, secret_of
from heliograph.cli.interrupt import Interrupted, run_interruptibly
from heliograph.cli.player import play_trace
from heliograph.cli.trace import Trace, read_trace
from heliograph.errors import SettingsError
from heliograph.topic.destination import parse_destination

_REPORT_S = 5.0  #: between two lines of progress where there is no terminal


def play(
    trace: str,
    /,
    *,
    url: Annotated[str, Parameter(env_var="HELIOGRAPH_URL")] = DEFAULT_URL,
    system: Annotated[str | None, Parameter(env_var="HELIOGRAPH_SYSTEM")] = None,
    secret: Annotated[str | None, Parameter(env_var="HELIOGRAPH_SECRET")] = None,
    message_type: Annotated[str, Parameter(env_var="HELIOGRAPH_MESSAGE_TYPE")] = "event_full_v24",
    speed: float = 1.0,
    loop: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    count: int | None = None,
) -> int:
    """Publish the events of TRACE, each confirmed by the server.

    Played once, bodies are sent as they stand in the file. With --loop they get
    timestamps of now, and event ids that go on counting from round to round.

    Example: heliograph play site --speed 10 --loop --system acme

    Parameters
    ----------
    trace
        The word site (it ships with the package: 80 seconds of three cameras), or a file of JSON lines with
        atMs, routingKey and event.
    url
        The server's WebSocket.
    system
        The system that publishes; its name begins its exchanges'.
    secret
        Better in the variable, or typed when asked: other users can see a command's flags.
    message_type
        Publish to the exchange {system}_{message type}.
    speed
        Times the recording's own pace; 0 is as fast as the server takes them.
    loop
        Begin again at the end, until Ctrl-C.
    count
        Stop after so many events.
    """
    if not 0 <= speed < float("inf") or (count is not None and count < 1):
        raise SettingsError("Bad number", "--speed must be 0 or more, --count 1 or more.")
    recorded = read_trace(trace)
    if loop:
        next(recorded.bodies(0))  # so that a trace that cannot be looped is refused before anything is sent
    name = checked_login(system, "--system")
    exchange = f"{name}_{message_type}"
    parse_destination(f"/exchange/{exchange}/{recorded.events[0].routing_key}")
    run = _Run()
    work = _publish(
        checked_url(url), name, secret_of(name, secret, "--secret"), recorded, exchange, speed, loop, count, run
    )
    try:
        run_interruptibly(work)
    except Interrupted:
        run.sum_up("stopped: ")
        if loop:
            return 0  # that is how it ends
        raise
    run.sum_up("")
    return 0


class _Run:
    """How many events were published since when."""

    def __init__(self) -> None:
        self.sent = 0
        self.begun_s = time.monotonic()

    def sum_up(self, prefix: str) -> None:
        took_s = max(time.monotonic() - self.begun_s, 0.001)
        print(f"{prefix}played {self.sent} events in {took_s:.1f} s ({self.sent / took_s:.0f}/s)")


async def _publish(
    url: str,
    system: str,
    secret: str,
    trace: Trace,
    exchange: str,
    speed: float,
    loop: bool,
    count: int | None,
    run: _Run,
) -> None:
    async with client.connect(url, system, secret) as connection:
        run.begun_s = time.monotonic()
        total = count if loop else min(len(trace.events), count or len(trace.events))
        with _shown(exchange, total) as show:

            def progress(sent: int) -> None:
                run.sent = sent
                show(sent)

            await play_trace(connection, trace, exchange, speed=speed, loop=loop, count=count, progress=progress)


@contextmanager
def _shown(exchange: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress on stderr: a bar on a terminal, otherwise a line every few seconds."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(exchange, total=total)
            yield lambda sent: bar.update(task, completed=sent)
        return
    last_s = time.monotonic()

    def report(sent: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _REPORT_S:
            last_s = time.monotonic()
            print(f"{exchange}: {sent} of {total or 'no end of'} events", file=sys.stderr, flush=True)

    yield report
