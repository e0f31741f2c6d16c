"""The directory file: read at the start and whenever the operator says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from heliograph.directory.build import build_directory
from heliograph.directory.credentials import HashedSecrets, hash_all
from heliograph.directory.directory import Directory
from heliograph.directory.file import DirectoryFile, read_directory_file
from heliograph.errors import HeliographError
from heliograph.limits import Limits

#: See ``Admission.replace_directory``.
Replace = Callable[[Directory, HashedSecrets], Awaitable[None]]

log = structlog.get_logger("heliograph.server")


class DirectorySource:
    """Makes a snapshot of the file.  One reading at a time; what is asked for meanwhile is one more after it."""

    __slots__ = ("_again", "_hashed", "_limits", "_path", "_task")

    def __init__(self, path: Path | None, limits: Limits) -> None:
        """Without ``path`` there is an empty directory, for ever."""
        self._path = path
        self._limits = limits
        self._hashed: HashedSecrets | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False

    async def read(self) -> tuple[Directory, HashedSecrets]:
        """What the file says now, read off the loop.  A secret that has not changed stays the same credential.

        SettingsError where it does not fit.
        """
        file, directory = await asyncio.to_thread(self._build)
        hashed = await hash_all(file.secrets(), self._limits, known=self._hashed)
        if self._hashed is None:
            self._hashed = hashed
        return directory, hashed

    def reload(self, replace: Replace) -> None:
        """Read it again soon, and ``replace`` all of it; what does not fit is logged, and nothing is replaced."""
        if self._path is None:
            return
        self._again = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._reload(replace))

    def stop(self) -> None:
        """Replace nothing any more."""
        if self._task is not None:
            self._task.cancel()

    def _build(self) -> tuple[DirectoryFile, Directory]:
        file = read_directory_file(self._path) if self._path else DirectoryFile()
        return file, build_directory(file, self._limits, self._path)

    async def _reload(self, replace: Replace) -> None:
        try:
            while self._again:
                self._again = False
                try:
                    directory, hashed = await self.read()
                    await replace(directory, hashed)
                    self._hashed = hashed
                except (HeliographError, OSError) as error:
                    log.error("directory not reloaded", detail=str(error))
        except Exception:
            log.exception("bug", work="reload of the directory")
        finally:
            self._task = None
