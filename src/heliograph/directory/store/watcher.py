"""Notices that the directory was changed, by this node or another, and tells it on the event loop.

What asks the database runs in a thread.  While it cannot be asked, the directory stays what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.errors import HeliographError
from heliograph.limits import Limits

log = structlog.get_logger("heliograph.directory")


class Watcher:
    """Looks every ``directory_poll_ms``; also writes down when credentials were used last.

    ``on_change`` gets the new directory.  ``take_used``: see ``Authenticator.take_used``.
    """

    def __init__(
        self,
        store: DirectoryStore,
        limits: Limits,
        on_change: Callable[[Snapshot], None],
        take_used: Callable[[], dict[int, int]],
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._take_used = take_used
        self._poll_s = limits.directory_poll_ms / 1000
        self._last_used_s = limits.last_used_interval_ms / 1000
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._fault = ""

    def start(self, revision: int) -> None:
        """Begin; ``revision`` is that of the directory in use."""
        self._task = asyncio.get_running_loop().create_task(self._watch(revision))

    def end(self) -> None:
        """From now on nothing is told any more."""
        self._stopping.set()

    async def stop(self) -> None:
        """End, with the last uses written; while the database is away that may take ``directory_busy_ms_max``."""
        self.end()
        if self._task is not None:
            await self._task
            await self._try(self._write_used())

    async def _watch(self, revision: int) -> None:
        loop = asyncio.get_running_loop()
        write_s = loop.time() + self._last_used_s
        while not await self._stopped_within(self._poll_s):
            revision = await self._try(self._look(revision)) or revision
            if loop.time() >= write_s:
                await self._try(self._write_used())
                write_s = loop.time() + self._last_used_s

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _look(self, known: int) -> int:
        revision = await asyncio.to_thread(self._store.revision)
        if revision != known:
            snapshot = await asyncio.to_thread(self._store.load)
            if self._stopping.is_set():
                return known
            revision = snapshot.revision
            self._on_change(snapshot)
            log.info("directory changed", revision=revision)
        return revision

    async def _write_used(self) -> int:
        await asyncio.to_thread(self._store.touch_last_used, self._take_used())
        return 0

    async def _try(self, work: Coroutine[None, None, int]) -> int:
        """What ``work`` gives, or 0 where the database cannot be asked; each fault is logged once."""
        try:
            answer = await work
        except HeliographError as error:
            if str(error) != self._fault:
                log.error("directory not read", detail=str(error))
            self._fault = str(error)
            return 0
        except Exception as bug:  # ours, or of whoever is told; to stop looking would be worse
            if repr(bug) != self._fault:
                log.error("bug", exc_info=bug)
            self._fault = repr(bug)
            return 0
        self._fault = ""
        return answer
