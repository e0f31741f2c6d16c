"""``heliograph operator add NAME``: the way to the first token of the HTTP API."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from heliograph.cli.stored import stored_directory
from heliograph.errors import SettingsError

operator = App(name="operator", help="Make operators, who administer over the HTTP API.", help_format="plaintext")


@operator.command
def add(
    name: str, /, *, data_dir: Path | None = None, directory_url: str | None = None, config: Path | None = None
) -> int:
    """Make an operator called NAME and print its token, which is shown this once only.

    A server that runs on the same database knows it within seconds.

    Example: heliograph operator add maria

    Parameters
    ----------
    name
        Stands in the audit beside what the operator does.
    data_dir
        The server's data directory (default: data).
    directory_url
        The directory's database, where it is not in the data directory.
    config
        Read this instead of heliograph.toml.
    """
    with stored_directory(data_dir, directory_url, config, create=True) as store:
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
