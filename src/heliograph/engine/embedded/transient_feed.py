"""A subscription that lives as long as its connection: a bounded deque of references to events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from heliograph.engine.interface import Binding, Event
from heliograph.errors import HeliographError, LimitError
from heliograph.topic.matcher import matches

if TYPE_CHECKING:
    from heliograph.engine.embedded.exchange import Exchange


class TransientFeed:
    """``backlog`` is filled by the exchange on publish; see ``engine.interface.Feed``."""

    __slots__ = ("_ended", "_exchange", "_requeued", "backlog", "binding", "redelivered", "wake")

    def __init__(
        self,
        exchange: Exchange,
        binding: Binding,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
    ) -> None:
        self.binding = binding
        self.wake = wake
        self.backlog: deque[Event] = deque()
        self.redelivered: set[int] = set()
        self._exchange = exchange
        self._ended = ended
        self._requeued: list[tuple[int, Event]] = []  # a heap: lowest offset first

    @property
    def pending(self) -> bool:
        """Whether there is something to take."""
        return bool(self.backlog or self._requeued)

    def take(self, count_max: int, bytes_max: int) -> list[Event]:
        """See ``Feed``."""
        taken: list[Event] = []
        size = 0
        while self._requeued and len(taken) < count_max and size < bytes_max:
            event = heappop(self._requeued)[1]
            taken.append(event)
            size += event.size
        backlog = self.backlog
        if backlog and size < bytes_max and len(taken) < count_max:
            first, last = backlog[0], backlog[-1]
            before_last = last.position - last.size - first.position + first.size  # of others' events too
            if len(backlog) <= count_max and not taken and before_last < bytes_max:
                taken.extend(backlog)
                backlog.clear()
                return taken
            pop, push = backlog.popleft, taken.append
            for _ in range(min(count_max - len(taken), len(backlog))):
                event = pop()
                push(event)
                size += event.size
                if size >= bytes_max:
                    break
        return taken

    def settle(self, events: list[Event]) -> None:
        """See ``Feed``."""
        if self.redelivered:
            self.redelivered.difference_update([event.offset for event in events])

    def requeue(self, events: list[Event]) -> None:
        """See ``Feed``."""
        for event in events:
            self.redelivered.add(event.offset)
            heappush(self._requeued, (event.offset, event))

    reject = settle

    def close(self) -> None:
        """See ``Feed``; nothing of a transient subscription outlives it."""
        self._exchange.unbind(self)
        self.backlog.clear()
        self._requeued.clear()

    def admits(self, key_words: tuple[str, ...]) -> bool:
        """Whether one of the owner's rights covers the key; a partner's tree needs no such look."""
        rights = self.binding.rights
        return not rights or any(matches(right, key_words) for right in rights)

    def fall_off(self, error: LimitError) -> None:
        """Give the subscription up: it is further behind than the ring reaches."""
        self.close()
        self._ended(error)
