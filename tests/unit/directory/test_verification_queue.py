"""The line before argon2, with checks that the tests hold up and let go.

A check here is a method of ``Checks``: it runs in a real thread of the queue and ends when the test says so.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from heliograph.directory.verification_queue import VerificationQueue
from heliograph.errors import LimitError, ServerError
from heliograph.limits import Limits

PATIENCE_S = 5.0


class Checks:
    """Records what runs, and lets checks end one by one (``let_go``) or all (``free``)."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.running: Counter[str] = Counter()
        self.running_max = 0
        self.per_login_max = 0
        self._lock = threading.Lock()
        self._tickets: dict[str, threading.Event] = {}
        self._all = threading.Event()

    def free(self) -> None:
        self._all.set()
        for ticket in self._tickets.values():
            ticket.set()

    def let_go(self, name: str) -> None:
        self._tickets.setdefault(name, threading.Event()).set()

    def check(self, name: str, answer: bool = True) -> Callable[[], bool]:
        """A check called ``login/password``."""
        login = name.partition("/")[0]
        ticket = self._tickets.setdefault(name, threading.Event())

        def run() -> bool:
            with self._lock:
                self.begun.append(name)
                self.running[login] += 1
                self.running_max = max(self.running_max, self.running.total())
                self.per_login_max = max(self.per_login_max, self.running[login])
            if not self._all.is_set():
                assert ticket.wait(PATIENCE_S)
            with self._lock:
                self.running[login] -= 1
            return answer

        return run

    async def until(self, *names: str) -> None:
        """Wait until exactly these have begun, in any order."""
        async with asyncio.timeout(PATIENCE_S):
            while sorted(self.begun) != sorted(names):
                await asyncio.sleep(0.001)


@pytest.fixture
async def checks() -> AsyncIterator[Checks]:
    checks = Checks()
    yield checks
    checks.free()


def ask(queue: VerificationQueue, checks: Checks, name: str, answer: bool = True) -> asyncio.Task[bool]:
    """Ask for the check ``login/password``; the name stands for the credential too."""
    return asyncio.create_task(queue.verify(name.partition("/")[0], name.encode(), checks.check(name, answer)))


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_answer_is_the_checks(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits())
    checks.free()
    assert await ask(queue, checks, "a/right", True) is True
    assert await ask(queue, checks, "a/wrong", False) is False
    queue.close()


async def test_callers_with_the_same_credential_share_one_check(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits())
    callers = [ask(queue, checks, "a/1") for _ in range(50)]
    await checks.until("a/1")
    callers += [ask(queue, checks, "a/1") for _ in range(50)]
    await settle()
    checks.let_go("a/1")
    assert await asyncio.gather(*callers) == [True] * 100
    assert checks.begun == ["a/1"]
    queue.close()


async def test_one_login_takes_one_thread_and_leaves_the_other(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=2))
    guesses = [ask(queue, checks, f"a/{number}") for number in range(5)]
    await settle()
    other = ask(queue, checks, "b/1")
    await checks.until("a/0", "b/1")
    checks.let_go("b/1")
    assert await other
    assert checks.begun.count("a/1") == 0
    checks.free()
    assert await asyncio.gather(*guesses) == [True] * 5
    assert checks.per_login_max == 1
    assert [name for name in checks.begun if name[0] == "a"] == [f"a/{number}" for number in range(5)]
    queue.close()


async def test_no_more_than_verifications_max_run_at_once(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=3))
    asked = [ask(queue, checks, f"login{number}/x") for number in range(7)]
    await checks.until("login0/x", "login1/x", "login2/x")
    checks.free()
    await asyncio.gather(*asked)
    assert checks.running_max == 3
    queue.close()


async def test_logins_take_turns(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=1))
    asked = [ask(queue, checks, name) for name in ("a/1", "a/2", "a/3", "a/4", "b/1", "c/1", "b/2")]
    await settle()
    checks.free()
    await asyncio.gather(*asked)
    assert checks.begun == ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3", "a/4"]
    queue.close()


async def test_a_cancelled_caller_does_not_disturb_the_others(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits())
    first, second, third = (ask(queue, checks, "a/1") for _ in range(3))
    await checks.until("a/1")
    first.cancel()
    third.cancel()
    await settle()
    assert first.cancelled()
    checks.free()
    assert await second
    assert checks.begun == ["a/1"]
    queue.close()


async def test_what_nobody_waits_for_is_not_begun(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=1, verifications_waiting_max=2))
    running = ask(queue, checks, "a/1")
    given_up, kept = ask(queue, checks, "b/1"), ask(queue, checks, "c/1")
    await checks.until("a/1")
    given_up.cancel()
    await settle()
    next_one = ask(queue, checks, "d/1")  # there is room in the line again
    await settle()
    checks.free()
    assert all(await asyncio.gather(running, kept, next_one))
    assert checks.begun == ["a/1", "c/1", "d/1"]
    queue.close()


async def test_a_login_whose_caller_left_still_holds_its_one_thread(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=2))
    left = ask(queue, checks, "a/1")
    await checks.until("a/1")
    left.cancel()
    await settle()
    second = ask(queue, checks, "a/2")
    other = ask(queue, checks, "b/1")
    await checks.until("a/1", "b/1")
    checks.free()
    assert all(await asyncio.gather(second, other))
    assert checks.per_login_max == 1
    queue.close()


async def test_who_comes_back_shares_what_has_begun(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits())
    left = ask(queue, checks, "a/1")
    await checks.until("a/1")
    left.cancel()
    await settle()
    back = ask(queue, checks, "a/1")
    await settle()
    checks.free()
    assert await back
    assert checks.begun == ["a/1"]
    queue.close()


async def test_a_full_line_is_busy_and_names_the_limit(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=1, verifications_waiting_max=2))
    taken = [ask(queue, checks, f"{login}/1") for login in "abc"]
    await checks.until("a/1")
    with pytest.raises(LimitError, match=r"verifications_waiting_max is 2") as caught:
        await ask(queue, checks, "d/1")
    assert caught.value.message == "Busy"
    shared = ask(queue, checks, "c/1")  # costs nothing, so it is not refused
    await settle()
    checks.free()
    assert await asyncio.gather(*taken, shared) == [True] * 4
    assert await ask(queue, checks, "d/1")
    queue.close()


async def test_one_login_cannot_fill_the_line(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_waiting_per_login_max=3))
    guesses = [ask(queue, checks, f"a/{number}") for number in range(4)]
    await checks.until("a/0")
    with pytest.raises(LimitError, match="verifications_waiting_per_login_max is 3"):
        await ask(queue, checks, "a/4")
    checks.free()
    assert await ask(queue, checks, "b/1")
    await asyncio.gather(*guesses)
    queue.close()


async def test_what_a_check_raises_reaches_every_caller_and_the_next_one_runs(checks: Checks) -> None:
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=1))

    def fail() -> bool:
        raise OSError("no memory")

    asked = [asyncio.create_task(queue.verify("a", b"1", fail)) for _ in range(3)]
    checks.free()
    asked.append(ask(queue, checks, "b/1"))
    *failed, answer = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in failed] == ["no memory"] * 3
    assert answer is True
    queue.close()


async def test_close_fails_who_waits_and_lets_end_who_runs(checks: Checks) -> None:
    before = set(threading.enumerate())
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=1))
    running, waiting = ask(queue, checks, "a/1"), ask(queue, checks, "b/1")
    await checks.until("a/1")
    checks.let_go("a/1")
    queue.close()
    with pytest.raises(ServerError, match="Going away"):
        await waiting
    assert await running
    with pytest.raises(ServerError, match="Going away"):
        await ask(queue, checks, "c/1")
    assert checks.begun == ["a/1"]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_and_goes_all_is_answered_and_nothing_is_left(checks: Checks, seed: int) -> None:
    chance = random.Random(seed)
    queue: VerificationQueue[bool] = VerificationQueue(Limits(verifications_max=2, verifications_waiting_max=12))
    checks.free()
    asked: list[asyncio.Task[bool]] = []
    for _ in range(200):
        asked.append(ask(queue, checks, f"{chance.choice('abcd')}/{chance.randrange(6)}"))
        if chance.random() < 0.3:
            chance.choice(asked).cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice([0, 0, 0.0005]))
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {bool, asyncio.CancelledError, LimitError}
    async with asyncio.timeout(PATIENCE_S):
        while checks.running.total():  # begun for somebody who left
            await asyncio.sleep(0.001)
        assert await ask(queue, checks, "e/1")
    assert checks.running_max <= 2
    assert checks.per_login_max == 1
    queue.close()
    await settle()
    assert (queue._waiting, queue._lines, queue._turns, queue._shared, queue._running) == (0, {}, {}, {}, set())
