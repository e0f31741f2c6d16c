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
from typing import Literal, NamedTuple

import structlog

from heliograph.engine.embedded.log.draft import Block
from heliograph.engine.embedded.log.journal import Journal, Put
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.tail import Written
from heliograph.engine.interface import Confirm
from heliograph.errors import ServerError
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.log")

Fsync = Literal["always", "interval"]


#: Blocks by log, in the order they were appended.
Blocks = list[tuple[Log, list[Block]]]


class Commit(NamedTuple):
    """What is to be stored by one call for each log, and one for the journal."""

    blocks: Blocks
    puts: list[Put]


class Outcome:
    """What one turn did; the event loop applies it.  All that is uncommitted is lost where there is an ``error``."""

    __slots__ = ("blocks", "confirms", "error", "recovered", "unconfirmed", "written")

    def __init__(self) -> None:
        self.written: list[tuple[Log, Written]] = []
        self.blocks: Blocks = []  #: stored
        self.confirms: list[Confirm] = []  #: of the journal, stored
        self.error: ServerError | None = None
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

    def commit(self, commit: Commit) -> Outcome:
        """Store it."""
        outcome = Outcome()
        if self.error is None:
            self._guard(outcome, lambda: self._commit_logs(commit.blocks, outcome))
        elif commit.blocks:
            outcome.error = self.error
        if commit.puts:
            self._commit_journal(commit.puts, outcome)
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
                    outcome.written.append((log, log.tail.repair(log.draft.next_offset)))
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
        """The last turn: what tells the next start that nothing is open."""
        outcome = Outcome()
        while self.work():
            pass
        if self.error is None:
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

    def _commit_logs(self, blocks_of: Blocks, outcome: Outcome) -> None:
        for log in self.logs:
            if log.tail.broken:  # it was added while running
                outcome.written.append((log, log.tail.repair(log.draft.next_offset)))
        if blocks_of and self._store.free_bytes() < self._limits.disk_free_bytes_min:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for log, blocks in blocks_of:
            outcome.written.append((log, log.tail.write(blocks, self._sync)))
            outcome.blocks.append((log, blocks))

    def _commit_journal(self, puts: list[Put], outcome: Outcome) -> None:
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
                outcome.written.append((log, tail.roll(log.draft.next_offset, self._sync)))
            elif not tail.marked:
                outcome.written.append((log, tail.mark(log.draft.next_offset, self._sync)))
            if not self._sync:
                outcome.written.append((log, tail.sync()))
        if not self.journal.marked and not self.journal.broken:
            self.journal.mark(self._sync)
        if not self._sync:
            self.journal.sync()

    def _close(self, outcome: Outcome) -> None:
        for log in self.logs:
            outcome.written.append((log, log.tail.mark(log.draft.next_offset, sync=True, clean=True)))
        if not self.journal.broken:
            self.journal.mark(sync=True)
            self.journal.sync()
