"""Running a server in this process, for ``serve`` and ``demo``."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from heliograph.cli.interrupt import run_interruptibly
from heliograph.errors import ServerError

if TYPE_CHECKING:
    from heliograph.server.lifecycle import Server
    from heliograph.server.settings import Settings

T = TypeVar("T")

_PARTS = ("alembic", "argon2", "jsonschema_rs", "limits", "litestar", "picows", "sqlalchemy", "structlog", "uvicorn",
          "uvloop")  # fmt: skip

#: A thread that has done its blocking call gets the interpreter back after this; the default is ten times as long.
_SWITCH_INTERVAL_S = 0.0001

#: Deliveries make and drop many objects and hardly a cycle, so look for those rarely.
_GC_THRESHOLDS = (50_000, 20, 20)


def require_server_parts() -> None:
    """ServerError that says how to get them, where the client alone is installed."""
    for part in _PARTS:
        if find_spec(part) is None:
            raise ServerError(
                "Not installed", f"the server needs {part}. Get it with: pip install 'heliograph[server]'."
            )


def run_server(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work``, in which a server runs, on uvloop until it is done or ``Interrupted``."""
    import uvloop

    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.set_threshold(*_GC_THRESHOLDS)
    return run_interruptibly(work, uvloop.new_event_loop)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Server]:
    """A started server; it drains at the end.  SettingsError where it cannot be started as set."""
    from heliograph.server.lifecycle import Server

    async with Server(settings) as server:
        gc.collect()
        gc.freeze()  # what is here now stays; no need to look at it again
        yield server
