"""Publishing a trace at its own pace."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count as count_up
from itertools import islice

from heliograph.cli.trace import Trace, TracedEvent
from heliograph.client import Client, ConnectionFailed

WINDOW = 256  #: SENDs on their way at once, without a receipt yet
_RECEIPT_S = 30.0  #: how long the oldest of them may take
_PAUSE_MS = 1_000  #: between the last event of a round and the first of the next
_JSON = {"content-type": "application/json"}


async def play_trace(
    client: Client,
    trace: Trace,
    exchange: str,
    *,
    speed: float,
    loop: bool = False,
    count: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish ``trace`` to ``exchange``, ``speed`` times as fast as it was recorded (0: as fast as it goes).

    With ``loop`` it begins again and again, ids and times renewed; otherwise bodies are the octets of the file.
    Stops after ``count`` events.  ``progress`` gets the number of events published so far.  Returns how many the
    server has confirmed, which is all.
    """
    window: deque[asyncio.Future[None]] = deque()
    begun_s = time.monotonic()
    sent = 0
    for at_ms, event, body in islice(_schedule(trace, loop), count):
        if speed and (wait_s := begun_s + at_ms / 1000 / speed - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        while window and (len(window) >= WINDOW or window[0].done()):
            await _confirmed(window.popleft())
        window.append(await client.submit(f"/exchange/{exchange}/{event.routing_key}", body, _JSON))
        sent += 1
        progress(sent)
    for receipt in window:
        await _confirmed(receipt)
    return sent


def _schedule(trace: Trace, loop: bool) -> Iterator[tuple[float, TracedEvent, bytes]]:
    """When, in ms from the start; which event; its body."""
    if not loop:
        yield from ((event.at_ms, event, bytes(event.event)) for event in trace.events)
        return
    for number in count_up():
        start_ms = number * (trace.duration_ms + _PAUSE_MS)
        for event, body in zip(trace.events, trace.bodies(number), strict=True):
            yield start_ms + event.at_ms, event, body


async def _confirmed(receipt: asyncio.Future[None]) -> None:
    try:
        async with asyncio.timeout(_RECEIPT_S):
            await receipt
    except TimeoutError:
        raise ConnectionFailed("No receipt", f"A SEND was not confirmed within {_RECEIPT_S:g} s.") from None
