"""A private PostgreSQL for the tests: in a folder of its own, on a free port of the loopback."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: It refuses to run as root; Debian's package brings this user.
USERS = ("postgres", "nobody")
WAIT_S = 60


def binaries() -> Path | None:
    """Where ``initdb`` and ``postgres`` are: Debian keeps them out of the PATH."""
    on_path = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    candidates = [*([Path(on_path).parent] if on_path else []), *reversed(folders)]
    return next((each for each in candidates if (each / "initdb").exists() and (each / "postgres").exists()), None)


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server that is stopped at the end."""
    found = binaries()
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="heliograph-postgresql-", ignore_cleanup_errors=True) as folder:
        user = _give_away(folder)
        data, port = f"{folder}/data", _free_port()
        _run([str(found / "initdb"), "-D", data, "-U", "heliograph", "-A", "trust", "-E", "UTF8", "-N"], folder, user)
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off"
        control = [str(found / "pg_ctl"), "-D", data, "-w", "-t", str(WAIT_S)]
        _run([*control, "-l", f"{folder}/log", "-o", options, "start"], folder, user)
        try:
            yield f"postgresql+psycopg://heliograph@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], folder, user)


def own_database(url: str, name: str) -> str:
    """An empty database beside those of other modules; it goes with the server."""
    from sqlalchemy import create_engine, text  # of the server's parts, like who asks for this

    name = re.sub(r"\W", "_", name)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.rpartition("/")[0] + f"/{name}"


def _give_away(folder: str) -> str | None:
    """Who is to run it, where we are root; the folder becomes theirs."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in USERS if name in names)
    shutil.chown(folder, user)
    return user


def _run(command: list[str], folder: str, user: str | None) -> None:
    # No pipes: the server would inherit and keep them.
    output = Path(folder).with_suffix(".output")
    try:
        with output.open("w+", encoding="utf-8") as printed:
            code = subprocess.run(
                command,
                check=False,
                cwd=folder,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                timeout=2 * WAIT_S,
            ).returncode
        assert code == 0, output.read_text(encoding="utf-8")
    finally:
        output.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
