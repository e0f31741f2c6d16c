"""What somebody wants to see of the past or the present, without naming exchanges and patterns: which bindings that is.

The same event may be told in several message types of a system.  Who names none gets it once: as the fullest of those
that are granted.
"""

from __future__ import annotations

from itertools import groupby

from msgspec import Struct

from heliograph.broker.authorization import binding
from heliograph.catalog.resources import EVENTS
from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Partner, Principal, Service, System
from heliograph.engine.interface import Binding
from heliograph.errors import AccessError, DestinationError, LimitError
from heliograph.limits import Limits
from heliograph.topic.destination import Destination
from heliograph.topic.words import parse_pattern

#: The fullest first.
_SAME_EVENT = tuple(EVENTS.projections)


class Wanted(Struct, frozen=True):
    """None: any.  ``event_type``: it and its descendants.  ``exchange`` and ``message_type``: else all events."""

    account: int | None = None
    camera: int | None = None
    event_type: str | None = None
    exchange: str | None = None
    message_type: str | None = None


def readable(directory: Directory, principal: Principal) -> list[Exchange]:
    """The exchanges that ``principal`` may read at all or, a system, that are its own; in the order of their names."""
    match principal:
        case Partner() | System():
            names = principal.exchanges
        case Service():
            names = frozenset(right.exchange for right in principal.subscribe)
    return [directory.exchanges[name] for name in sorted(names) if name in directory.exchanges]


def select(directory: Directory, principal: Principal, wanted: Wanted, limits: Limits) -> list[Binding]:
    """What ``principal`` gets to see of what is ``wanted``: one binding for each exchange, in the order of their names.

    AccessError where there is nothing that it may see, DestinationError for a filter that an exchange cannot have,
    LimitError for too many exchanges.
    """
    if wanted.exchange is not None:
        where = Destination(wanted.exchange, "#")
        binding(directory, principal, where, ("#",))  # one answer for what is not there and what is not granted
        found = [directory.exchanges[wanted.exchange]]
    elif isinstance(principal, System):
        raise AccessError("Access refused", "A system publishes events; only partners and services read them.")
    else:
        found = _of_type(readable(directory, principal), wanted.message_type)
    free = next((each for each in found if not each.message_type.has_partner), None)
    if free is not None:
        detail = f"Bodies of {free.name!r} may be anything, so they cannot stand in JSON. Subscribe to it over STOMP."
        raise DestinationError("Not an exchange of JSON", detail)
    if not found:
        what = "No exchange with events" if wanted.message_type is None else f"No exchange of {wanted.message_type!r}"
        raise AccessError("Access refused", f"{what} is granted to {principal.login!r}. Ask the operator to grant one.")
    if len(found) > limits.history_exchanges_max:
        raise LimitError(
            "Too many exchanges",
            f"These are {len(found)} exchanges; {limits.history_exchanges_max} can be read in one go "
            "(history_exchanges_max). Name one with exchange=.",
        )
    return [_binding(directory, principal, exchange, wanted, limits) for exchange in found]


def _of_type(exchanges: list[Exchange], message_type: str | None) -> list[Exchange]:
    if message_type is not None:
        return [each for each in exchanges if each.message_type.name == message_type]
    found: list[Exchange] = []
    events = sorted((each for each in exchanges if each.message_type.is_event), key=lambda each: each.system)
    for _, group in groupby(events, key=lambda each: each.system):
        by_type = {each.message_type.name: each for each in group}
        fullest = next((by_type[name] for name in _SAME_EVENT if name in by_type), None)
        found += by_type.values() if fullest is None else [fullest]
    return sorted(found, key=lambda each: each.name)


def _binding(directory: Directory, principal: Principal, exchange: Exchange, wanted: Wanted, limits: Limits) -> Binding:
    partner = principal.id if isinstance(principal, Partner) else None
    pattern = exchange.message_type.pattern(partner, wanted.account, wanted.camera, wanted.event_type)
    return binding(directory, principal, Destination(exchange.name, pattern), parse_pattern(pattern, limits))
