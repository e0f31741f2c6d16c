"""Log and journal over stores that forget and fail, against a model: nothing promised is lost, nothing wrong served."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from heliograph.engine.embedded.log.committer import Fsync
from tests.crash.rig import Rig
from tests.crash.stores import FaultyStore, PowerCut

KEYS = st.sampled_from(["a.1", "a.2", "b.ä", "c"])
BODIES = st.one_of(st.binary(max_size=40), st.integers(0, 900).map(lambda size: bytes([size % 251 + 1]) * size))


class StoreMachine(RuleBasedStateMachine):
    """Every rule may be the one in which the power goes; then only what was synced is certain."""

    honest = True

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(FaultyStore(self.honest))

    def _living(self, act) -> None:
        try:
            act()
        except PowerCut:
            self._restart(power_cut=True)

    def _restart(self, power_cut: bool) -> None:
        self.rig.store.mend()
        self.rig.store.cut_at = None
        while True:
            try:
                if power_cut:
                    self.rig.power_cut()
                self.rig.open()
                break
            except PowerCut:
                power_cut = True
        self.rig.check_states()
        self.rig.check_events()

    @rule(keys=st.lists(KEYS, min_size=1, max_size=6), body=BODIES, headers=st.booleans(), skip=st.booleans())
    def publish(self, keys, body, headers, skip):
        for number, key in enumerate(keys):
            all_headers = {"type": key, "ä": body.hex()[:9]} if headers else None
            self.rig.append(key, body + bytes([number + 1]), all_headers, int(skip and number % 2))

    @rule(key=KEYS, state=st.one_of(st.none(), st.binary(max_size=120)))
    def put(self, key, state):
        self.rig.put(key, state)

    @rule()
    def commit(self):
        self._living(self.rig.commit)

    @rule()
    def rest(self):
        if self.rig.committer.error is None:
            self._living(self.rig.rest)

    @rule()
    def work(self):
        def all_of_it():
            while self.rig.committer.work():
                pass

        self._living(all_of_it)

    @rule(later_ms=st.integers(0, 60_000), pinned=st.booleans())
    def retain(self, later_ms, pinned):
        rig = self.rig
        rig.now_ms += later_ms
        first = rig.log.first_offset
        rig.log.retain(rig.now_ms, first if pinned else None)
        assert not pinned or rig.log.first_offset == first

    @rule()
    def read(self):
        self.rig.check_events()

    @rule(fault=st.sampled_from(["EIO", "ENOSPC", "torn", "short"]), times=st.sampled_from([1, 2, 3, 1 << 30]),
          operation=st.sampled_from(["write", "sync", "sync_directory", "create", "truncate"]))  # fmt: skip
    def fail(self, fault, times, operation):
        self.rig.store.fail(fault, times, [operation])

    @rule()
    def mend(self):
        self.rig.store.mend()

    @precondition(lambda self: self.rig.committer.error is not None)
    @rule()
    def probe(self):
        self._living(lambda: self.rig.apply(self.rig.committer.probe()))

    @rule()
    def kill(self):
        """A process that dies loses nothing of what it wrote."""
        self._restart(power_cut=False)

    @rule()
    def cut_the_power(self):
        self._restart(power_cut=True)

    @rule(changes=st.integers(1, 12))
    def cut_the_power_soon(self, changes):
        self.rig.store.cut_at = self.rig.store.changes + changes

    @rule()
    def stop(self):
        def stop_and_start():
            next_offset = self.rig.log.draft.next_offset
            self.rig.stop()
            clean = self.rig.committer.error is None
            self.rig.open()
            assert not clean or self.rig.log.draft.next_offset == next_offset
            self.rig.check_states()
            self.rig.check_events()

        self._living(stop_and_start)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=150, stateful_step_count=40)


def a_life(seed: int, honest: bool = True, fsync: Fsync = "always") -> None:
    """Publish and put, and cut the power at a random moment; check what is left."""
    rng = random.Random(seed)
    store = FaultyStore(honest)
    rig = Rig(store, fsync=fsync, seed=seed)
    store.cut_at = store.changes + rng.randrange(1, rng.choice([20, 200]))
    bodies = rng.choice([20, 300])
    try:
        while True:
            for _ in range(rng.randrange(1, 8)):
                rig.append(rng.choice("abc"), rng.randbytes(rng.randrange(bodies)), skip=rng.randrange(4) // 3)
            if rng.random() < 0.6:
                rig.put(rng.choice("xyz"), rng.choice([None, rng.randbytes(20), rng.randbytes(90)]))
            if rng.random() < 0.1:
                store.fail(rng.choice(["EIO", "ENOSPC", "torn", "short"]), rng.randrange(1, 4), ["write"])
            rig.commit()
            if rng.random() < 0.1 and rig.committer.error is None:
                rig.rest()
            rig.committer.work()
            if rig.committer.error is not None:
                rig.apply(rig.committer.probe())
    except PowerCut:
        pass
    store.mend()
    rig.power_cut()
    rig.open()
    if fsync == "always":
        rig.check_states()
    rig.check_events()


ROUNDS = pytest.mark.parametrize("rounds", [200, pytest.param(20_000, marks=pytest.mark.long)])


@ROUNDS
def test_a_power_cut_at_any_moment_costs_nothing_that_was_confirmed(rounds: int):
    for seed in range(rounds):
        a_life(seed)


@ROUNDS
def test_synced_at_intervals_a_power_cut_costs_what_came_since_the_last_sync(rounds: int):
    for seed in range(rounds):
        a_life(seed, fsync="interval")


def test_the_same_check_finds_a_sync_that_is_missing():
    found = 0
    for seed in range(200):
        try:
            a_life(seed, honest=False)
        except AssertionError:
            found += 1
    assert found > 100
