"""Publishing for one principal: authorise the key once, check every body against it, hand over to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from heliograph.broker.authorization import publishable, removed
from heliograph.catalog.body_shape import Words
from heliograph.catalog.routing_key import KeyFields
from heliograph.countdown import Countdown
from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Principal
from heliograph.engine.interface import Confirm, Envelope, Publish
from heliograph.errors import ClientError, DestinationError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_key


class Letter(Protocol):
    """What is known of an event before its body: where it goes and the headers that go with it.  Hashable.

    The same object comes again and again, since publishers repeat themselves.
    """

    destination: str
    headers: Mapping[str, str]


class Plan(Struct, frozen=True, gc=False):
    """What came of a letter: how its bodies are verified, see ``Verifier``, and the engine's way to the exchange."""

    agree: Callable[[Sequence[bytes], Sequence[Words]], bool]
    expected: Words
    check: Callable[[bytes], None]
    publish: Publish
    envelope: Envelope


#: Events of one exchange, in order: what publishes them, envelopes and bodies.
Run = tuple[Publish, Sequence[Envelope], Sequence[bytes]]

#: Runs of the events before the first that may not be published, how many these are, and what is wrong with that one: a
#: DestinationError, AccessError or BodyError.
Planned = tuple[list[Run], int, ClientError | None]


class Publisher:
    """``plan`` events of one principal, then ``publish`` them: as many at once as there are, since that costs less.

    Plans are kept by letter, but for long ones: those do not come again.
    """

    __slots__ = ("_directory", "_exchanges", "_limits", "_login", "_plans", "_principal")

    def __init__(
        self, exchanges: Mapping[str, Publish], directory: Directory, principal: Principal, limits: Limits
    ) -> None:
        self._exchanges = exchanges
        self._directory = directory
        self._login = principal.login
        self._principal: Principal | None = principal
        self._limits = limits
        self._plans: GenerationalCache[Letter, Plan] = GenerationalCache(limits.routes_max)

    def replace_directory(self, directory: Directory, principal: Principal | None) -> None:
        """Plan anew by this directory; ``principal``: as it is there, or None where it is gone."""
        self._directory = directory
        self._principal = principal
        self._plans.clear()

    def plan(self, letters: Sequence[Letter], bodies: Sequence[bytes]) -> Planned:
        """What may be published of some events, one or more; nothing is published yet."""
        known = self._plans.young
        first = known.get(letters[0])
        if first is None:
            return self._plan_each(letters, bodies)
        expected, envelopes = [], []
        for letter in letters:
            plan = known.get(letter)
            if plan is None or plan.publish is not first.publish:
                return self._plan_several(letters, bodies)
            expected.append(plan.expected)
            envelopes.append(plan.envelope)
        if not first.agree(bodies, expected):
            return self._plan_each(letters, bodies)
        return [(first.publish, envelopes, bodies)], len(bodies), None

    def publish(self, runs: Sequence[Run], confirm: Confirm | None = None) -> None:
        """Publish what was planned; in order to each exchange, but no order is kept between exchanges.

        ``confirm`` is called when all are stored.  ServerError while the engine cannot store anything.
        """
        if confirm is not None and len(runs) != 1:
            confirm = Countdown(len(runs), confirm)
        for publish, envelopes, bodies in runs:
            publish(envelopes, bodies, confirm)

    def _plan_several(self, letters: Sequence[Letter], bodies: Sequence[bytes]) -> Planned:
        """As ``plan``, for more than one exchange."""
        known = self._plans.young
        runs: dict[Publish, tuple[Plan, list[Words], list[Envelope], list[bytes]]] = {}
        way: Publish | None = None
        for letter, body in zip(letters, bodies, strict=True):
            plan = known.get(letter)
            if plan is None:
                return self._plan_each(letters, bodies)
            if plan.publish is not way:
                way = plan.publish
                _, expected, envelopes, own = runs.setdefault(way, (plan, [], [], []))
            expected.append(plan.expected)
            envelopes.append(plan.envelope)
            own.append(body)
        for plan, expected, _, own in runs.values():
            if not plan.agree(own, expected):
                return self._plan_each(letters, bodies)
        return [(publish, envelopes, own) for publish, (_, _, envelopes, own) in runs.items()], len(bodies), None

    def _plan_each(self, letters: Sequence[Letter], bodies: Sequence[bytes]) -> Planned:
        """As ``plan``, one by one, where a letter is new or something is wrong."""
        runs: dict[Publish, tuple[list[Envelope], list[bytes]]] = {}
        count = 0
        try:
            for letter, body in zip(letters, bodies, strict=True):
                plan = self._plans.young.get(letter) or self._plan(letter)
                if not plan.agree([body], [plan.expected]):
                    plan.check(body)
                envelopes, own = runs.setdefault(plan.publish, ([], []))
                envelopes.append(plan.envelope)
                own.append(body)
                count += 1
            fault = None
        except ClientError as error:
            fault = error
        return [(publish, *columns) for publish, columns in runs.items()], count, fault

    def _plan(self, letter: Letter) -> Plan:
        plan = self._plans.get(letter)
        if plan is None:
            if self._principal is None:
                raise removed(self._login)
            destination = parse_destination(letter.destination)
            words = parse_key(destination.key, self._limits)
            exchange = publishable(self._directory, self._principal, destination, words)
            fields = exchange.message_type.parse_key(words)
            if fields is not None:
                self._check_tenant(exchange, fields)
            plan = Plan(
                *exchange.message_type.verifier(fields),
                self._exchanges[exchange.name],
                Envelope(exchange.name, destination.key, letter.headers),
            )
            if self._is_small(letter):
                self._plans.put(letter, plan)
        return plan

    def _is_small(self, letter: Letter) -> bool:
        """Whether it may be kept; others are made anew each time, so to keep them would be no use either."""
        headers, limits = letter.headers, self._limits
        characters = len(letter.destination) + sum(map(len, headers)) + sum(map(len, headers.values()))
        return characters <= limits.parsed_head_bytes_max and len(headers) <= limits.parsed_head_headers_max

    def _check_tenant(self, exchange: Exchange, fields: KeyFields) -> None:
        """The key's partner must own its account, and the account must have its camera (NAME-3)."""
        if fields.account is None:
            return
        account = self._directory.account(fields.account)
        if account is None or fields.partner not in {account.partner_id, None}:
            owner = "Nobody" if fields.partner is None else f"Partner {fields.partner}"
            raise DestinationError(
                "Invalid routing key",
                f"{owner} has no account {fields.account}, which the key of {exchange.message_type.name} names. "
                "The operator lists a partner's accounts in the directory.",
            )
        if fields.camera is not None and account.cameras is not None and fields.camera not in account.cameras:
            raise DestinationError(
                "Invalid routing key",
                f"Account {fields.account} has no camera {fields.camera}; the operator lists them in the directory.",
            )
