"""The writer: one thread that stores what the event loop appends, for all logs and the journal of an engine.

The loop appends to lists; the thread takes what they hold, writes each log with one call that gives up the
interpreter's lock, and tells the loop once.  What is appended meanwhile is the next commit, so commits grow as
large as the disk is slow, and no event ever waits for more than two of them.

Contract with the caller, all on the event loop's thread:
- ``committed(events)`` is called once per commit that stored events, in order; the log shows them by then
  (``next_offset``).  What was put into the journal with a ``confirm`` is confirmed right after it.
- ``failed(error, lost)`` is called once when the disk fails: ``lost`` are the events, in flight and pending, that
  are not stored and will not be.  From then on ``error`` is set: publish nothing.  (What is appended all the
  same is held, and stored once the writer has recovered.)
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

from heliograph.engine.embedded.log.committer import Committer, Fsync, Outcome
from heliograph.engine.embedded.log.damage import Damage
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.interface import Event
from heliograph.errors import ServerError
from heliograph.limits import Limits

#: Events by log, in the order they were appended.
Events = list[tuple[Log, list[Event]]]
#: A log rests when nothing was written to it for about so long.
_REST_S = 1.0


class LogWriter:
    """See the module.  ``uncommitted_bytes``: the sizes of all events appended and not yet stored."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        journal: Journal,
        committed: Callable[[Events], None],
        failed: Callable[[ServerError, Events], None],
        recovered: Callable[[], None],
        fsync: Fsync = "always",
    ) -> None:
        self.error: ServerError | None = None
        self.uncommitted_bytes = 0
        self._limits = limits
        self._committed = committed
        self._failed = failed
        self._recovered = recovered
        self._committer = Committer(store, limits, journal, fsync)
        self._commit_at = limits.commit_bytes_max
        self._interval_s = limits.commit_interval_ms / 1_000
        self._tick_s = min(_REST_S, limits.probe_interval_ms / 1_000, limits.sync_interval_ms / 1_000)
        self._timer_runs = True  # nothing is timed before start
        self._signals: SimpleQueue[None] = SimpleQueue()
        self._signalled = False
        self._stopping = False
        self._stopped: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._scans: deque[tuple[Log, Iterator[list[Damage]], list[Damage], asyncio.Future[list[Damage]]]] = deque()
        journal.touch = self._start_timer

    def add(self, log: Log) -> None:
        """Write this log too.  Added before ``start``, it can be appended to right after that; else soon."""
        self._committer.logs.append(log)
        self.commit_soon()

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
        self._stopping = True
        self._signals.put(None)
        await self._stopped
        self._thread.join()

    # --- the event loop's

    def append(self, log: Log, event: Event) -> None:
        """Have the event stored with the next commit.  The hot path: once for every event."""
        log.pending.append(event)
        self.uncommitted_bytes = size = self.uncommitted_bytes + event.size
        if size >= self._commit_at or not self._timer_runs:
            self._appended(size)

    def commit_soon(self) -> None:
        """Commit as soon as the thread is free: somebody waits for what was appended."""
        if not self._signalled:
            self._signalled = True
            self._signals.put(None)

    def verify(self, log: Log) -> asyncio.Future[list[Damage]]:
        """Read all of a log, in slices between the commits; what was found damaged, reported by then."""
        assert self._loop is not None
        future: asyncio.Future[list[Damage]] = self._loop.create_future()
        self._scans.append((log, log.verify(), [], future))
        self.commit_soon()
        return future

    def _appended(self, size: int) -> None:
        if size >= self._commit_at and not self._signalled:
            self.commit_soon()
        self._start_timer()

    def _start_timer(self) -> None:
        if not self._timer_runs and self._loop is not None:
            self._timer_runs = True
            self._loop.call_later(self._interval_s, self._tick)

    def _tick(self) -> None:
        self._timer_runs = False
        self.commit_soon()

    def _apply(self, outcome: Outcome) -> None:
        for log, written in outcome.written:
            log.apply(written)
        self.uncommitted_bytes -= outcome.size
        if outcome.events:
            self._committed(outcome.events)
        for confirm in outcome.confirms:
            confirm(None)
        if outcome.error is not None:
            self._give_up(outcome.error, outcome)
        for confirm in outcome.unconfirmed:
            confirm(outcome.error or self.error)
        if outcome.recovered:
            self.error = None
            self._recovered()

    def _give_up(self, error: ServerError, outcome: Outcome) -> None:
        self.error = error
        pending: dict[Log, list[Event]] = {log: list(events) for log, events in outcome.lost}
        for log in self._committer.logs:
            if log.pending:
                pending.setdefault(log, []).extend(log.pending)
                log.pending.clear()
        self.uncommitted_bytes -= sum([event.size for events in pending.values() for event in events])
        self._failed(error, list(pending.items()))

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
        while not self._stopping:
            self._sleep(0 if busy else max(0.0, due - monotonic()))
            self._signalled = False  # before looking, so that what comes later signals again
            outcome = committer.commit()
            self._tell(outcome)
            if outcome.error is not None:
                due = monotonic() + self._tick_s
            elif monotonic() >= due:
                self._tell(committer.rest() if committer.error is None else committer.probe())
                due = monotonic() + self._tick_s
            busy = committer.work() or self._scan()
        self._tell(committer.finish())
        self._call(self._end)

    def _sleep(self, timeout_s: float) -> None:
        try:
            self._signals.get(timeout=timeout_s) if timeout_s else self._signals.get_nowait()
        except Empty:
            pass

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
