"""Notices that the directory was changed, by this node or another, and tells it on the event loop.

What asks the database runs in a thread.  While it cannot be asked, the directory stays what it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.errors import HeliographError
from heliograph.limits import Limits

log = structlog.get_logger("heliograph.directory")


class Watcher:
    """Looks every ``directory_poll_ms``; also writes down when credentials were used last.

    ``on_change`` gets the new directory, and the same one again when a credential has expired.
    ``take_used``: see ``Authenticator.take_used``.
    """

    def __init__(
        self,
        store: DirectoryStore,
        limits: Limits,
        on_change: Callable[[Snapshot], Awaitable[None]],
        take_used: Callable[[], dict[int, int]],
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._take_used = take_used
        self._poll_s = limits.directory_poll_ms / 1000
        self._last_used_s = limits.last_used_interval_ms / 1000
        self._woken = asyncio.Event()
        self._ended = False
        self._asked: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._fault = ""

    def start(self, snapshot: Snapshot) -> None:
        """Begin; ``snapshot`` is the directory in use."""
        self._known = snapshot
        self._next_expiry_ms = snapshot.hashed.next_expiry_ms(time.time() * 1000)
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def look_soon(self) -> None:
        """Do not wait for the next time."""
        self._woken.set()

    def end(self) -> None:
        """From now on nothing is told any more."""
        self._ended = True
        self._woken.set()

    async def stop(self) -> None:
        """End, with the last uses written; while the database is away that may take ``directory_busy_ms_max``."""
        self.end()
        if self._task is not None:
            await self._task
            await self._try(self._write_used())

    async def look(self) -> None:
        """Look now, and wait until that is done."""
        if self._ended or self._task is None:
            return
        done = asyncio.get_running_loop().create_future()
        self._asked.append(done)
        self._woken.set()
        await done

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        write_s = loop.time() + self._last_used_s
        while not await self._ended_within(self._poll_s):
            asked, self._asked = self._asked, []
            await self._try(self._look())
            _release(asked)
            if loop.time() >= write_s:
                await self._try(self._write_used())
                write_s = loop.time() + self._last_used_s

    async def _ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()
        if self._ended:
            _release(self._asked)
        return self._ended

    async def _look(self) -> None:
        now_ms = time.time() * 1000
        if now_ms >= self._next_expiry_ms:
            await self._tell(self._known, now_ms)
        revision = await asyncio.to_thread(self._store.revision)
        if revision != self._known.revision:
            snapshot = await asyncio.to_thread(self._store.load)
            if not self._ended:
                await self._tell(snapshot, now_ms)
                log.info("directory changed", revision=snapshot.revision)

    async def _tell(self, snapshot: Snapshot, now_ms: float) -> None:
        await self._on_change(snapshot)
        self._known = snapshot
        self._next_expiry_ms = snapshot.hashed.next_expiry_ms(now_ms)

    async def _write_used(self) -> None:
        await asyncio.to_thread(self._store.touch_last_used, self._take_used())

    async def _try(self, work: Coroutine[None, None, None]) -> None:
        """Do ``work``, unless the database cannot be asked; each fault is logged once."""
        try:
            await work
        except HeliographError as error:
            if str(error) != self._fault:
                log.error("directory not read", detail=str(error))
            self._fault = str(error)
        except Exception as bug:  # ours, or of whoever is told; to stop looking would be worse
            if repr(bug) != self._fault:
                log.error("bug", exc_info=bug)
            self._fault = repr(bug)
        else:
            self._fault = ""


def _release(asked: list[asyncio.Future[None]]) -> None:
    """Let them go on; one may have been cancelled."""
    for done in asked:
        if not done.done():
            done.set_result(None)
