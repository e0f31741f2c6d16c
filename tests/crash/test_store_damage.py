"""Damage anywhere in the files of the store: found, reported with the offsets that are lost, never served."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import pytest
import structlog

from heliograph.engine.embedded.log.damage import Damage, Gap
from tests.crash.rig import Rig, content_of
from tests.crash.stores import FaultyStore

COUNTS = pytest.mark.parametrize("count", [1_000, pytest.param(20_000, marks=pytest.mark.long)])
PER_COMMIT = 4


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def fill(rig: Rig, commits: int) -> None:
    for number in range(commits):
        for place in range(rig.rng.randrange(1, PER_COMMIT + 1)):
            body = rig.rng.randbytes(rig.rng.randrange(200))
            rig.append(f"k.{place}", body, {"n": str(number)}, skip=rig.rng.randrange(5) // 4)
        rig.put(f"cursor {rig.rng.randrange(4)}", rig.rng.randbytes(30))
        rig.commit()
        while rig.committer.work():
            pass


@pytest.fixture(scope="module")
def stopped() -> Rig:
    """Several segments, written in two lives."""
    rig = Rig(FaultyStore(), seed=1)
    for _ in range(2):
        fill(rig, 30)
        rig.stop()
        rig.open()
    rig.stop()
    return rig


def flip(rig: Rig, paths: list[str], rng: random.Random) -> None:
    sizes = [len(rig.store.content(path)) for path in paths]
    data = rig.store.content(rng.choices(paths, sizes)[0])
    bit = rng.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8


def within(offsets: Iterable[int], ranges: Sequence[Gap | Damage]) -> set[int]:
    """Those offsets that lie in one of the ranges."""
    return {offset for offset in offsets if any(each.first <= offset <= each.last for each in ranges)}


def missing_offsets(rig: Rig) -> set[int]:
    return set(rig.confirmed) - rig.read().keys()


def missing(rig: Rig, back: bool = False) -> set[int]:
    """What is not served; it is told to the reader and reported, and everything that is served is right."""
    rig.gaps.clear()
    events = rig.read_back() if back else rig.read()
    for offset, event in events.items():
        assert content_of(event) == rig.appended[offset]
    lost = set(rig.confirmed) - events.keys()
    assert lost == within(lost, rig.gaps)
    assert lost == within(lost, rig.log.damages)
    assert not within(events, rig.gaps)
    return lost


@COUNTS
def test_a_flipped_bit_of_a_log_is_never_served_and_always_reported(stopped: Rig, count: int, log_lines: list):
    rng = random.Random(2)
    hits = 0
    for number in range(count):
        rig = stopped.copy()
        flip(rig, [path for path in rig.store.paths() if path.startswith("logs/")], rng)
        rig.open()
        scanned = [damage for damages in rig.log.verify() for damage in damages]
        log_lines.clear()
        known = len(rig.log.damages)
        back = number % 3 == 0
        lost = missing(rig, back)
        assert missing(rig, not back) == lost
        assert lost == within(lost, scanned)
        assert len(lost) <= PER_COMMIT
        assert len([line for line in log_lines if line["event"] == "damaged"]) == len(rig.log.damages) - known
        hits += bool(lost)
        if number % 4 == 0:
            fill(rig, 2)  # the log goes on
            rig.close()
            rig.open()
            assert missing(rig) == lost
    assert hits > count // 3


@COUNTS
def test_a_flipped_bit_after_a_kill_costs_at_most_the_last_commit_without_a_gap(stopped: Rig, count: int):
    """Without a mark behind it, a damaged last commit cannot be told from one that a crash tore."""
    killed = stopped.copy()
    killed.open()
    fill(killed, 5)
    rng = random.Random(3)
    for _ in range(count):
        rig = killed.copy()
        flip(rig, [path for path in rig.store.paths() if path.endswith(".log")], rng)
        rig.open()  # checks that no offset is assigned again
        events = rig.read()
        assert all(content_of(event) == rig.appended[offset] for offset, event in events.items())
        lost = set(rig.confirmed) - events.keys()
        silent = lost - within(lost, rig.log.damages)
        assert not silent or min(silent) > rig.confirmed[-PER_COMMIT - 1]


@COUNTS
def test_a_flipped_bit_of_the_journal_never_gives_a_wrong_state(stopped: Rig, count: int):
    rng = random.Random(4)
    put: dict[str, set] = {}
    live = stopped.copy()
    live.limits = Rig.limits_with(journal_bytes_min=1 << 20)  # one file, with all that was put
    live.open()
    for number in range(60):
        key = f"cursor {number % 7}"
        state = live.rng.randbytes(30) if number % 11 else None
        put.setdefault(key, {live.loaded.get(key)}).add(state)
        live.put(key, state)
        live.commit()
    live.stop()
    latest = {key: history[0] for key, history in live.states.items()}
    hits = 0
    for _ in range(count):
        rig = live.copy()
        flip(rig, [path for path in rig.store.paths() if path.startswith("journal/")], rng)
        rig.open()
        for key in latest.keys() | rig.loaded.keys():
            state = rig.loaded.get(key)
            if state == latest[key]:
                continue
            assert state is None or state in put[key]
            if key not in rig.journal.damaged_keys:
                assert state is None
                assert rig.journal.records_lost
        hits += bool(rig.journal.damaged_keys)
        rig.close()
        before = rig.loaded
        rig.open()  # mended: no damage any more, nothing else lost
        assert rig.loaded == before
        assert not rig.journal.damaged_keys
    assert hits > count // 15


def test_the_file_of_a_damaged_batch_is_kept_beyond_its_time(stopped: Rig):
    rig = stopped.copy()
    path = min(path for path in rig.store.paths() if path.endswith(".log"))
    rig.store.content(path)[100] ^= 1
    rig.open()
    assert missing(rig)
    rig.log.retain(rig.now_ms + 10**9)
    while rig.committer.work():
        pass
    assert path not in rig.store.paths()
    assert "quarantine/" + path.replace("/", "+") in rig.store.paths()


def test_a_damaged_tail_is_copied_before_it_is_cut(stopped: Rig):
    """Two damaged commits at the end: the head of the second proves that the first was stored."""
    rig = stopped.copy()
    rig.open()
    for body in (b"first body", b"second body"):
        rig.append("k", body)
        rig.commit()
    first = rig.confirmed[-2]
    path = max(path for path in rig.store.paths() if path.endswith(".log"))
    data = rig.store.content(path)
    for body in (b"first body", b"second body"):
        data[data.index(body)] ^= 1
    damaged = bytes(data[data.index(b"irst body") : data.index(b"econd body")])
    rig.close()
    rig.open()
    assert missing_offsets(rig) == {first, first + 1}
    assert within([first, first + 1], rig.log.damages) == {first}  # the second may have been torn
    copies = [path for path in rig.store.paths() if path.startswith("quarantine/")]
    assert any(damaged in rig.store.content(path) for path in copies)


def test_a_missing_segment_is_a_gap_with_its_offsets(stopped: Rig):
    whole = stopped.copy()
    whole.open()
    segments = [path for path in whole.store.paths() if path.endswith(".log")]
    firsts = [int(path.rpartition("/")[2][:20]) for path in segments]
    for place, path in enumerate(segments):
        rig = stopped.copy()
        rig.store.unlink(path)
        rig.open()
        gone = {offset for offset in rig.confirmed
                if firsts[place] <= offset < [*firsts[1:], rig.handed_out + 1][place]}  # fmt: skip
        rig.gaps.clear()
        events = rig.read(start=min(firsts))
        assert set(rig.confirmed) - events.keys() == gone
        assert gone == within(gone, rig.gaps)
        rig.gaps.clear()
        assert rig.read_back().keys() == events.keys()
        if place:
            assert gone == within(gone, rig.gaps)
        if place:  # the oldest may have been removed by retention
            assert gone == within(gone, rig.log.damages)
        else:
            assert not rig.gaps


def test_zeros_and_garbage_behind_the_last_batch_are_cut(stopped: Rig, log_lines: list):
    for tail in (bytes(3_000), b"HGB1" * 100, b"\xff" * 5_000, b"\0" * 700 + b"x"):
        rig = stopped.copy()
        path = max(path for path in rig.store.paths() if path.endswith(".log"))
        rig.store.content(path).extend(tail)
        log_lines.clear()
        rig.open()
        assert not missing(rig)
        torn = [line for line in log_lines if line["event"] == "torn tail"]
        assert len(torn) == bool(tail.strip(b"\0"))
        fill(rig, 2)
        rig.close()
        rig.open()
        assert not missing(rig)


def test_a_batch_inside_a_body_is_not_taken_for_one(stopped: Rig):
    """A publisher cannot know the salt of the file, and without it no CRC fits."""
    rig = stopped.copy()
    path = max(path for path in rig.store.paths() if path.endswith(".log"))
    stolen = bytes(rig.store.content(path)[:900])
    rig.open()
    rig.log.roll_wanted = True
    rig.apply(rig.committer.rest())
    rig.append("evil", stolen)
    rig.append("evil", stolen)
    rig.commit()
    rig.apply(rig.committer.rest())
    evil = rig.confirmed[-2:]
    rig.close()
    path = max(path for path in rig.store.paths() if path.endswith(".log"))
    data = rig.store.content(path)
    data[data.index(b"HGB1", 10) + 20] ^= 1  # the head: what follows is searched for the next batch
    rig.open()
    assert missing(rig) == set(evil)
