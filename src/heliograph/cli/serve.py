"""``heliograph serve``: run the broker."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from heliograph import __version__
from heliograph.cli.interrupt import Interrupted
from heliograph.cli.serving import require_server_parts, run_server, running

if TYPE_CHECKING:
    from heliograph.server.settings import Settings


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """What can be set by flag too, by the settings' names; None where it was not given.

    Parameters
    ----------
    apply
        Make the directory what this file says, before anything else; without it the stored one is used.
    data_dir
        Where events and the directory are kept (default: data).
    directory_url
        The directory's database, such as postgresql://user@host/name, for several servers (default: SQLite in the
        data directory). A password is better kept in the variable or in ~/.pgpass.
    fsync
        always: a receipt means on disk; interval: written, and a power cut may cost a second (default: always).
    host
        The address to listen on (default: 127.0.0.1).
    stomp_port
        STOMP over WebSocket, path /ws (default: 8674; 0 picks a free one).
    tcp_port
        STOMP over plain TCP (default: off).
    http
        Have the HTTP API (default: yes).
    http_port
        The HTTP API, with its description at /docs (default: 8672; 0 picks a free one).
    tls_cert
        A PEM certificate with its chain; then all ports speak TLS.
    tls_key
        Its key (default: in the same file).
    allowed_origins
        A web page's origin that may connect, such as https://console.example; may be repeated.
    log_level
        What is logged on stderr (default: info).
    log_format
        For people or for machines (default: console).
    """

    apply: Path | None = None
    data_dir: Path | None = None
    directory_url: str | None = None
    fsync: Literal["always", "interval"] | None = None
    host: str | None = None
    stomp_port: int | None = None
    tcp_port: int | None = None
    http: bool | None = None
    http_port: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allowed_origins: Annotated[list[str] | None, Parameter(name="--allowed-origin", negative="")] = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    log_format: Literal["console", "json"] | None = None


_NO_FLAGS = Flags()


def serve(*, flags: Flags = _NO_FLAGS, config: Path | None = None) -> int:
    """Run the broker until Ctrl-C or SIGTERM.

    Each flag can also be set in heliograph.toml (stomp_port = 8674) or as a
    variable (HELIOGRAPH_STOMP_PORT); so can each limit, under [limits] or as
    HELIOGRAPH_LIMITS_... A flag wins, then the variable, then the file.
    Both signals drain it (exit code 0). SIGHUP reads the certificate and the
    directory file again; both take effect at once.

    Example: heliograph serve --apply directory.toml --stomp-port 8674

    Parameters
    ----------
    config
        Read this instead of heliograph.toml.
    """
    require_server_parts()
    from heliograph.cli.configuration import gather
    from heliograph.cli.log import configure_log

    settings = gather(asdict(flags), os.environ, config)
    configure_log(settings.log_level, settings.log_format)
    try:
        run_server(_serve(settings))
    except Interrupted:
        pass  # that is how it ends
    return 0


async def _serve(settings: Settings) -> None:
    async with running(settings) as server:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
        print(f"heliograph {__version__} listening on {', '.join(server.addresses)}", flush=True)
        await asyncio.Event().wait()
