"""A writing process is killed at random moments: what it said was stored is there when it is opened again."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.file_store import FileStore
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from tests.crash.writer_process import EXCHANGES, LIMITS, body_of

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.long)])


def lines_until_killed(root: Path, after_s: float) -> list[list[str]]:
    """What a writer said, all lines whole, till it was killed."""
    command = [sys.executable, "-m", "tests.crash.writer_process", str(root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        try:
            rest, _ = process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            rest, _ = process.communicate()
    assert process.returncode == -9, process.returncode
    return [line.split() for line in (said + rest).decode().rpartition("\n")[0].split("\n")]


@ROUNDS
def test_what_was_stored_outlives_kill_9(tmp_path: Path, rounds: int):
    rng = random.Random(5)
    last = dict.fromkeys(EXCHANGES, 0)  # of those it said were stored
    put = dict.fromkeys(EXCHANGES, 0)
    checked = dict.fromkeys(EXCHANGES, 1)
    for _ in range(rounds):
        stored = dict.fromkeys(EXCHANGES, 0)
        for exchange, *said in lines_until_killed(tmp_path, rng.uniform(0.05, 0.4)):
            if said[0] == "from":
                assert int(said[1]) > last[exchange], "an offset is assigned twice"
            elif said[0] == "put":
                put[exchange] = int(said[1])
            else:
                last[exchange] = int(said[0])
                stored[exchange] += int(said[1])
        store = FileStore(tmp_path)
        states = Journal(store, LIMITS).load()
        for exchange in EXCHANGES:
            assert int(states.get(exchange, 0)) >= put[exchange]
            count, checked[exchange] = served(store, exchange, checked[exchange], last[exchange])
            assert count == stored[exchange]
        store.close()
    assert min(last.values()) > 1_000 * rounds


def served(store: FileStore, exchange: str, offset: int, last: int) -> tuple[int, int]:
    """How many events are served from ``offset`` to ``last``, and where the log ends; all that is served is right."""
    log = Log(store, exchange, LIMITS)
    count = 0
    while (batch := log.read_batch(offset)) is not None:
        assert not isinstance(batch, Gap), batch
        events = batch.events()
        assert isinstance(events, list)
        for event in events:
            assert event.body == body_of(exchange, event.offset)
            assert event.envelope.headers == {"n": str(event.offset)}
            count += event.offset <= last
        offset = batch.last_offset + 1
    assert not log.damages
    end = log.next_offset
    log.close()
    return count, end
