"""kill -9 at random moments under load: receipt = durable, and what was settled with a receipt does not come again."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.crash.load import Load
from tests.durable.broker_process import BrokerProcess

#: CI has minutes, a developer seconds.  A round costs a start of the server, which hashes the passwords first.
ROUNDS = 50 if os.environ.get("CI") == "true" else 3
SIGTERM_S = 10.0


def kill_rounds(place: Path, rounds: int) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    broker = BrokerProcess(place, segment_bytes_max=200_000, preallocated_bytes=65_536)
    load = Load(seed)
    try:
        for _ in range(rounds):
            with load.running(broker):
                time.sleep(rng.uniform(0.02, 0.6))
                broker.kill()
            broker.restart()
        load.check(broker)
    finally:
        broker.end()


@pytest.mark.timeout(240)
def test_nothing_with_a_receipt_is_lost_by_kill_9(tmp_path: Path):
    kill_rounds(tmp_path, ROUNDS)


@pytest.mark.long
def test_nothing_with_a_receipt_is_lost_by_200_kills(tmp_path: Path):
    kill_rounds(tmp_path, 200)


def test_sigterm_under_load_loses_nothing_and_takes_less_than_ten_seconds(tmp_path: Path):
    broker = BrokerProcess(tmp_path)
    load = Load(1)
    try:
        with load.running(broker):
            time.sleep(0.3)
            assert broker.server.terminate() < SIGTERM_S
            broker.server.stop()
        broker.restart()
        load.check(broker)
    finally:
        broker.end()
