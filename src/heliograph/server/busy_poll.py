"""Busy polling: look at the sockets for a moment longer before going to sleep.

A consumer with a small prefetch answers each delivery within microseconds, and so does a publisher that waits
for receipts.  Going to sleep and being woken takes longer than that; for one delivery at a time it halves the rate.
The processor is offered to others in every turn, so a peer on the same core is not held up.
"""

from __future__ import annotations

import asyncio
import os
from time import perf_counter


class BusyPoll:
    """``poke`` it when an answer has left and the peer's next frame is near."""

    __slots__ = ("_awake", "_loop", "_span_s", "_until_s")

    def __init__(self, loop: asyncio.AbstractEventLoop, busy_poll_us: int) -> None:
        self._loop = loop
        self._span_s = busy_poll_us / 1e6
        self._until_s = 0.0
        self._awake = False

    def poke(self) -> None:
        """Stay awake for ``busy_poll_us`` from now."""
        self._until_s = perf_counter() + self._span_s
        if not self._awake and self._span_s:
            self._awake = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        os.sched_yield()
        if perf_counter() < self._until_s:
            self._loop.call_soon(self._turn)  # the loop looks at its sockets between two calls
        else:
            self._awake = False
