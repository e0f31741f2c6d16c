"""``heliograph export``: the stored directory as a file."""

from __future__ import annotations

from pathlib import Path

from heliograph.cli.stored import stored_directory


def export(*, data_dir: Path | None = None, directory_url: str | None = None, config: Path | None = None) -> int:
    """Print the stored directory as TOML, without secrets. A server may be running meanwhile.

    Example: heliograph export > directory.toml

    Parameters
    ----------
    data_dir
        The server's data directory (default: data).
    directory_url
        The directory's database, where it is not in the data directory.
    config
        Read this instead of heliograph.toml.
    """
    with stored_directory(data_dir, directory_url, config, create=False) as store:
        from heliograph.directory.toml import toml_text

        print(toml_text(store.export()), end="")
    return 0
