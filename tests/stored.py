"""A stored directory that servers start with, so that a start need not migrate and hash at full cost.

The hashes are real ones of argon2 with the least cost it can have; a hash tells its own cost, so the server needs no
setting for it.  What is about a first start, or about what a verification costs, is tested without this.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.hashing import CHEAP


def store_directory(file: Path, data_dir: Path) -> None:
    """Lay the directory of ``file`` into a data directory that has none yet, as applying it would have."""
    from heliograph.directory.store.database import FILE_NAME

    target = data_dir / FILE_NAME
    if not target.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(_database(file.read_bytes(), file))
        target.chmod(0o600)


@cache
def _database(octets: bytes, file: Path) -> bytes:
    """The SQLite database of a directory file with these ``octets``."""
    from heliograph.directory.file import read_directory_file
    from heliograph.directory.store.database import FILE_NAME, url_in
    from heliograph.directory.store.store import DirectoryStore
    from heliograph.limits import Limits

    with TemporaryDirectory(prefix="heliograph-directory-") as folder:
        store = DirectoryStore.open(url_in(Path(folder)), Limits(), hasher=CHEAP)
        store.apply(read_directory_file(file), "tests", file)
        store.close()  # the last one to go leaves nothing in the WAL
        return (Path(folder) / FILE_NAME).read_bytes()
