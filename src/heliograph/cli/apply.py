"""``heliograph apply FILE``: make the stored directory what a file says."""

from __future__ import annotations

from pathlib import Path

from heliograph.cli.stored import STORED, Stored
from heliograph.cli.terminal import printable


def apply(
    file: Path,
    /,
    *,
    dry_run: bool = False,
    stored: Stored = STORED,
) -> int:
    """Make the stored directory what FILE says, and print what that changes: + comes, ~ changes, - goes.

    Servers that run on the same database notice it within seconds. Applied
    again it changes nothing.

    Example: heliograph apply directory.toml --dry-run

    Parameters
    ----------
    file
        The directory file. A login that is stored already may be in it without its secret.
    dry_run
        Print what would change, and change nothing.
    """
    with stored.opened(create=True) as store:
        from heliograph.directory.file import read_directory_file

        wanted = read_directory_file(file)
        diff = store.plan(wanted, file) if dry_run else store.apply(wanted, f"apply {file}", file)
    for line in diff.lines():
        print(printable(line))
    if not diff:
        print("nothing to change")
    return 0
