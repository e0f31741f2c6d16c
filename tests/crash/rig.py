"""A log, a journal and their committer over a store in memory, and a model of what they have promised."""

from __future__ import annotations

import copy
import random

import msgspec

from heliograph.engine.embedded.log.committer import Commit, Committer, Fsync, Outcome
from heliograph.engine.embedded.log.damage import Gap
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.stored import Batch
from heliograph.engine.interface import Confirm, Envelope, Event
from heliograph.errors import HeliographError
from heliograph.limits import Limits
from tests.crash.stores import FaultyStore

#: So small that a few events reach every edge.
SMALL = Limits(
    segment_bytes_max=2_000,
    log_bytes_max=10_000,
    log_ms_max=80_000,
    preallocated_bytes=1_024,
    reserved_offsets=16,
    journal_bytes_min=100,
    disk_free_bytes_min=1,
)
EXCHANGE = "acme.raw"

Content = tuple[str, tuple[tuple[str, str], ...], bytes, int]


def content_of(event: Event) -> Content:
    return event.envelope.key, tuple(event.envelope.headers.items()), event.body, event.received_ms


class Rig:
    """``open`` gives what a start of the engine has; everything that is promised stands in the model."""

    def __init__(self, store: FaultyStore, limits: Limits = SMALL, fsync: Fsync = "always", seed: int = 0) -> None:
        self.store = store
        self.limits = limits
        self.fsync: Fsync = fsync
        self.rng = random.Random(seed)
        self.now_ms = 1_000_000
        self.appended: dict[int, Content] = {}
        self.confirmed: list[int] = []
        self.unsynced: list[int] = []  # stored, but with fsync = interval not promised yet
        self.handed_out = 0
        self.states: dict[str, list[bytes | None]] = {}  # the confirmed one, then what was put later
        self.gaps: list[Gap] = []
        self.errors: list[HeliographError] = []
        self.open()

    @staticmethod
    def limits_with(**changed: int) -> Limits:
        """The small ones, but for these."""
        return msgspec.structs.replace(SMALL, **changed)

    def copy(self) -> Rig:
        """Another one, of a rig that is stopped, that must be opened."""
        other = copy.copy(self)
        for name in ("store", "rng", "appended", "confirmed", "states"):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        other.gaps = []
        other.errors = []
        return other

    # --- life and death

    def open(self) -> None:
        self.journal = Journal(self.store, self.limits)
        self.loaded = self.journal.load()
        self.log = Log(self.store, EXCHANGE, self.limits)
        assert self.log.draft.next_offset > self.handed_out, "an offset would be assigned twice"
        self.committer = Committer(self.store, self.limits, self.journal, self.fsync)
        self.committer.logs.append(self.log)
        self.apply(self.committer.probe())

    def stop(self) -> None:
        self.commit()
        self.apply(self.committer.finish())
        self.close()

    def close(self) -> None:
        self.log.close()
        self.journal.close()

    def power_cut(self) -> None:
        self.store.power_cut(self.rng)

    # --- what the engine does

    def append(self, key: str, body: bytes, headers: dict[str, str] | None = None, skip: int = 0) -> bool:
        """``skip``: offsets that are assigned to nothing before this one; so the commit has several batches."""
        log = self.log
        if self.committer.error is not None or log.draft.next_offset + skip >= log.reserved_offset:
            return False
        if skip:
            log.seal()
            log.draft.next_offset += skip
            log.draft.clear()
        self.now_ms += 7
        (event,) = log.draft.append([Envelope(EXCHANGE, key, headers or {})], [body], self.now_ms)
        self.handed_out = event.offset
        self.appended[event.offset] = content_of(event)
        return True

    def put(self, key: str, state: bytes | None) -> None:
        history = self.states.setdefault(key, [None])
        history.append(state)

        def confirm(error: HeliographError | None, place: int = len(history) - 1, history: list = history) -> None:
            if error is None:
                history[:place] = [history[place]] * place  # nothing older may come back

        self.journal.put(key, state, confirm)

    def commit(self) -> Outcome:
        self.log.seal()
        blocks = [(self.log, self.log.hand_over())] if self.log.waiting else []
        outcome = self.committer.commit(Commit(blocks, self.journal.take()))
        self.apply(outcome)
        return outcome

    def rest(self) -> None:
        self.apply(self.committer.rest())
        if self.committer.error is None:
            self.confirmed += self.unsynced
            self.unsynced.clear()

    def apply(self, outcome: Outcome) -> None:
        for log, written in outcome.written:
            log.apply(written)
        for log, blocks in outcome.blocks:
            log.drop(blocks)
            stored = self.confirmed if self.fsync == "always" else self.unsynced
            stored += [event.offset for block in blocks for event in block.events()]
        for confirm in outcome.confirms:
            confirm(None)
        if outcome.error is not None:
            self.errors.append(outcome.error)
            self.log.give_up()
        confirms: list[Confirm] = outcome.unconfirmed
        for confirm in confirms:
            confirm(self.committer.error)

    # --- what must hold

    def read(self, start: int | None = None) -> dict[int, Event]:
        """Everything from ``start``, or from the oldest on; gaps are kept in ``gaps``."""
        events: dict[int, Event] = {}
        offset = self.log.first_offset if start is None else start
        while (batch := self.log.read_batch(offset)) is not None:
            if not isinstance(batch, Gap):
                read = batch.events()
                if isinstance(read, list):
                    assert {event.envelope.key for event in read} == set(batch.keys)
                    events |= {event.offset: event for event in read}
                    offset = batch.last_offset + 1
                    continue
                batch = read
            assert batch.first <= batch.last
            assert batch.last >= offset
            self.gaps.append(batch)
            offset = batch.last + 1
        return events

    def read_back(self) -> dict[int, Event]:
        """As ``read``, from the newest on; gaps are kept in ``gaps``."""
        events: dict[int, Event] = {}
        before = self.log.next_offset
        while (stretch := self.log.read_before(before)) is not None:
            assert self.log.first_offset <= stretch.begin < before
            for item in reversed(stretch.items):
                read = item.events() if isinstance(item, Batch) else item
                if isinstance(read, list):
                    events |= {event.offset: event for event in reversed(read) if event.offset < before}
                else:
                    self.gaps.append(read)
            before = stretch.begin
        assert list(events) == sorted(events, reverse=True)
        return events

    def check_states(self) -> None:
        for key, history in self.states.items():
            assert self.loaded.get(key) in history, f"{key}: {self.loaded.get(key)!r} is older than {history[0]!r}"
            self.states[key] = [self.loaded.get(key)]
        assert not self.journal.damaged_keys

    def check_events(self) -> None:
        """Nothing confirmed is lost, nothing is served that was not published so."""
        self.gaps.clear()
        events = self.read()
        for offset, event in events.items():
            assert content_of(event) == self.appended[offset]
        assert self.fsync == "interval" or not self.gaps, self.gaps
        back = self.read_back()
        assert {offset: content_of(event) for offset, event in back.items()} == {
            offset: content_of(event) for offset, event in events.items()
        }
        missing = [offset for offset in self.confirmed if offset >= self.log.first_offset and offset not in events]
        assert not missing, f"confirmed, but lost: {missing}"
        self.confirmed = sorted(events)  # what was once seen stays
