"""One log, driven without a thread: reading, gaps, times, retention, opening again."""

from __future__ import annotations

import msgspec
import pytest
import structlog

from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.stored import Batch
from heliograph.engine.interface import Retention
from heliograph.errors import ServerError, SettingsError
from tests.crash.rig import SMALL, Rig
from tests.crash.stores import FaultyStore


@pytest.fixture
def rig() -> Rig:
    return Rig(FaultyStore())


def commit(rig: Rig, *keys: str, body: bytes = b"body", skip: int = 0) -> list[int]:
    """One commit; its offsets."""
    for place, key in enumerate(keys):
        assert rig.append(key, body, skip=0 if place else skip)
    rig.commit()
    while rig.committer.work():
        pass
    return rig.confirmed[-len(keys) :]


def batch_at(rig: Rig, offset: int) -> Batch:
    batch = rig.log.read_batch(offset)
    assert isinstance(batch, Batch)
    return batch


def test_a_new_log_is_empty(rig: Rig):
    log = rig.log
    assert log.first_offset == log.next_offset == log.draft.next_offset == 1
    assert log.read_batch(1) is None
    assert log.offset_at(0) == 1


def test_a_new_log_begins_where_it_is_told_to():
    log = Log(FaultyStore(), "x", SMALL, first_offset=1_000)
    assert log.first_offset == log.next_offset == log.draft.next_offset == 1_000
    assert log.read_batch(1_000) is None


def test_a_batch_is_found_by_any_of_its_offsets(rig: Rig):
    first = commit(rig, "a", "b", "a")
    second = commit(rig, "c")
    for offset in first:
        batch = batch_at(rig, offset)
        assert (batch.first_offset, batch.last_offset, batch.keys) == (first[0], first[-1], ("a", "b"))
    assert batch_at(rig, second[0]).keys == ("c",)
    assert rig.log.read_batch(second[0] + 1) is None


def test_offsets_that_never_were_are_no_gap(rig: Rig):
    commit(rig, "a")
    later = commit(rig, "b", skip=5)
    assert batch_at(rig, later[0] - 3).first_offset == later[0]


def test_what_is_not_committed_is_not_read(rig: Rig):
    rig.append("a", b"")
    assert rig.log.draft.next_offset == 2
    assert rig.log.next_offset == 1
    assert rig.log.read_batch(1) is None


def test_a_batch_that_is_skipped_costs_no_body(rig: Rig):
    rig.limits = msgspec.structs.replace(SMALL, segment_bytes_max=1 << 20)
    rig.log._limits = rig.limits
    commit(rig, "a", body=bytes(300_000))
    rig.close()
    rig.open()
    read = []
    rig.store.judge = lambda operation, path: read.append(path) if operation == "read" else None
    assert batch_at(rig, 1).keys == ("a",)
    assert len(read) == 1


def test_a_log_is_read_backwards_as_it_is_read_forwards(rig: Rig):
    for number in range(200):
        commit(rig, *(f"{number}.{place}" for place in range(1 + number % 3)), body=bytes(number), skip=number % 5)
    forwards = rig.read()
    assert list(rig.read_back()) == list(reversed(forwards))
    assert len(forwards) > 300
    rig.log.retain(rig.now_ms)
    assert rig.log.first_offset > 1
    assert list(rig.read_back()) == list(reversed(rig.read()))
    assert rig.log.read_before(rig.log.first_offset) is None
    assert not rig.gaps


def test_events_are_counted_over_restarts_and_removal(rig: Rig):
    assert (rig.log.event_count, rig.log.oldest_ms) == (0, None)
    for number in range(40):
        commit(rig, "a", "b", body=bytes(300), skip=number % 2)
    assert rig.log.event_count == 80
    assert rig.log.oldest_ms == rig.appended[1][3]
    rig.log.retain(rig.now_ms)
    kept = rig.read()
    assert rig.log.event_count == len(kept) < 80
    assert rig.log.oldest_ms == min(event.received_ms for event in kept.values())
    rig.stop()
    rig.open()
    assert rig.log.event_count == len(kept)


def test_times_find_the_first_offset_at_or_after(rig: Rig):
    offsets = [offset for _ in range(30) for offset in commit(rig, "a", "b", body=bytes(90))]
    for offset in offsets:
        received_ms = rig.appended[offset][3]
        assert rig.log.offset_at(received_ms) == offset
        assert rig.log.offset_at(received_ms - 1) == offset
    assert rig.log.offset_at(rig.now_ms + 1) == rig.log.next_offset
    assert rig.log.offset_at(0) == offsets[0]


def test_a_clock_that_is_set_back_does_not_hide_events(rig: Rig):
    first = commit(rig, "a")
    rig.now_ms -= 3_600_000
    second = commit(rig, "b")
    assert rig.log.offset_at(rig.appended[second[0]][3]) == first[0]
    assert rig.log.offset_at(rig.appended[first[0]][3]) == first[0]


def test_retention_by_size_removes_whole_segments_and_tells_readers(rig: Rig):
    while rig.log.size_bytes <= SMALL.log_bytes_max:
        commit(rig, "a", body=bytes(500))
    held = batch_at(rig, 1)
    rig.log.retain(rig.now_ms)
    first = rig.log.first_offset
    assert first > 1
    assert rig.log.read_batch(1) == Gap(1, first - 1, "removed")
    assert held.events() == Gap(1, 1, "removed")
    assert batch_at(rig, first).first_offset == first
    files = len(rig.store.paths())
    while rig.committer.work():
        pass
    assert len(rig.store.paths()) < files
    rig.close()
    rig.open()
    assert rig.log.first_offset == first
    assert rig.log.read_batch(1) == Gap(1, first - 1, "removed")
    assert not rig.log.damages


def test_a_small_retention_makes_small_segments(rig: Rig):
    rig.log._limits = rig.log.tail._limits = msgspec.structs.replace(SMALL, segment_bytes_max=64 << 20)
    sizes = []
    for size_bytes in (1 << 30, 80 << 20, 1):
        rig.log.keep(Retention(size_bytes=size_bytes))
        sizes.append(rig.log.tail._segment_bytes)
    assert sizes == [64 << 20, 10 << 20, 1 << 20]


def test_retention_by_age_waits_for_a_pinned_offset(rig: Rig):
    offsets = [commit(rig, "a", body=bytes(500))[0] for _ in range(20)]
    later_ms = rig.now_ms + SMALL.log_ms_max + 1
    rig.log.retain(later_ms, pinned_offset=offsets[7])
    assert 1 < rig.log.first_offset <= offsets[7]
    rig.log.retain(later_ms)
    assert rig.log.first_offset > offsets[7]


def test_what_is_old_in_the_active_segment_goes_too(rig: Rig):
    commit(rig, "a")
    rig.log.retain(rig.now_ms + SMALL.log_ms_max + 1)
    assert rig.log.first_offset == 1
    rig.apply(rig.committer.rest())
    rig.log.retain(rig.now_ms + SMALL.log_ms_max + 1)
    assert rig.log.first_offset == rig.log.next_offset == 2
    assert rig.log.read_batch(1) == Gap(1, 1, "removed")
    assert commit(rig, "b") == [2]
    assert batch_at(rig, 2).keys == ("b",)


@pytest.mark.parametrize("change", ["none", "missing", "damaged"])
def test_without_its_index_a_segment_is_walked(rig: Rig, change: str):
    for _ in range(20):
        commit(rig, "a", body=bytes(500))
    rig.stop()
    indexes = [path for path in rig.store.paths() if path.endswith(".index")]
    assert indexes
    for path in indexes:
        if change == "missing":
            rig.store.unlink(path)
        elif change == "damaged":
            rig.store.content(path)[20] ^= 1
    rig.open()
    rig.check_events()
    assert not rig.log.damages
    assert rig.log.offset_at(rig.appended[15][3]) == 15


def test_a_clean_stop_gives_back_what_was_reserved(rig: Rig):
    commit(rig, "a")
    rig.stop()
    rig.open()
    assert rig.log.draft.next_offset == 2


def test_a_crash_costs_the_reservation(rig: Rig):
    commit(rig, "a")
    reserved = rig.log.reserved_offset
    rig.close()
    rig.open()
    assert rig.log.draft.next_offset >= reserved


def test_a_disk_that_gives_nothing_is_an_error_first_and_a_gap_later(rig: Rig):
    commit(rig, "a")
    rig.close()
    rig.open()
    rig.store.fail("EIO", operations=["read"])
    for _ in range(3):
        with pytest.raises(ServerError):
            rig.log.read_batch(1)
    rig.store.mend()
    batch = batch_at(rig, 1)
    assert isinstance(batch.events(), list)
    rig.log._window.forget()
    rig.store.fail("EIO", operations=["read"])
    errors = 0
    while True:
        try:
            assert batch.events() == Gap(1, 1, "damaged")
            break
        except ServerError:
            errors += 1
    assert errors == 7
    assert rig.log.read_batch(1) == Gap(1, 1, "damaged")


def test_damage_is_reported_once(rig: Rig):
    commit(rig, "a")
    commit(rig, "b")
    path = next(path for path in rig.store.paths() if path.endswith(".log"))
    data = rig.store.content(path)
    data[data.index(b"body")] ^= 1
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            batch = rig.log.read_batch(1)
            gap = batch.events() if isinstance(batch, Batch) else batch
            assert gap == Gap(1, 1, "damaged")
    assert [(line["exchange"], line["first"], line["last"]) for line in lines] == [("acme.raw", 1, 1)]
    assert batch_at(rig, 2).keys == ("b",)


def test_an_exchange_may_have_any_name_that_fits_a_directory():
    store = FaultyStore()
    paths = {Log(store, name, SMALL).directory for name in ("a", "a/b", "..", ".", "a%2Fb", "ä")}
    assert len(paths) == 6
    assert all(path.count("/") == 1 and not path.rpartition("/")[2].startswith(".") for path in paths)
    with pytest.raises(SettingsError):
        Log(store, "ä" * 100, SMALL)
