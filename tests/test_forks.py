"""What the forked processes of ``make check`` must tell: failures, what is printed, and tests that nobody finished."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CONFTEST = """
from tests.forks import Forks

def pytest_configure(config):
    config.pluginmanager.register(Forks(config, 2))
"""
FINE = """
import os, pytest

@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    yield os.getpid()
    tmp_path_factory.getbasetemp().joinpath(f"ended-{__name__}").touch()

@pytest.mark.parametrize("number", range(10))
def test_of_one_file_stay_together(shared, number):
    assert shared == os.getpid() != os.getppid()

@pytest.mark.skip
def test_skipped():
    pass
"""
BAD = """
import pytest

def test_bad():
    print("a canary")
    assert 1 == 2

@pytest.fixture
def broken():
    yield
    raise ZeroDivisionError

def test_broken_at_its_end(broken):
    pass
"""
GONE = """
import os

def test_before():
    pass

def test_gone():
    os._exit(0)

def test_behind():
    pass
"""


def run(folder: Path, **files: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    for name, text in (files | {"conftest": CONFTEST}).items():
        (folder / f"{name}.py").write_text(text)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-c", str(folder / "pytest.ini")]
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", *options, "--basetemp", str(folder / "temp"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr


def test_files_are_shared_out_and_all_of_it_is_counted(tmp_path: Path) -> None:
    code, printed = run(tmp_path, **{f"test_{number}": FINE for number in range(5)})
    assert (code, "50 passed, 5 skipped" in printed) == (0, True), printed
    assert sorted(path.name for path in (tmp_path / "temp").iterdir()) == [f"ended-test_{n}" for n in range(5)]


def test_failures_and_what_was_printed_are_told(tmp_path: Path) -> None:
    code, printed = run(tmp_path, test_bad=BAD, test_fine=FINE)
    assert (code, "1 failed, 11 passed, 1 skipped, 1 error" in printed) == (1, True), printed
    assert "a canary" in printed
    assert "ZeroDivisionError" in printed


def test_what_a_process_has_not_finished_is_a_failure(tmp_path: Path) -> None:
    code, printed = run(tmp_path, test_fine=FINE, test_gone=GONE)
    assert code == 1, printed
    assert "a process ended before 3 tests of its own, the first of them test_gone.py::test_before" in printed
