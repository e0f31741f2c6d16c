"""``heliograph export``: the stored directory as a file."""

from __future__ import annotations

from heliograph.cli.stored import STORED, Stored


def export(*, stored: Stored = STORED) -> int:
    """Print the stored directory as TOML, without secrets. A server may be running meanwhile.

    Example: heliograph export > directory.toml
    """
    with stored.opened() as store:
        from heliograph.directory.toml import toml_text

        print(toml_text(store.export()), end="")
    return 0
