"""The line before argon2: a verification takes a core and 64 MiB for some 100 ms, so few run at once.

- ``verifications_max`` run at once in all, in threads of their own (argon2 releases the GIL).
- One at a time per login, known or not, so that guesses at one account cannot take every thread.
- Logins take turns: one with many waiting is served once, then the others come first.
- Callers with the same credential share one verification; one that nobody waits for any more is
  dropped, unless it has begun.
- The lines are bounded: in all, and per login.  Those who share are not counted, since ``connections_max``
  bounds them.

Everything but the check itself happens on the event loop, so there are no locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from heliograph.errors import HeliographError, LimitError, ServerError
from heliograph.limits import Limits

T = TypeVar("T")


class _Verification(Generic[T]):
    """One check of one credential, and all who wait for it."""

    __slots__ = ("answer", "check", "digest", "login", "waiters")

    def __init__(self, login: str, digest: bytes, check: Callable[[], T]) -> None:
        self.login = login
        self.digest = digest
        self.check = check
        self.waiters = 0
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()


class VerificationQueue(Generic[T]):
    """Runs blocking checks; see the module.  Belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._executor = ThreadPoolExecutor(limits.verifications_max, thread_name_prefix="heliograph-verify")
        self._shared: dict[bytes, _Verification[T]] = {}  # waiting and running, by credential
        self._lines: dict[str, dict[bytes, _Verification[T]]] = {}  # waiting, by login; first come, first served
        self._turns: dict[str, None] = {}  # logins with a line and nothing running; the next one first
        self._running: set[str] = set()
        self._waiting = 0
        self._closed = False

    async def verify(self, login: str, digest: bytes, check: Callable[[], T]) -> T:
        """What ``check()`` answers in a thread, when its turn comes.

        ``digest`` stands for login and password.  LimitError when a line is full, ServerError after ``close``;
        whatever ``check`` raises comes out as it is.  Cancelling one caller does not disturb the others.
        """
        verification = self._shared.get(digest)
        if verification is None:
            verification = self._queue(login, digest, check)
        verification.waiters += 1
        try:
            return await asyncio.shield(verification.answer)
        finally:
            verification.waiters -= 1
            if not verification.waiters:
                self._withdraw(verification)

    def close(self) -> None:
        """Fail who still waits and end the threads; waits for those running, at most one verification long."""
        self._closed = True
        for verification in [each for line in self._lines.values() for each in line.values()]:
            self._leave_line(verification)
            del self._shared[verification.digest]
            verification.answer.set_exception(_going_away())
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _queue(self, login: str, digest: bytes, check: Callable[[], T]) -> _Verification[T]:
        if self._closed:
            raise _going_away()
        line = self._lines.get(login, {})
        if self._waiting >= self._limits.verifications_waiting_max:
            raise _busy("verifications_waiting_max", self._limits.verifications_waiting_max)
        if len(line) >= self._limits.verifications_waiting_per_login_max:
            raise _busy("verifications_waiting_per_login_max", self._limits.verifications_waiting_per_login_max)
        verification = _Verification(login, digest, check)
        line[digest] = verification
        self._lines[login] = line
        self._shared[digest] = verification
        self._waiting += 1
        if login not in self._running:
            self._turns[login] = None
        self._start()
        return verification

    def _start(self) -> None:
        while self._turns and len(self._running) < self._limits.verifications_max:
            login = next(iter(self._turns))
            verification = next(iter(self._lines[login].values()))
            self._leave_line(verification)
            self._turns.pop(login, None)
            self._running.add(login)
            done = asyncio.get_running_loop().run_in_executor(self._executor, verification.check)
            done.add_done_callback(partial(self._finish, verification))

    def _finish(self, verification: _Verification[T], done: asyncio.Future[T]) -> None:
        login = verification.login
        self._running.discard(login)
        del self._shared[verification.digest]
        if login in self._lines:
            self._turns[login] = None
        error = _going_away() if done.cancelled() else done.exception()
        if error is None:
            verification.answer.set_result(done.result())
        elif verification.waiters:
            verification.answer.set_exception(error)
        self._start()

    def _withdraw(self, verification: _Verification[T]) -> None:
        """Nobody waits for it any more.  What has begun runs on: a thread cannot be stopped."""
        if self._lines.get(verification.login, {}).get(verification.digest) is verification:
            self._leave_line(verification)
            del self._shared[verification.digest]

    def _leave_line(self, verification: _Verification[T]) -> None:
        line = self._lines[verification.login]
        del line[verification.digest]
        self._waiting -= 1
        if not line:
            del self._lines[verification.login]
            self._turns.pop(verification.login, None)


def _busy(limit: str, value: int) -> HeliographError:
    return LimitError("Busy", f"Too many logins wait to be verified ({limit} is {value}). Try again in some seconds.")


def _going_away() -> HeliographError:
    return ServerError("Going away", "The server is stopping. Connect again in a moment.")
