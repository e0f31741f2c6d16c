"""The command ``heliograph``; one file for each of its commands.

Exit codes: 0 done (for ``serve``, ``demo`` and ``subscribe``: stopped by Ctrl-C too, since that is how they
end), 1 failed on the way (cannot connect, refused; ``explain``: no match), 2 what was given is wrong,
128 + n stopped by signal n (130: Ctrl-C) before the work was done.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point: run the command that the arguments name, and exit with its code."""
    try:
        from heliograph.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("heliograph"):
            raise
        print(
            f"heliograph: {error.name} is not installed. The command line needs: pip install 'heliograph[cli]'.",
            file=sys.stderr,
        )
        sys.exit(1)
    sys.exit(run(sys.argv[1:]))
