"""``heliograph operator add NAME``: the way to the first token of the HTTP API."""

from __future__ import annotations

from cyclopts import App

from heliograph.cli.stored import STORED, Stored
from heliograph.errors import SettingsError

operator = App(name="operator", help="Make operators, who administer over the HTTP API.", help_format="plaintext")


@operator.command
def add(name: str, /, *, stored: Stored = STORED) -> int:
    """Make an operator called NAME and print its token, which is shown this once only.

    A server that runs on the same database knows it within seconds.

    Example: heliograph operator add maria

    Parameters
    ----------
    name
        Stands in the audit beside what the operator does.
    """
    with stored.opened(create=True) as store:
        from msgspec.structs import replace

        from heliograph.directory.file import DirectoryFile, OperatorEntry
        from heliograph.directory.secret import Secret, new_secret

        token = new_secret()

        def with_operator(file: DirectoryFile) -> DirectoryFile:
            operators = file.operators or ()
            if any(each.name == name for each in operators):
                raise SettingsError("Operator exists", f"{name!r} is one already. Give another name.")
            return replace(file, operators=(*operators, OperatorEntry(name=name, token=Secret(token))))

        store.edit(with_operator, f"operator add {name}", "operator add")
    print(token)
    return 0
