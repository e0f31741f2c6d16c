"""The embedded engine: exchanges over one log each, durable subscriptions over a journal, one writer for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog

from heliograph.engine.embedded.catch_up import CatchUp
from heliograph.engine.embedded.durable_feed import DeadLetterFeed, DurableFeed
from heliograph.engine.embedded.durable_state import DurableState, decode_state, journal_key
from heliograph.engine.embedded.durable_subscription import DurableSubscription
from heliograph.engine.embedded.exchange import Exchange
from heliograph.engine.embedded.log.committer import Blocks, Fsync
from heliograph.engine.embedded.log.journal import Journal
from heliograph.engine.embedded.log.log import Log
from heliograph.engine.embedded.log.store import Store
from heliograph.engine.embedded.log.writer import LogWriter
from heliograph.engine.embedded.transient_feed import TransientFeed
from heliograph.engine.interface import AS_LIMITED, Confirm, Durable, Feed, History, Publish, Request, Retention
from heliograph.errors import AccessError, HeliographError, LimitError, ServerError
from heliograph.limits import Limits

logger = structlog.get_logger("heliograph.engine")

_FLUSH_S = 0.2  #: settlements without a receipt are stored so often
_KEEP_S = 5.0  #: retention, expiry and consumer time-outs are looked at so often, or ...
_LOOKS_PER_TIMEOUT = 20  #: ... as it takes to end a consumer at most a twentieth later
_CLEAN = "clean"  #: journal key that is there after an orderly stop


class EmbeddedEngine:
    """See ``engine.interface.Engine`` and ``home.Home``.

    ``fsync``: "always" confirms what is on disk; "interval" syncs once a second and confirms before.
    """

    def __init__(self, limits: Limits, store: Store, fsync: Fsync = "always") -> None:
        """Made on the event loop that it belongs to."""
        self.limits = limits
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._journal = Journal(store, limits)
        self.writer = LogWriter(
            store, limits, self._journal, self._on_committed, self._on_failed, self._on_recovered, fsync
        )
        self.catch_up = CatchUp(self._loop)
        self._exchanges: dict[str, Exchange] = {}
        self._durables: dict[str, DurableSubscription] = {}  # by journal key
        self._undeclared: dict[str, DurableState] = {}  # of exchanges that are not declared, or not yet
        self._dirty: dict[DurableSubscription, None] = {}
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._clean = True

    # --- life

    async def start(self) -> None:
        """See ``Engine``."""
        states = self._journal.load()
        self._clean = states.pop(_CLEAN, None) is not None and not self._journal.damaged
        for key, state in states.items():
            self._undeclared[key] = decode_state(state)
        for exchange in self._exchanges.values():
            self._add_durables(exchange)
        self.writer.start(self._loop)
        await self._begin()
        self._every(_FLUSH_S, self._flush)
        self._every(min(_KEEP_S, self.limits.consumer_timeout_ms_max / 1_000 / _LOOKS_PER_TIMEOUT), self._keep)

    async def _begin(self) -> None:
        """Store that this run has not ended in good order, before anything is delivered."""
        stored = asyncio.Event()
        self._journal.put(_CLEAN, None, lambda error: stored.set())
        self.writer.commit_soon()
        await stored.wait()

    async def stop(self) -> None:
        """See ``Engine``."""
        for timer in self._timers.values():
            timer.cancel()
        for subscription in self._durables.values():
            self.store(subscription, None)
        self._journal.put(_CLEAN, b"1")
        await self.writer.stop()
        for exchange in self._exchanges.values():
            exchange.close()
        self._journal.close()
        self._store.close()

    @property
    def congested(self) -> bool:
        """See ``Engine``."""
        return self.writer.uncommitted_bytes > self.limits.uncommitted_bytes_max

    # --- what the broker asks

    def declare(self, exchange: str, retention: Retention = AS_LIMITED) -> Publish:
        """See ``Engine``; what is too much by then goes when retention is looked at next."""
        known = self._exchanges.get(exchange)
        if known is None:
            log = Log(self._store, exchange, self.limits)
            known = self._exchanges[exchange] = Exchange(exchange, log, self)
            self.writer.add(log)
            self._add_durables(known)
        known.keep(retention)
        return known.publish

    async def opened(self) -> None:
        """See ``Engine``; a log that is added while the writer runs is mended with the next commit."""
        await self._begin()

    def _add_durables(self, exchange: Exchange) -> None:
        mine = [key for key, state in self._undeclared.items() if state.binding.exchange == exchange.name]
        for key in mine:
            state = self._undeclared.pop(key)
            uncertain_before = state.uncertain_before if self._clean else exchange.committed_next
            self._durables[key] = DurableSubscription(exchange, state, uncertain_before)

    def subscribe(
        self,
        request: Request,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
        confirm: Confirm | None = None,
    ) -> Feed:
        """See ``Engine``."""
        exchange = self._exchanges[request.binding.exchange]
        if confirm is not None and (request.durable is None or request.durable.dead_letters):
            self._loop.call_soon(confirm, None)
        if request.durable is None:
            start = exchange.offset_of(request.start) if request.start is not None else None
            return TransientFeed(exchange, request.binding, start, wake, ended)
        if request.durable.dead_letters:
            return DeadLetterFeed(self._find(request.durable, exchange), request.binding, wake)
        subscription = self._find_or_make(request, request.durable, exchange)
        feed = DurableFeed(subscription, wake, ended)
        feed.open()
        if confirm is not None:
            self.store(subscription, confirm)
        return feed

    def history(self, exchange: str) -> History:
        """See ``Engine``."""
        return self._exchanges[exchange]

    def delete(self, durable: Durable, confirm: Confirm | None = None, by: str = "Its owner") -> None:
        """See ``Engine``."""
        self._remove(self._find(durable), AccessError("Subscription deleted", f"{by} has deleted it."), confirm)

    def durables(self) -> Collection[DurableSubscription]:
        """See ``Engine``."""
        return self._durables.values()

    def _find(self, durable: Durable, exchange: Exchange | None = None) -> DurableSubscription:
        """``exchange``: the one that it must be of, since the right to read was looked up for that one."""
        subscription = self._durables.get(journal_key(durable))
        if subscription is None or exchange not in (None, subscription.exchange):
            raise AccessError("No durable subscription", f"You have no durable subscription {durable.name[:256]!r}.")
        return subscription

    def _find_or_make(self, request: Request, durable: Durable, exchange: Exchange) -> DurableSubscription:
        key = journal_key(durable)
        subscription = self._durables.get(key)
        if subscription is None:
            if len(self._durables) >= self.limits.durables_max:
                raise LimitError(
                    "Too many durable subscriptions", f"The server has {self.limits.durables_max} (durables_max)."
                )
            self._check_quota(durable.principal, request.durables_max)
            start = exchange.offset_of(request.start) if request.start is not None else None
            position = exchange.committed_next if start is None else min(start, exchange.committed_next)
            state = DurableState(durable, request.binding, self.now_ms(), position, [], [])
            subscription = self._durables[key] = DurableSubscription(exchange, state, 0)
            self.store(subscription, None)
            return subscription
        if (subscription.binding.exchange, subscription.binding.pattern) != (exchange.name, request.binding.pattern):
            have, want = subscription.binding, request.binding
            raise AccessError(
                "Subscription differs",
                f"Your durable subscription {durable.name[:256]!r} is to /exchange/{have.exchange}/"
                f"{'.'.join(have.pattern)}, not to /exchange/{want.exchange}/{'.'.join(want.pattern)}. "
                "UNSUBSCRIBE it with durable:true first, or choose another name.",
            )
        subscription.rebind(request.binding, durable)
        return subscription

    def _check_quota(self, principal: str, durables_max: int | None) -> None:
        """It is looked through all, since one is made so rarely."""
        if durables_max is None:
            return
        if sum(each.durable.principal == principal for each in self._durables.values()) >= durables_max:
            raise LimitError(
                "Too many durable subscriptions",
                f"You have {durables_max}, which is your quota (durable_subscriptions). UNSUBSCRIBE one with "
                "durable:true, or ask the operator for more.",
            )

    def _remove(
        self, subscription: DurableSubscription, error: HeliographError, confirm: Confirm | None = None
    ) -> None:
        key = journal_key(subscription.durable)
        del self._durables[key]
        self._dirty.pop(subscription, None)
        subscription.delete(error)
        self._journal.put(key, None, confirm)
        self.writer.commit_soon()

    # --- what its parts ask

    def changed(self, subscription: DurableSubscription) -> None:
        """See ``Home``."""
        self._dirty[subscription] = None

    def store(self, subscription: DurableSubscription, confirm: Confirm | None) -> None:
        """See ``Home``."""
        self._dirty.pop(subscription, None)
        subscription.dirty = False
        self._journal.put(journal_key(subscription.durable), subscription.state().encode(), confirm)
        if confirm is not None:
            self.writer.commit_soon()

    def now_ms(self) -> int:
        """See ``Home``."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See ``Home``."""
        return time.monotonic()

    # --- from the writer and the clock

    def _on_committed(self, stored: Blocks) -> None:
        for log, blocks in stored:
            self._exchanges[log.name].on_committed(blocks)

    def _on_failed(self, error: ServerError, lost: int) -> None:
        logger.error("storage failed", detail=error.detail, lost=lost)
        for exchange in self._exchanges.values():
            exchange.on_failed(error)

    def _on_recovered(self) -> None:
        logger.warning("storage recovered")

    def _flush(self) -> None:
        for subscription in list(self._dirty):
            self.store(subscription, None)

    def _keep(self) -> None:
        now_ms, now_s = self.now_ms(), self.monotonic()
        for subscription in list(self._durables.values()):
            subscription.time_out(now_s)
            if subscription.expired(now_ms):
                logger.info("durable subscription expired", name=subscription.durable.name)
                self._remove(subscription, LimitError("Subscription expired", "It was not used (durable_expires_ms)."))
        needed: dict[Exchange, int] = {}
        for subscription in self._durables.values():
            exchange, oldest = subscription.exchange, subscription.oldest_needed()
            needed[exchange] = min(oldest, needed.get(exchange, oldest))
        for exchange in self._exchanges.values():
            exchange.retain(now_ms, needed.get(exchange))
        excess = sum(exchange.size_bytes for exchange in self._exchanges.values()) - self.limits.backlog_bytes_max
        for exchange in sorted(needed, key=lambda exchange: exchange.size_bytes, reverse=True):
            if excess > 0:
                before = exchange.size_bytes
                exchange.retain(now_ms, needed[exchange], excess)
                excess -= before - exchange.size_bytes

    def _every(self, period_s: float, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except Exception:
                logger.exception("bug", work=work.__name__)
            self._timers[run] = self._loop.call_later(period_s, run)

        self._timers[run] = self._loop.call_later(period_s, run)
