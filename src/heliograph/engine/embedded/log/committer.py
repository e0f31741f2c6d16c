"""The work of the writer's thread, without the thread: every log's and the journal's commits, marks and repairs.

A failure stops publishing at once (fail-stop): nothing more is written to any log before ``probe`` has found
that the disk takes it.  The journal goes on by itself as long as it can, so that consumers, who may make
room by what they settle, are not stopped by a disk that is full of events; ``disk_free_bytes_min`` is what
the logs leave it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Literal

import structlog

from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.tail import Written
from heliograph.engine.interface import Confirm, Event
from heliograph.errors import ServerError
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.log")

Fsync = Literal["always", "interval"]


class Outcome:
    """What one turn did; the event loop applies it."""

    __slots__ = ("confirms", "error", "events", "lost", "recovered", "size", "unconfirmed", "written")

    def __init__(self) -> None:
        self.written: list[tuple[Log, Written]] = []
        self.events: list[tuple[Log, list[Event]]] = []  #: stored
        self.size = 0  #: of these, as they are counted in memory
        self.confirms: list[Confirm] = []  #: of the journal, stored
        self.error: ServerError | None = None
        self.lost: list[tuple[Log, list[Event]]] = []  #: taken, but not stored
        self.unconfirmed: list[Confirm] = []  #: of the journal, not stored
        self.recovered = False

    def __bool__(self) -> bool:
        return bool(self.written or self.confirms or self.unconfirmed or self.error or self.recovered)


class Committer:
    """``error``: why nothing is written to the logs; None if all is well.  Nothing here raises OSError."""

    def __init__(self, store: Store, limits: Limits, journal: Journal, fsync: Fsync) -> None:
        self.logs: list[Log] = []
        self.journal = journal
        self.error: ServerError | None = None
        self._store = store
        self._limits = limits
        self._sync = fsync == "always"

    def commit(self) -> Outcome:
        """Store everything that is pending."""
        outcome = Outcome()
        if self.error is None:
            self._guard(outcome, lambda: self._commit_logs(outcome))
        if self.journal.pending:
            self._commit_journal(outcome)
        return outcome

    def rest(self) -> Outcome:
        """What is due about once a second: marks, syncs, and segments that are to be full."""
        outcome = Outcome()
        if self.error is None:
            self._guard(outcome, lambda: self._mark(outcome))
        return outcome

    def probe(self) -> Outcome:
        """Mend what is broken, at start or after a failure, and see whether the disk takes it."""
        outcome = Outcome()
        try:
            free = self._store.free_bytes()
            least = self._limits.disk_free_bytes_min
            if free < (least if self.error is None else least + least // 4):  # or it would fail again at once
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            for log in self.logs:
                if log.tail.broken:
                    outcome.written.append((log, log.tail.repair(log.next_offset_to_assign)))
            if self.journal.broken:
                self.journal.repair()
        except Exception as error:
            if self.error is None:
                self._fail(outcome, error)
            return outcome
        outcome.recovered = self.error is not None
        self.error = None
        return outcome

    def work(self) -> bool:
        """One thing that nobody waits for; whether there was any."""
        for log in self.logs:
            if log.jobs:
                job: Callable[[], None] = log.jobs.popleft()
                try:
                    job()
                except Exception as error:
                    logger.warning("upkeep failed", exchange=log.name, error=repr(error))
                return True
        return False

    def finish(self) -> Outcome:
        """The last turn: everything pending, then what tells the next start that nothing is open."""
        outcome = self.commit()
        while self.work():
            pass
        if self.error is None and outcome.error is None:
            self._guard(outcome, lambda: self._close(outcome))
        return outcome

    def _guard(self, outcome: Outcome, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self._fail(outcome, error)

    def _fail(self, outcome: Outcome, error: Exception) -> None:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else repr(error)
        self.error = outcome.error = ServerError("Storage", f"The disk takes nothing: {reason}. Try again later.")
        self.error.__cause__ = error
        logger.error("storage failed", error=reason, exc_info=None if isinstance(error, OSError) else error)

    def _commit_logs(self, outcome: Outcome) -> None:
        free: int | None = None
        for log in self.logs:
            if log.tail.broken:  # it was added while running
                outcome.written.append((log, log.tail.repair(log.next_offset_to_assign)))
            count = len(log.pending)
            if not count:
                continue
            if free is None:
                free = self._store.free_bytes()
                if free < self._limits.disk_free_bytes_min:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            events = log.pending[:count]  # the loop may append meanwhile: each of these steps is atomic
            del log.pending[:count]
            try:
                written = log.tail.write(events, self._sync)
            except BaseException:
                outcome.lost.append((log, events))
                raise
            outcome.written.append((log, written))
            outcome.events.append((log, events))
            outcome.size += sum([event.size for event in events])

    def _commit_journal(self, outcome: Outcome) -> None:
        puts = self.journal.take()
        confirms = [put.confirm for put in puts if put.confirm is not None]
        try:
            self.journal.write(puts, self._sync)
        except Exception as error:
            outcome.unconfirmed = confirms
            if self.error is None:
                self._fail(outcome, error)
        else:
            outcome.confirms = confirms

    def _mark(self, outcome: Outcome) -> None:
        for log in self.logs:
            tail = log.tail
            if log.roll_wanted:
                log.roll_wanted = False
                outcome.written.append((log, tail.roll(log.next_offset_to_assign, self._sync)))
            elif not tail.marked:
                outcome.written.append((log, tail.mark(log.next_offset_to_assign, self._sync)))
            if not self._sync:
                outcome.written.append((log, tail.sync()))
        if not self.journal.marked and not self.journal.broken:
            self.journal.mark(self._sync)
        if not self._sync:
            self.journal.sync()

    def _close(self, outcome: Outcome) -> None:
        for log in self.logs:
            outcome.written.append((log, log.tail.mark(log.next_offset_to_assign, sync=True, clean=True)))
        if not self.journal.broken:
            self.journal.mark(sync=True)
            self.journal.sync()
