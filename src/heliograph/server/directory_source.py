"""The directory file: applied to what is stored at the start, and whenever the operator says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from heliograph.directory.build import build_directory
from heliograph.directory.file import read_directory_file
from heliograph.directory.store.store import DirectoryStore, Snapshot
from heliograph.errors import HeliographError
from heliograph.limits import Limits

log = structlog.get_logger("heliograph.server")


class DirectorySource:
    """Applies the file to the store.  One reading at a time; what is asked for meanwhile is one more after it."""

    __slots__ = ("_again", "_limits", "_path", "_store", "_task")

    def __init__(self, path: Path | None, store: DirectoryStore, limits: Limits) -> None:
        """Without ``path`` nothing is applied."""
        self._path = path
        self._store = store
        self._limits = limits
        self._task: asyncio.Task[None] | None = None
        self._again = False

    async def read(self) -> Snapshot:
        """What is stored, after applying the file to it, off the loop.  SettingsError where it does not fit."""
        await asyncio.to_thread(self._apply)
        return await asyncio.to_thread(self._store.load)

    def reload(self, applied: Callable[[], None]) -> None:
        """Apply it again soon, then call ``applied``; what does not fit is logged, and nothing of it is applied."""
        if self._path is None:
            return
        self._again = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._reload(applied))

    def stop(self) -> None:
        """Call nobody any more."""
        if self._task is not None:
            self._task.cancel()

    def _apply(self) -> None:
        if self._path is not None:
            file = read_directory_file(self._path)
            build_directory(file, self._limits, self._path)  # its faults by their places
            diff = self._store.apply(file, f"serve --apply {self._path}", self._path)
            log.info("directory applied", changes=len(diff.changes))

    async def _reload(self, applied: Callable[[], None]) -> None:
        try:
            while self._again:
                self._again = False
                try:
                    await asyncio.to_thread(self._apply)
                    applied()
                except (HeliographError, OSError) as error:
                    log.error("directory not reloaded", detail=str(error))
        except Exception:
            log.exception("bug", work="reload of the directory")
        finally:
            self._task = None
