"""The writer with its thread: when it commits, what it tells, how it fails and recovers, how it stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from heliograph.engine.embedded.log.committer import Blocks
from heliograph.engine.embedded.log.damage import Damage
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.writer import LogWriter
from heliograph.engine.interface import Envelope
from heliograph.errors import HeliographError, ServerError
from heliograph.limits import Limits
from tests.crash.rig import SMALL
from tests.crash.stores import FaultyStore

LIMITS = msgspec.structs.replace(SMALL, reserved_offsets=1 << 20, probe_interval_ms=20, commit_interval_ms=5)


class Bench:
    """A writer and two logs, and everything it has told."""

    def __init__(self, store: FaultyStore, limits: Limits = LIMITS, fsync: str = "always") -> None:
        self.store = store
        self.limits = limits
        self.told: list[tuple] = []
        self.journal = Journal(store, limits)
        self.states = self.journal.load()
        self.logs = {name: Log(store, name, limits) for name in ("x", "y")}
        self.writer = LogWriter(
            store, limits, self.journal, self._committed, self._failed, self._recovered, fsync  # type: ignore[arg-type]
        )  # fmt: skip
        for log in self.logs.values():
            self.writer.add(log)
        self.changed = asyncio.Event()

    def start(self) -> Bench:
        self.writer.start(asyncio.get_running_loop())
        return self

    def publish(self, name: str = "x", body: bytes = b"body") -> int:
        log = self.logs[name]
        assert log.draft.next_offset < log.reserved_offset
        (event,) = log.draft.append([Envelope(name, "k", {})], [body], 1)
        if event.position >= log.draft.attend_at:
            self.writer.attend(log)
        return event.offset

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def offsets(self, kind: str, name: str = "x") -> list[int]:
        return [offset for told in self.told if told[0] == kind for offset in told[1].get(name, [])]

    def lost(self) -> list[int]:
        """How many events were lost with each failure."""
        return [told[2] for told in self.told if told[0] == "failed"]

    def kinds(self) -> list[str]:
        return [told[0] for told in self.told]

    def _tell(self, *what: object) -> None:
        self.told.append(what)
        self.changed.set()

    def _committed(self, stored: Blocks) -> None:
        for log, blocks in stored:
            assert log.next_offset == blocks[-1].last_offset + 1  # readers see it by then
        self._tell(
            "committed",
            {log.name: [event.offset for block in blocks for event in block.events()] for log, blocks in stored},
        )

    def _failed(self, error: ServerError, lost: int) -> None:
        assert self.writer.error is error
        self._tell("failed", {}, lost)

    def _recovered(self) -> None:
        assert self.writer.error is None
        self._tell("recovered", {})

    async def probed(self, times: int) -> None:
        """Until it was tried so often whether the disk works again."""
        asked = self.store.free_asked
        async with asyncio.timeout(20):
            while self.store.free_asked < asked + times:
                await asyncio.sleep(0.002)

    def confirm(self, name: str) -> Callable[[HeliographError | None], None]:
        return lambda error: self._tell("confirmed", {}, name, error)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(FaultyStore()).start()
    yield bench
    bench.store.mend()
    await bench.writer.stop()


async def test_what_somebody_waits_for_is_committed_soon():
    bench = Bench(FaultyStore(), msgspec.structs.replace(LIMITS, commit_interval_ms=1_000_000)).start()
    for _ in range(3):
        offset = bench.publish()
        bench.writer.commit_soon()
        await bench.until(lambda: bench.offsets("committed")[-1:] == [offset])  # noqa: B023
        assert bench.writer.uncommitted_bytes == 0
    await bench.writer.stop()


async def test_what_nobody_waits_for_is_committed_by_the_timer(bench: Bench):
    for _ in range(3):
        offset = bench.publish()
        await bench.until(lambda: bench.offsets("committed")[-1:] == [offset])  # noqa: B023


async def test_much_is_committed_without_a_timer():
    limits = msgspec.structs.replace(LIMITS, commit_interval_ms=1_000_000, commit_bytes_max=1_000)
    bench = Bench(FaultyStore(), limits).start()
    offsets = [bench.publish(body=bytes(400)) for _ in range(3)]
    await bench.until(lambda: bench.offsets("committed") == offsets)
    await bench.writer.stop()


async def test_order_is_kept_and_each_log_is_told_of_once_a_commit(bench: Bench):
    published: dict[str, list[int]] = {"x": [], "y": []}
    for number in range(2_000):
        name = "xy"[number % 3 == 0]
        published[name].append(bench.publish(name))
        if number % 50 == 0:
            bench.writer.commit_soon()
            await asyncio.sleep(0)
    await bench.until(lambda: len(bench.offsets("committed", "x") + bench.offsets("committed", "y")) == 2_000)
    assert not bench.writer.uncommitted_bytes
    assert bench.offsets("committed", "x") == published["x"]
    assert bench.offsets("committed", "y") == published["y"]


async def test_the_journal_is_confirmed_after_the_events_of_its_commit(bench: Bench):
    bench.publish()
    bench.journal.put("cursor", b"1", bench.confirm("a"))
    bench.journal.put("cursor", b"2", bench.confirm("b"))
    await bench.until(lambda: len(bench.told) == 3)
    assert [told[0] for told in bench.told] == ["committed", "confirmed", "confirmed"]
    assert [told[2:] for told in bench.told[1:]] == [("a", None), ("b", None)]


@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "torn", "short"])
async def test_a_failure_stops_and_is_mended_without_a_restart(bench: Bench, fault: str):
    good = bench.publish()
    await bench.until(lambda: bench.offsets("committed") == [good])
    bench.store.fail(fault)
    lost = [bench.publish(), bench.publish()]
    bench.writer.commit_soon()
    await bench.until(lambda: bench.writer.error)
    assert bench.lost() == [2]
    assert bench.writer.uncommitted_bytes == 0
    await bench.probed(3)
    assert bench.kinds() == ["committed", "failed"]
    assert bench.logs["x"].read_batch(good)  # reading goes on
    assert bench.logs["x"].read_batch(good + 1) is None
    bench.store.mend()
    await bench.until(lambda: bench.writer.error is None)
    after = bench.publish()
    assert after > lost[-1]
    await bench.until(lambda: bench.offsets("committed") == [good, after])
    assert bench.kinds() == ["committed", "failed", "recovered", "committed"]


async def test_what_is_pending_when_it_fails_is_handed_back_too(bench: Bench):
    entered, leave = threading.Event(), threading.Event()

    def judge(operation: str, path: str) -> str | None:
        if operation != "write" or leave.is_set():
            return None
        entered.set()
        leave.wait(10)
        return "EIO"

    bench.store.judge = judge
    bench.publish()
    bench.writer.commit_soon()
    await asyncio.to_thread(entered.wait, 10)
    for name in ("x", "x", "y"):
        bench.publish(name)
    leave.set()
    await bench.until(lambda: "failed" in bench.kinds())
    assert bench.lost() == [4]
    await bench.until(lambda: "recovered" in bench.kinds())


async def test_a_full_disk_is_noticed_before_it_is_full(bench: Bench):
    bench.store.free = 0
    bench.publish()
    await bench.until(lambda: bench.writer.error)
    assert bench.lost() == [1]
    bench.journal.put("cursor", b"1", bench.confirm("a"))
    await bench.until(lambda: bench.kinds() == ["failed", "confirmed"])
    assert bench.told[-1][3] is None
    bench.store.free = 1 << 30
    await bench.until(lambda: bench.kinds()[-1] == "recovered")


async def test_it_starts_on_a_disk_that_fails_and_recovers():
    bench = Bench(FaultyStore())
    bench.store.fail("ENOSPC")
    bench.start()
    assert bench.writer.error
    await bench.until(lambda: bench.kinds() == ["failed"])
    bench.store.mend()
    await bench.until(lambda: bench.kinds() == ["failed", "recovered"])
    offset = bench.publish()
    await bench.until(lambda: bench.offsets("committed") == [offset])
    await bench.writer.stop()


async def test_a_stop_stores_everything_and_leaves_a_clean_end():
    store = FaultyStore()
    bench = Bench(store).start()
    offsets = [bench.publish() for _ in range(500)]
    bench.journal.put("cursor", b"1", bench.confirm("a"))
    await bench.writer.stop()
    await bench.writer.stop()
    assert bench.offsets("committed") == offsets
    assert bench.kinds()[-1] == "confirmed"
    again = Bench(store)
    assert again.logs["x"].draft.next_offset == offsets[-1] + 1
    assert again.states == {"cursor": b"1"}


async def test_a_stop_on_a_disk_that_fails_hands_back_what_is_lost(bench: Bench):
    bench.store.fail("EIO")
    bench.publish()
    await bench.writer.stop()
    assert bench.lost() == [1]


async def test_a_log_may_be_added_while_it_runs(bench: Bench):
    bench.logs["z"] = log = Log(bench.store, "z", bench.limits, first_offset=1_000)
    assert log.reserved_offset == log.draft.next_offset
    bench.writer.add(log)
    async with asyncio.timeout(20):
        while log.reserved_offset == log.draft.next_offset:
            await asyncio.sleep(0.01)
    assert bench.publish("z") == 1_000
    await bench.until(lambda: bench.offsets("committed", "z") == [1_000])


async def test_synced_each_second_nobody_waits_for_the_disk():
    store = FaultyStore()
    limits = msgspec.structs.replace(LIMITS, sync_interval_ms=50)
    bench = Bench(store, limits, "interval").start()
    syncs: list[str] = []
    writes: list[str] = []
    store.judge = lambda operation, path: {"sync": syncs, "write": writes}.get(operation, []).append(path)
    for _ in range(20):
        offset = bench.publish()
        bench.writer.commit_soon()
        await bench.until(lambda: bench.offsets("committed")[-1:] == [offset])  # noqa: B023
    async with asyncio.timeout(20):
        while not syncs:
            await asyncio.sleep(0.01)
    await bench.writer.stop()
    assert len(syncs) < len(writes)


async def test_a_whole_log_is_verified_between_commits(bench: Bench):
    offsets = [bench.publish(body=bytes([number + 1]) * 500) for number in range(50)]
    await bench.until(lambda: bench.offsets("committed") == offsets)
    assert await bench.writer.verify(bench.logs["x"]) == []
    path = next(path for path in bench.store.paths() if path.startswith("logs/x/") and path.endswith(".log"))
    data = bench.store.content(path)
    data[data.index(b"\x03" * 500)] ^= 1
    damages: list[Damage] = await bench.writer.verify(bench.logs["x"])
    assert len(damages) == 1
    assert damages[0].first <= offsets[2] <= damages[0].last
    assert bench.logs["x"].damages == damages
