"""Heart-beats on a clock that is passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.limits import Limits
from heliograph.stomp.heartbeat import PATIENCE, HeartBeat, negotiate

SWEEP_S = 0.2


@pytest.mark.parametrize(("idle_s", "due"), [(0.0, False), (0.59, False), (0.6, True), (5.0, True)])
def test_a_beat_leaves_before_the_next_look_would_be_too_late(idle_s: float, due: bool) -> None:
    assert HeartBeat(send_ms=1_000).send_due(idle_s, SWEEP_S) is due


@given(st.integers(1_000, 60_000), st.integers(0, 100_000))
def test_looking_every_sweep_beats_are_never_later_than_promised(send_ms: int, start: int) -> None:
    beat = HeartBeat(send_ms=send_ms)
    idle_s = (start % 200) / 1000  # the first look comes at any time within a sweep
    while not beat.send_due(idle_s, SWEEP_S):
        idle_s += SWEEP_S
    assert idle_s * 1000 <= send_ms


@pytest.mark.parametrize(("silent_s", "dead"), [(0.0, False), (1.0, False), (2.0, False), (2.01, True), (60.0, True)])
def test_a_peer_is_dead_after_twice_its_interval(silent_s: float, dead: bool) -> None:
    assert PATIENCE == 2.0
    assert HeartBeat(receive_ms=1_000).peer_dead(silent_s) is dead


def test_without_beats_nothing_is_due_and_nobody_dies() -> None:
    assert not HeartBeat().send_due(1e9, SWEEP_S)
    assert not HeartBeat().peer_dead(1e9)


def test_the_floor_is_a_limit() -> None:
    assert negotiate("1,2", Limits(heartbeat_ms_min=500)) == HeartBeat(send_ms=500, receive_ms=500)
