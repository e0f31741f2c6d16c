"""Whether somebody would see an event, and why not: the grant, the tenant's tree, its accounts and cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from heliograph.broker.authorization import binding
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.pattern_layout import can_match, numbers_in, pattern_faults
from heliograph.catalog.routing_key import FREE
from heliograph.directory.directory import Directory
from heliograph.directory.fault import did_you_mean
from heliograph.directory.principal import Partner, Principal
from heliograph.engine.interface import Binding
from heliograph.errors import AccessError, DestinationError
from heliograph.topic.comparison import overlap
from heliograph.topic.destination import Destination
from heliograph.topic.matcher import matches
from heliograph.topic.words import HASH, STAR, quote

Words = Sequence[str]

#: So many names are compared with one that is not known; more would take long.
_COMPARED_MAX = 100


class Sight(Struct, frozen=True):
    """``binding``: what a subscription would ask for, or None where it would be refused.

    ``pattern_faults``: why the pattern matches nothing, whoever subscribes.  ``access_faults``: why this subscriber
    would see nothing of it, or not this key.  ``key_faults``: why there can be no event with this key.
    """

    binding: Binding | None
    pattern_faults: list[str]
    access_faults: list[str]
    key_faults: list[str]


def look(
    directory: Directory, principal: Principal | None, exchange: str, pattern: tuple[str, ...], key: Words | None
) -> Sight:
    """What ``principal`` would see of ``exchange``; None is an operator, who sees all."""
    bound: Binding | None = None
    refused: list[str] = []
    if principal is None:
        bound = Binding(exchange, pattern, None) if exchange in directory.exchanges else None
        if bound is None:
            refused = [f"There is no exchange {quote(exchange)}: the message type is not switched on."]
    else:
        try:
            bound = binding(directory, principal, Destination(exchange, ".".join(pattern)), pattern)
        except AccessError as error:
            refused = [error.detail]
    if bound is None:
        visible = directory.exchanges.keys() if principal is None else _visible(principal)
        hint = did_you_mean(exchange, visible) if len(visible) <= _COMPARED_MAX else ""
        return Sight(None, [], [text + hint for text in refused], [])
    message_type = directory.exchanges[exchange].message_type
    partner_id = principal.id if isinstance(principal, Partner) else None
    access = list(_narrowed(bound, key))
    for words in [pattern] if key is None else [pattern, key]:
        access += _tenant(directory, message_type, partner_id, words)
    faults = pattern_faults(message_type, pattern)
    if faults:
        faults += [f"It fits keys of {name}." for name in _others(directory, principal, exchange, pattern)]
    return Sight(bound, faults, list(dict.fromkeys(access)), _key_faults(message_type, key))


def _key_faults(message_type: MessageType, key: Words | None) -> list[str]:
    try:
        if key is not None:
            message_type.parse_key(key)
    except DestinationError as fault:
        return [fault.detail]
    return []


def _narrowed(bound: Binding, key: Words | None) -> Iterator[str]:
    """By the tenant's word, or a service's rights."""
    owner, first = bound.owner, bound.pattern[0]
    if owner is not None:
        if first not in (owner, STAR, HASH):
            yield f"The pattern begins with {quote(first)}; partner {owner} sees only keys that begin with {owner}."
        if key is not None and key[0] != owner:
            yield f"The key begins with {quote(key[0])}; partner {owner} sees only keys that begin with {owner}."
    elif bound.rights:
        if not any(overlap(right, bound.pattern) for right in bound.rights):
            yield "No right of this service has a key in common with the pattern."
        if key is not None and not any(matches(right, key) for right in bound.rights):
            yield "No right of this service covers the key."


def _tenant(directory: Directory, message_type: MessageType, partner_id: int | None, words: Words) -> Iterator[str]:
    """By account and camera; one answer for an account that is nobody's and one that is another's."""
    numbers = numbers_in(message_type, words)
    if partner_id is None:
        partner_id = numbers.get("partner")
    if "account" not in numbers:
        return
    account = directory.account(numbers["account"])
    if account is None or partner_id not in (None, account.partner_id):
        whose = "Nobody has an" if partner_id is None else f"Partner {partner_id} has no"
        yield f"{whose} account {numbers['account']}, so there are no such events."
    elif "camera" in numbers and account.cameras is not None and numbers["camera"] not in account.cameras:
        yield (
            f"Camera {numbers['camera']} is not listed for account {account.id}, so its events are refused. "
            "Have the operator list it."
        )


def _others(directory: Directory, principal: Principal | None, exchange: str, pattern: Words) -> list[str]:
    """Other exchanges of the same system that the subscriber may see and whose keys the pattern fits."""
    system = directory.exchanges[exchange].system
    return [
        f"{each.message_type.name} ({name})"
        for name, each in directory.exchanges.items()
        if each.system == system
        and name != exchange
        and each.message_type.key_layout != FREE
        and (principal is None or name in _visible(principal))
        and can_match(each.message_type, pattern)
    ]


def _visible(principal: Principal) -> frozenset[str]:
    if isinstance(principal, Partner):
        return principal.exchanges
    return frozenset(right.exchange for right in getattr(principal, "subscribe", ()))
