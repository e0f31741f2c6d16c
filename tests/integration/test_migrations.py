"""Two processes that start on a database without tables at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.directory.secret import Secret
from heliograph.directory.store.database import url_in

MIGRATE = """
import sys
from heliograph.directory.secret import Secret
from heliograph.directory.store.store import DirectoryStore
from heliograph.limits import Limits
store = DirectoryStore(Secret(sys.argv[1]), Limits())
print("ready", flush=True)
sys.stdin.readline()
store.migrate()
print(store.revision())
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgresql)])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Secret:
    """Of a database without tables, of one kind after the other."""
    if request.param == "sqlite":
        return url_in(tmp_path / "data")
    return Secret(request.getfixturevalue("postgresql_url"))


def test_two_nodes_may_start_at_once(new_url: Secret):
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, new_url.reveal()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for process in starting:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in starting:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate(timeout=30)[0] for process in starting] == ["0\n"] * 2
        assert [process.returncode for process in starting] == [0] * 2
    finally:
        for process in starting:
            process.kill()
            process.communicate()
