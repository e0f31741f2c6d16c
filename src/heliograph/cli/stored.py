"""The stored directory, for the commands that work on it without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from heliograph.cli.serving import require_server_parts
from heliograph.errors import SettingsError

if TYPE_CHECKING:
    from heliograph.directory.store.store import DirectoryStore


@contextmanager
def stored_directory(
    data_dir: Path | None, directory_url: str | None, config: Path | None, *, create: bool
) -> Iterator[DirectoryStore]:
    """The store that ``serve`` would use with these flags; a server may have it open meanwhile.

    ``create``: make a new one where there is none.
    """
    require_server_parts()
    from heliograph.cli.configuration import gather
    from heliograph.directory.store.database import FILE_NAME, url_in
    from heliograph.directory.store.store import DirectoryStore

    settings = gather({"data_dir": data_dir, "directory_url": directory_url}, os.environ, config)
    path = settings.data_dir / FILE_NAME
    if not create and settings.directory_url is None and not path.exists():
        raise SettingsError("No directory", f"there is no {path}. Name the server's with --data-dir.")
    store = DirectoryStore.open(settings.directory_url or url_in(settings.data_dir), settings.limits)
    try:
        yield store
    finally:
        store.close()
