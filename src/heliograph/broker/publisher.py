"""Publishing for one principal: authorise the key once, check every body against it, hand over to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from heliograph.broker.authorization import publishable
from heliograph.catalog.message_type import KeyFields
from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Confirm, Engine
from heliograph.errors import DestinationError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_key


class Plan(Struct, frozen=True, gc=False):
    """What is known of a destination before a body comes: where it goes, and how its body is verified."""

    exchange: str
    key: str
    verify: Callable[[bytes], None]


class Publisher:
    """``publish`` for one principal.  Plans are kept, since publishers repeat their keys."""

    __slots__ = ("_directory", "_engine", "_limits", "_plans", "_principal")

    def __init__(self, engine: Engine, directory: Directory, principal: Principal, limits: Limits) -> None:
        self._engine = engine
        self._directory = directory
        self._principal = principal
        self._limits = limits
        self._plans: GenerationalCache[str, Plan] = GenerationalCache(limits.routes_max)

    def publish(self, destination: str, headers: Mapping[str, str], body: bytes, confirm: Confirm | None = None) -> int:
        """Check and publish one event; its offset.

        Raises DestinationError, AccessError or BodyError; then nothing was published and ``confirm`` is not called.
        """
        plan = self._plans.young.get(destination) or self._plan(destination)
        plan.verify(body)
        return self._engine.publish(plan.exchange, plan.key, headers, body, confirm)

    def check(self, destination: str, body: bytes) -> None:
        """Raise what ``publish`` would raise, and publish nothing."""
        self._plan(destination).verify(body)

    def _plan(self, text: str) -> Plan:
        plan = self._plans.get(text)
        if plan is None:
            destination = parse_destination(text)
            words = parse_key(destination.key, self._limits)
            exchange = publishable(self._directory, self._principal, destination, words)
            fields = exchange.message_type.parse_key(words)
            if fields is not None:
                self._check_tenant(exchange, fields)
            plan = Plan(destination.exchange, destination.key, exchange.message_type.verifier(fields))
            self._plans.put(text, plan)
        return plan

    def _check_tenant(self, exchange: Exchange, fields: KeyFields) -> None:
        """The key's partner must own its account, and the account must have its camera (NAME-3)."""
        account = self._directory.account(fields.account)
        if account is None or account.partner_id != fields.partner:
            raise DestinationError(
                "Invalid routing key",
                f"Partner {fields.partner} has no account {fields.account}; "
                f"the key of {exchange.message_type.name} begins with {{partnerId}}.{{accountId}}.",
            )
        if fields.camera is not None and account.cameras is not None and fields.camera not in account.cameras:
            raise DestinationError(
                "Invalid routing key",
                f"Account {fields.account} has no camera {fields.camera}; the operator lists them in the directory.",
            )
