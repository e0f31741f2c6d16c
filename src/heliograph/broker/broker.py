"""The broker: an engine behind a directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from heliograph.broker.authorization import binding, renewed
from heliograph.broker.publisher import Publisher
from heliograph.broker.subscription import AckMode, Subscription
from heliograph.broker.throttle import Throttle
from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Partner, Principal
from heliograph.directory.quota import Quota
from heliograph.engine.interface import (
    Binding,
    Confirm,
    Count,
    Durable,
    DurableView,
    Engine,
    History,
    Publish,
    Request,
    Retention,
    Start,
)
from heliograph.errors import HeliographError
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_pattern


class Broker:
    """What every front end (STOMP, HTTP) asks.  The engine must be started."""

    def __init__(self, engine: Engine, directory: Directory, limits: Limits) -> None:
        self._engine = engine
        self.directory = directory
        self._limits = limits
        self._counts = asyncio.Semaphore(limits.counts_max)
        self._publishers: dict[str, Publisher] = {}  # by login; bounded by the directory
        self._throttles: dict[str, Throttle] = {}  # likewise
        self._exchanges = {
            name: engine.declare(name, _retention(exchange)) for name, exchange in directory.exchanges.items()
        }

    def publisher(self, principal: Principal) -> Publisher:
        """The publisher of ``principal``, shared by all its connections; it refuses by itself who may not publish."""
        publisher = self._publishers.get(principal.login)
        if publisher is None:
            publisher = Publisher(self._exchanges, self.directory, principal, self._limits)
            self._publishers[principal.login] = publisher
        return publisher

    def exchange(self, name: str) -> Publish:
        """What publishes to an exchange of the directory; whether one may is for the caller to know."""
        return self._exchanges[name]

    def subscribe(
        self,
        principal: Principal,
        destination: str,
        ack_mode: AckMode,
        prefetch_count: int | None,
        wake: Callable[[], None],
        ended: Callable[[HeliographError], None],
        start: Start | None = None,
        durable: Durable | None = None,
        confirm: Confirm | None = None,
    ) -> Subscription:
        """Subscribe ``principal`` to ``destination`` (``/exchange/{exchange}/{pattern}``).

        ``wake``, ``ended`` and ``confirm``: see ``Engine.subscribe``; ``start`` and ``durable``: see ``Request``.
        Raises DestinationError, LimitError or AccessError.
        """
        where = parse_destination(destination)
        pattern = parse_pattern(where.key, self._limits)
        durables_max = None
        if isinstance(principal, Partner):
            durables_max = principal.quota.durable_subscriptions or self._limits.partner_durables_max
        request = Request(binding(self.directory, principal, where, pattern), start, durable, durables_max)
        feed = self._engine.subscribe(request, wake, ended, confirm)
        subscription = Subscription(feed, request.binding, ack_mode, prefetch_count, self._limits, wake)
        subscription.hold_back(self._throttle(principal))
        return subscription

    def history(self, exchange: str) -> History:
        """What is stored of an exchange of the directory; whether one may see it is for the caller to know."""
        return self._engine.history(exchange)

    async def prepare(self, directory: Directory) -> None:
        """Have the exchanges that are new in ``directory`` ready; nobody can use them yet.

        Raises what the engine does where it cannot make one.
        """
        new = [name for name in directory.exchanges if name not in self._exchanges]
        made = {name: self._engine.declare(name, _retention(directory.exchanges[name])) for name in new}
        if made:
            await self._engine.opened()
            self._exchanges |= made

    def replace_directory(self, directory: Directory) -> None:
        """Ask this directory, for which all is ready, from now on.

        Publishers mind it at once; subscriptions are the caller's to ``renew``.
        """
        before, self.directory = self.directory.exchanges, directory
        for name, exchange in directory.exchanges.items():
            if name not in before or _retention(before[name]) != _retention(exchange):
                self._engine.declare(name, _retention(exchange))
        for login, publisher in list(self._publishers.items()):
            principal = directory.principals.get(login)
            publisher.replace_directory(directory, principal)
            if principal is None:
                del self._publishers[login]
        for login in self._throttles.keys() - directory.principals.keys():
            del self._throttles[login]

    def renew(self, principal: Principal, subscription: Subscription) -> None:
        """Let it go on with what ``principal`` may see now; AccessError where some of that was withdrawn."""
        now = renewed(self.directory, principal, subscription.binding)
        if now != subscription.binding:
            subscription.widen(now)
        subscription.hold_back(self._throttle(principal))

    def _throttle(self, principal: Principal) -> Throttle | None:
        """The one of all its subscriptions, or None where it has no rate."""
        quota = principal.quota if isinstance(principal, Partner) else Quota()
        if quota.messages_per_s is None and quota.bytes_per_s is None:
            self._throttles.pop(principal.login, None)
            return None
        throttle = self._throttles.get(principal.login)
        if throttle is None or throttle.quota != quota:
            throttle = self._throttles[principal.login] = Throttle(quota)
        return throttle

    def delete(self, durable: Durable, confirm: Confirm | None = None, by: str = "Its owner") -> None:
        """Forget a durable subscription; AccessError where its principal has none of that name.

        ``by``: who wants it, for its consumers.
        """
        self._engine.delete(durable, confirm, by)

    def durables(self, owner: str | None = None) -> Iterator[DurableView]:
        """All durable subscriptions, or those of one ``owner`` (as ``Durable.principal``)."""
        return (each for each in self._engine.durables() if owner in (None, each.durable.principal))

    async def count(self, binding: Binding, start: Start) -> Count:
        """See ``History.count``; the exchange must be one of the directory."""
        async with self._counts:
            return await self._engine.history(binding.exchange).count(binding, start)

    @property
    def congested(self) -> bool:
        """See ``Engine.congested``."""
        return self._engine.congested


def _retention(exchange: Exchange) -> Retention:
    return Retention(exchange.log_ms_max, exchange.log_bytes_max)
