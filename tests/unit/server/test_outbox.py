"""When connections that have something to write are flushed."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.server.outbox import Outbox


class Connection:
    """Counts how often it was flushed."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


async def turns_until_flushed(connections: list[Connection]) -> int:
    outbox = Outbox(asyncio.get_running_loop())
    for connection in connections:
        outbox.mark(connection)  # type: ignore[arg-type]
    for turn in range(20):
        if connections[0].flushed:
            return turn
        await asyncio.sleep(0)
    pytest.fail("never flushed")


async def test_a_few_leave_in_the_next_turn():
    assert await turns_until_flushed([Connection() for _ in range(15)]) == 1


async def test_a_crowd_waits_for_some_turns_and_then_leaves_once():
    crowd = [Connection() for _ in range(16)]
    assert await turns_until_flushed(crowd) == 5
    await asyncio.sleep(0)
    assert [connection.flushed for connection in crowd] == [1] * 16
    assert await turns_until_flushed([Connection()]) == 1


async def test_one_that_fails_does_not_hold_up_the_others():
    class Bad(Connection):
        class link:  # noqa: N801
            peer = "x"

            @staticmethod
            def abort() -> None:
                aborted.append(True)

        def flush(self) -> None:
            raise ValueError

    aborted: list[bool] = []
    good = Connection()
    outbox = Outbox(asyncio.get_running_loop())
    outbox.mark(Bad())  # type: ignore[arg-type]
    outbox.mark(good)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (good.flushed, aborted) == (1, [True])
