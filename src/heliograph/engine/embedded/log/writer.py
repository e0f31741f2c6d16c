"""The writer: one thread that stores what the event loop appends, for all logs and the journal of an engine.

The loop appends, seals blocks, and hands over everything at once; the thread writes each log with one call that
gives up the interpreter's lock, and tells the loop once.  What is appended meanwhile is the next commit, so commits
grow as large as the disk is slow, and no event ever waits for more than two of them.  The thread does as little
as can be in Python: each time it needs the interpreter's lock, the loop stands still until it has had it.

Contract with the caller, all on the event loop's thread:
- ``committed(blocks)`` is called once per commit that stored events, in order; the log shows them by then
  (``next_offset``).  What was put into the journal with a ``confirm`` is confirmed right after it.
- ``failed(error, lost)`` is called when the disk fails: so many events, in flight and pending, are not stored
  and will not be.  From then on ``error`` is set: publish nothing.  (What is appended all the same is held, and
  stored once the writer has recovered.)
- ``recovered()`` is called when the disk takes writes again; ``error`` is None by then.
- The journal goes on during a failure as long as it can itself; a put that fails gets the error.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from time import monotonic

from heliograph.engine.embedded.log.committer import Blocks, Commit, Committer, Fsync, Outcome
from heliograph.engine.embedded.log.damage import Damage
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.store import Store
from heliograph.errors import ServerError
from heliograph.limits import Limits

#: A log rests when nothing was written to it for about so long.
_REST_S = 1.0
#: A block is sealed when its events are counted with so many octets: at most 1,024 events, decoded in about 1 ms.
_BLOCK_BYTES = 1 << 20


class LogWriter:
    """See the module.  ``uncommitted_bytes``: the sizes of all events in blocks that are not yet stored."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        journal: Journal,
        committed: Callable[[Blocks], None],
        failed: Callable[[ServerError, int], None],
        recovered: Callable[[], None],
        fsync: Fsync = "always",
    ) -> None:
        self.error: ServerError | None = None
        self.uncommitted_bytes = 0
        self._journal = journal
        self._committed = committed
        self._failed = failed
        self._recovered = recovered
        self._committer = Committer(store, limits, journal, fsync)
        self._block_bytes = min(_BLOCK_BYTES, limits.commit_bytes_max, limits.uncommitted_bytes_max // 2)
        self._commit_at = limits.commit_bytes_max
        self._interval_s = limits.commit_interval_ms / 1_000
        self._tick_s = min(_REST_S, limits.probe_interval_ms / 1_000, limits.sync_interval_ms / 1_000)
        self._timer_runs = True  # nothing is timed before start
        self._wanted = False  # somebody waits for a commit
        self._in_flight = 0  # commits that the thread has
        self._commits: SimpleQueue[Commit | None] = SimpleQueue()  # None: there is something else to do
        self._stopping = False
        self._stopped: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._scans: deque[tuple[Log, Iterator[list[Damage]], list[Damage], asyncio.Future[list[Damage]]]] = deque()
        journal.touch = self._start_timer

    def add(self, log: Log) -> None:
        """Write this log too.  Added before ``start``, it can be appended to right after that; else soon."""
        self._committer.logs.append(log)
        self._send(Commit([], []))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Mend what a crash left, which blocks for some syncs of the disk, then run the thread.

        If the disk fails, ``error`` is set, and ``failed`` and later ``recovered`` are called as ever.
        """
        self._loop = loop
        outcome = self._committer.probe()
        self.error = outcome.error
        loop.call_soon(self._apply, outcome)
        for log, written in outcome.written:
            log.apply(written)
        outcome.written.clear()
        self._timer_runs = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()
        self.commit_soon()

    async def stop(self) -> None:
        """Store everything that is pending, then end the thread."""
        if self._thread is None or self._loop is None or self._stopped is not None:
            return
        self._stopped = self._loop.create_future()
        self._hand_over()  # behind what is in flight
        self._stopping = True
        self._commits.put(None)
        await self._stopped
        self._thread.join()

    # --- the event loop's

    def attend(self, log: Log) -> None:
        """Something was appended, and its position has reached the draft's ``attend_at``."""
        draft = log.draft
        if draft.size >= self._block_bytes:
            self._seal(log)
            if self.uncommitted_bytes >= self._commit_at:
                self.commit_soon()
        else:
            draft.attend_at = draft.position - draft.size + self._block_bytes
        self._start_timer()

    def commit_soon(self) -> None:
        """Commit what is appended in this turn of the loop, as soon as the thread is free: somebody waits for it."""
        if not self._wanted and self._loop is not None:
            self._wanted = True
            if not self._in_flight:
                self._loop.call_soon(self._commit)

    def verify(self, log: Log) -> asyncio.Future[list[Damage]]:
        """Read all of a log, in slices between the commits; what was found damaged, reported by then."""
        assert self._loop is not None
        future: asyncio.Future[list[Damage]] = self._loop.create_future()
        self._scans.append((log, log.verify(), [], future))
        self._commits.put(None)
        return future

    def _start_timer(self) -> None:
        if not self._timer_runs and self._loop is not None:
            self._timer_runs = True
            self._loop.call_later(self._interval_s, self._tick)

    def _tick(self) -> None:
        self._timer_runs = False
        self.commit_soon()

    def _commit(self) -> None:
        if not self._in_flight and not self._stopping and self._thread is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the thread all that it does not have yet."""
        self._wanted = False
        blocks: Blocks = []
        for log in self._committer.logs if self.error is None else ():
            self._seal(log)
            if log.waiting:
                blocks.append((log, log.hand_over()))
        puts = self._journal.take()
        if blocks or puts:
            self._send(Commit(blocks, puts))

    def _send(self, commit: Commit) -> None:
        self._in_flight += 1
        self._commits.put(commit)

    def _seal(self, log: Log) -> None:
        self.uncommitted_bytes += log.seal()

    def _end_commit(self, outcome: Outcome) -> None:
        self._in_flight -= 1
        self._apply(outcome)
        if self._wanted:
            self._commit()

    def _apply(self, outcome: Outcome) -> None:
        for log, written in outcome.written:
            log.apply(written)
        if outcome.blocks:
            for log, blocks in outcome.blocks:
                self.uncommitted_bytes -= log.drop(blocks)
            self._committed(outcome.blocks)
        for confirm in outcome.confirms:
            confirm(None)
        if outcome.error is not None:
            self._give_up(outcome.error)
        for confirm in outcome.unconfirmed:
            confirm(outcome.error or self.error)
        if outcome.recovered:
            self.error = None
            self._recovered()
            self.commit_soon()

    def _give_up(self, error: ServerError) -> None:
        self.error = error
        self.uncommitted_bytes = 0
        self._failed(error, sum([log.give_up() for log in self._committer.logs]))

    def _end_scan(self, log: Log, found: list[Damage], future: asyncio.Future[list[Damage]]) -> None:
        for damage in found:
            log.report(damage)
        if not future.done():
            future.set_result(found)

    # --- the thread's

    def _run(self) -> None:
        committer = self._committer
        busy = False
        due = monotonic() + self._tick_s
        while True:
            commit = self._next(0 if busy else max(0.0, due - monotonic()))
            if commit is not None:
                outcome = committer.commit(commit)
                self._call(self._end_commit, outcome)
                if outcome.error is not None:
                    due = monotonic() + self._tick_s
            elif self._stopping and self._commits.empty():
                break
            if monotonic() >= due:
                self._tell(committer.rest() if committer.error is None else committer.probe())
                due = monotonic() + self._tick_s
            busy = committer.work() or self._scan()
        self._tell(committer.finish())
        self._call(self._end)

    def _next(self, timeout_s: float) -> Commit | None:
        try:
            return self._commits.get(timeout=timeout_s) if timeout_s else self._commits.get_nowait()
        except Empty:
            return None

    def _scan(self) -> bool:
        if not self._scans:
            return False
        log, scan, found, future = self._scans[0]
        try:
            damages = next(scan, None)
        except Exception as error:
            self._scans.popleft()
            self._call(_fail_scan, future, error)
            return True
        if damages is not None:
            found += damages
            return True
        self._scans.popleft()
        self._call(self._end_scan, log, found, future)
        return True

    def _tell(self, outcome: Outcome) -> None:
        if outcome:
            self._call(self._apply, outcome)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop was closed without stop; there is nobody left to tell

    def _end(self) -> None:
        assert self._stopped is not None
        for _, _, found, future in self._scans:
            if not future.done():
                future.set_result(found)
        if not self._stopped.done():
            self._stopped.set_result(None)


def _fail_scan(future: asyncio.Future[list[Damage]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
