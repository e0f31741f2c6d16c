"""A stored directory that servers start with, so that a start need not migrate and hash at full cost.

The hashes are real ones of argon2 with the least cost it can have; a hash tells its own cost, so the server needs no
setting for it.  What is about a first start, or about what a verification costs, is tested without this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.hashing import CHEAP

if TYPE_CHECKING:
    from heliograph.directory.store.store import DirectoryStore


def store_directory(file: Path, data_dir: Path) -> None:
    """Lay the directory of ``file`` into a data directory that has none yet, as applying it would have."""
    _lay(data_dir, lambda: _database(file.read_bytes(), file))


def store_tables(data_dir: Path) -> None:
    """Lay a directory with nothing in it into a data directory that has none yet, as the first start would have."""
    _lay(data_dir, _tables)


def store_at(url: str, file: Path) -> None:
    """Apply the directory of ``file`` to an empty database."""
    from heliograph.directory.file import read_directory_file
    from heliograph.directory.secret import Secret
    from heliograph.directory.store.store import DirectoryStore
    from heliograph.limits import Limits

    store = DirectoryStore.open(Secret(url), Limits(), hasher=CHEAP)
    store.apply(read_directory_file(file), "tests", file)
    store.close()


def _lay(data_dir: Path, database: Callable[[], bytes]) -> None:
    from heliograph.directory.store.database import FILE_NAME

    target = data_dir / FILE_NAME
    if not target.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(database())
        target.chmod(0o600)


@cache
def _database(octets: bytes, file: Path) -> bytes:
    """The SQLite database of a directory file with these ``octets``."""
    from heliograph.directory.file import read_directory_file

    with _made() as (store, made):
        store.apply(read_directory_file(file), "tests", file)
        store.close()  # the last one to go leaves nothing in the WAL
        return made.read_bytes()


@cache
def _tables() -> bytes:
    """The SQLite database as the migrations make it."""
    with _made() as (store, made):
        store.close()
        return made.read_bytes()


@contextmanager
def _made() -> Iterator[tuple[DirectoryStore, Path]]:
    """A new directory, and its file."""
    from heliograph.directory.store.database import FILE_NAME, url_in
    from heliograph.directory.store.store import DirectoryStore
    from heliograph.limits import Limits

    with TemporaryDirectory(prefix="heliograph-directory-") as folder:
        yield DirectoryStore.open(url_in(Path(folder)), Limits(), hasher=CHEAP), Path(folder) / FILE_NAME
