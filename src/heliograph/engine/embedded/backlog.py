"""What waits for one subscription: events in order, and before them those that came back."""

from __future__ import annotations

from heapq import heappop, heappush

from heliograph.engine.interface import Event


class Backlog:
    """``fresh`` is appended to directly, by the exchange, on the hot path.

    ``returned``: a heap of those that came back.
    """

    __slots__ = ("fresh", "returned")

    def __init__(self) -> None:
        self.fresh: list[Event] = []
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
        fresh, count = self.fresh, 0
        for event in fresh[: count_max - len(taken)] if size < bytes_max else ():
            count += 1
            size += event.size
            if size >= bytes_max:
                break
        taken += fresh[:count]
        del fresh[:count]
        return taken
