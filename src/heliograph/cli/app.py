"""The table of commands, and what becomes of their faults: one sentence on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from heliograph import __version__
from heliograph.cli.interrupt import Interrupted
from heliograph.cli.terminal import printable
from heliograph.errors import ClientError, HeliographError, SettingsError

app = App(
    name="heliograph",
    version=f"heliograph {__version__}",
    help="A message broker for camera events: STOMP over WebSocket, with topic patterns.\n\nTry: heliograph demo",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
for command in ("serve", "apply", "export", "play", "subscribe", "explain", "demo"):
    app.command(f"heliograph.cli.{command}:{command}")  # imported only when it is the one
app.command("heliograph.cli.operators:operator")
app.command("heliograph.cli.credentials:credential")


def run(arguments: Sequence[str]) -> int:
    """Run the command that ``arguments`` name; its exit code (see ``heliograph.cli``)."""
    if not arguments or arguments[0] in ("-h", "--help"):
        app.resolved_commands()  # the list of commands says what each does
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        chain = " ".join(["heliograph", *(error.command_chain or ())])
        return _complain(f"{str(error).strip()} See {chain} --help.", 2)
    except (SettingsError, ClientError) as error:  # a ClientError here is about what was typed
        return _complain(str(error), 2)
    except HeliographError as error:
        return _complain(str(error), 1)
    except Interrupted as interrupted:
        return 128 + interrupted.signal_number
    except KeyboardInterrupt:  # at a prompt, or before there was anything to close
        return 130
    except BrokenPipeError:  # whoever read our output has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


def _complain(text: str, code: int) -> int:
    print(f"heliograph: {printable(text)}", file=sys.stderr)
    return code
