"""``heliograph demo``: broker, a recording that plays, and a subscriber that prints, in one terminal."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from heliograph import __version__, client
from heliograph.cli.interrupt import Interrupted
from heliograph.cli.player import play_trace
from heliograph.cli.serving import require_server_parts, run_server, running
from heliograph.cli.subscribe import print_events, printer
from heliograph.cli.trace import Trace, read_trace
from heliograph.errors import SettingsError

_HOST, _PORT = "127.0.0.1", 8674
_EXCHANGE = "acme_event_full_v24"
#: As demo.toml has them.
_SYSTEM = ("acme", "producer-secret")
_NORTHWIND = ("ops@northwind.example", "correct horse battery")
_CONTOSO = ("desk@contoso.example", "paper clip staple")


def demo(*, speed: float = 4.0, seconds: float | None = None, count: int | None = None) -> int:
    """See it work: a broker, recorded camera events in a loop, and a partner's subscriber, until Ctrl-C.

    Example: heliograph demo --seconds 30

    Parameters
    ----------
    speed
        Times the recording's own pace.
    seconds
        Stop after so long.
    count
        Stop after so many printed events.
    """
    if not 0 < speed < float("inf") or (seconds is not None and not seconds > 0) or (count is not None and count < 1):
        raise SettingsError("Bad number", "--speed and --seconds must be above 0, --count 1 or more.")
    require_server_parts()
    from heliograph.cli.log import configure_log

    configure_log("warning", "console")
    try:
        with (
            resources.as_file(resources.files("heliograph.cli") / "demo.toml") as directory,
            TemporaryDirectory(prefix="heliograph-demo-") as data_dir,  # a demo leaves nothing behind
        ):
            run_server(_demo(directory, Path(data_dir), read_trace("site"), speed, seconds, count))
    except Interrupted:
        pass  # that is how it ends
    return 0


async def _demo(
    directory: Path, data_dir: Path, trace: Trace, speed: float, seconds: float | None, count: int | None
) -> None:
    from heliograph.server.settings import Settings

    port = _PORT if _is_free(_PORT) else 0
    settings = Settings(apply=directory, data_dir=data_dir, host=_HOST, stomp_port=port, http=False)
    async with running(settings) as server:
        url = server.addresses[0]
        print(_introduction(url, trace, port), flush=True)
        ready = asyncio.Event()
        destination = f"/exchange/{_EXCHANGE}/#"
        printing = asyncio.create_task(
            print_events(url, *_NORTHWIND, destination, printer(json=False), "client", 100, count, ready.set)
        )
        playing = asyncio.create_task(_play(url, trace, speed, ready))
        try:
            done, _ = await asyncio.wait({printing, playing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            printing.cancel()
            playing.cancel()
            await asyncio.gather(printing, playing, return_exceptions=True)


async def _play(url: str, trace: Trace, speed: float, ready: asyncio.Event) -> None:
    await ready.wait()
    async with client.connect(url, *_SYSTEM) as connection:
        await play_trace(connection, trace, _EXCHANGE, speed=speed, loop=True)


def _introduction(url: str, trace: Trace, port: int) -> str:
    login, password = _CONTOSO
    moved = "" if port else f"  Port {_PORT} is taken, so this is another one.\n"
    where = [] if port else ["--url", url]
    command = shlex.join([sys.argv[0], "subscribe", _EXCHANGE, "#", "--login", login, *where])
    return (
        f"heliograph {__version__}, {len(trace.events)} recorded events of three cameras in a loop, until Ctrl-C.\n\n"
        f"  {url}\n{moved}"
        f"  partner 7   {_NORTHWIND[0]:<22} {_NORTHWIND[1]!r}   printed below: account 12345, cameras 32 and 33\n"
        f"  partner 9   {_CONTOSO[0]:<22} {_CONTOSO[1]!r}       sees account 777, camera 41\n"
        f"  system      {_SYSTEM[0]:<22} {_SYSTEM[1]!r}         publishes to {_EXCHANGE}\n\n"
        "What partner 9 sees of the same exchange, in a second terminal:\n\n"
        f"  HELIOGRAPH_PASSWORD={shlex.quote(password)} {command}\n"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
