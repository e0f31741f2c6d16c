"""What waits for one subscription: events in order, and before them those that came back."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from heliograph.engine.interface import Event


class Backlog:
    """``fresh`` is appended to directly, by the exchange, on the hot path.

    ``returned``: a heap of those that came back.
    """

    __slots__ = ("fresh", "returned")

    def __init__(self) -> None:
        self.fresh: deque[Event] = deque()
        self.returned: list[tuple[int, Event]] = []  # lowest offset first

    def __len__(self) -> int:
        return len(self.fresh) + len(self.returned)

    def __bool__(self) -> bool:
        return bool(self.fresh or self.returned)

    def give_back(self, event: Event) -> None:
        """To come again before everything fresh."""
        heappush(self.returned, (event.offset, event))

    def clear(self) -> None:
        """Forget everything."""
        self.fresh.clear()
        self.returned.clear()

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed.take``."""
        taken: list[Event] = []
        size = 0
        while self.returned and len(taken) < count_max and size < bytes_max:
            event = heappop(self.returned)[1]
            taken.append(event)
            size += event.size
        fresh = self.fresh
        if fresh and size < bytes_max and len(taken) < count_max:
            pop, push = fresh.popleft, taken.append
            for _ in range(min(count_max - len(taken), len(fresh))):
                event = pop()
                push(event)
                size += event.size
                if size >= bytes_max:
                    break
        return taken
