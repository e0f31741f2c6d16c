"""The journal: what is put is loaded, it stays small, and it tells what it lost."""

from __future__ import annotations

import pytest

from heliograph.errors import HeliographError
from tests.crash.rig import SMALL, Rig
from tests.crash.stores import FaultyStore


@pytest.fixture
def rig() -> Rig:
    return Rig(FaultyStore())


def journal_path(rig: Rig) -> str:
    return next(path for path in rig.store.paths() if path.startswith("journal/"))


def put(rig: Rig, **states: bytes | None) -> None:
    for key, state in states.items():
        rig.put(key, state)
    rig.commit()


def reopened(rig: Rig) -> dict[str, bytes]:
    rig.close()
    rig.open()
    return rig.loaded


def test_what_is_put_is_loaded(rig: Rig):
    put(rig, a=b"1", b=b"")
    put(rig, a=b"2", c=b"3")
    put(rig, c=None)
    assert reopened(rig) == {"a": b"2", "b": b""}


def test_the_last_put_of_a_commit_counts_and_all_are_confirmed(rig: Rig):
    confirms: list[HeliographError | None] = []
    rig.journal.put("a", b"1", confirms.append)
    rig.journal.put("a", b"2", confirms.append)
    rig.commit()
    assert confirms == [None, None]
    assert reopened(rig) == {"a": b"2"}


def test_it_is_written_anew_when_it_is_mostly_out_of_date(rig: Rig):
    for number in range(200):
        put(rig, a=bytes(50), b=number.to_bytes(50, "big"))
        assert len(rig.store.content(journal_path(rig))) < 4_000
    assert len([path for path in rig.store.paths() if path.startswith("journal/")]) == 1
    assert reopened(rig) == {"a": bytes(50), "b": (199).to_bytes(50, "big")}


def test_many_states_are_written_anew_in_pieces(rig: Rig):
    states = {str(number): bytes([number]) * 300_000 for number in range(10)}
    put(rig, **states)
    rig.journal._break()
    rig.journal.repair()
    assert reopened(rig) == states


def test_a_damaged_state_falls_back_and_is_told(rig: Rig):
    put(rig, a=b"first state", b=b"b")
    put(rig, a=b"other state")
    put(rig, b=b"c")
    data = rig.store.content(journal_path(rig))
    data[data.index(b"other")] ^= 1
    assert reopened(rig) == {"a": b"first state", "b": b"c"}
    assert rig.journal.damaged_keys == {"a"}
    assert not rig.journal.records_lost
    assert rig.journal.damaged is bool(rig.journal.damaged_keys)
    assert any(path.startswith("quarantine/journal") for path in rig.store.paths())


def test_a_damaged_head_casts_doubt_on_every_key_without_a_later_record(rig: Rig):
    put(rig, a=b"1", b=b"1")
    put(rig, new=b"only here")
    put(rig, b=b"2")
    data = rig.store.content(journal_path(rig))
    data[data.index(b"newonly here")] ^= 1
    assert reopened(rig) == {"a": b"1", "b": b"2"}
    assert rig.journal.damaged_keys == {"a"}
    assert rig.journal.records_lost
    assert rig.journal.damaged


def test_a_torn_tail_is_cut_without_more_ado(rig: Rig):
    put(rig, a=b"1")
    data = rig.store.content(journal_path(rig))
    end = len(data.rstrip(b"\0"))
    data[end : end + 7] = b"HGR1\x05\x06\x07"
    assert reopened(rig) == {"a": b"1"}
    assert not rig.journal.damaged_keys
    put(rig, a=b"2")
    assert reopened(rig) == {"a": b"2"}


def test_a_failed_put_is_told_and_stored_by_the_repair(rig: Rig):
    confirms: list[HeliographError | None] = []
    rig.store.fail("EIO", times=1)
    rig.journal.put("a", b"1", confirms.append)
    rig.commit()
    assert rig.committer.error is not None
    assert confirms == [rig.committer.error]
    rig.apply(rig.committer.probe())
    assert rig.committer.error is None
    assert reopened(rig) == {"a": b"1"}


def test_it_goes_on_while_the_logs_have_no_room(rig: Rig):
    confirms: list[HeliographError | None] = []
    rig.store.free = SMALL.disk_free_bytes_min - 1
    rig.append("k", b"")
    rig.journal.put("a", b"1", confirms.append)
    rig.commit()
    assert rig.committer.error is not None
    rig.journal.put("a", b"2", confirms.append)
    rig.commit()
    assert confirms == [None, None]
    assert reopened(rig) == {"a": b"2"}
