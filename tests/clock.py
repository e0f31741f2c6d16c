"""A clock of the event loop that stands still, so that a test of what takes time need not wait for it."""

from __future__ import annotations

import asyncio

_STEP_S = 0.005


class StillClock:
    """The running loop's clock from now on: it goes only when it is told to.

    What sleeps on the loop sleeps until then, so a test that has one waits for nothing else by the clock.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._now_s = loop.time()
        loop.time = lambda: self._now_s  # type: ignore[method-assign]

    def jump(self, seconds: float) -> None:
        """As if the process had not run for so long."""
        self._now_s += seconds

    async def go(self, seconds: float) -> None:
        """In small steps; the loop turns after each, so that all comes in its order."""
        until_s = self._now_s + seconds
        while self._now_s < until_s:
            self._now_s = min(self._now_s + _STEP_S, until_s)
            for _ in range(5):
                await asyncio.sleep(0)
