"""The stored directory, for the commands that work on it without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from heliograph.cli.serving import require_server_parts
from heliograph.errors import SettingsError

if TYPE_CHECKING:
    from heliograph.directory.store.store import DirectoryStore


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Stored:
    """The stored directory that ``serve`` would use with these flags.

    Parameters
    ----------
    data_dir
        The server's data directory (default: data).
    directory_url
        The directory's database, where it is not in the data directory.
    config
        Read this instead of heliograph.toml.
    """

    data_dir: Path | None = None
    directory_url: str | None = None
    config: Path | None = None

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[DirectoryStore]:
        """The store; a server may have it open meanwhile.  ``create``: make a new one where there is none."""
        require_server_parts()
        from heliograph.cli.configuration import gather
        from heliograph.directory.store.database import FILE_NAME, url_in
        from heliograph.directory.store.store import DirectoryStore

        settings = gather({"data_dir": self.data_dir, "directory_url": self.directory_url}, os.environ, self.config)
        path = settings.data_dir / FILE_NAME
        if not create and settings.directory_url is None and not path.exists():
            raise SettingsError("No directory", f"there is no {path}. Name the server's with --data-dir.")
        store = DirectoryStore.open(settings.directory_url or url_in(settings.data_dir), settings.limits)
        try:
            yield store
        finally:
            store.close()


#: Where no flag is given.
STORED = Stored()
