"""Who may publish and subscribe where (FEED-2, SESS-5).  One answer for what is not there and what is not granted."""

from __future__ import annotations

from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Partner, Principal, Service, System
from heliograph.engine.interface import Binding
from heliograph.errors import AccessError
from heliograph.topic.destination import Destination
from heliograph.topic.matcher import matches


def publishable(directory: Directory, principal: Principal, destination: Destination, key: tuple[str, ...]) -> Exchange:
    """The exchange of ``destination``, where ``principal`` may publish an event with ``key`` there; or AccessError."""
    allowed = False
    match principal:
        case Partner():
            raise AccessError("Access refused", "A partner receives events; only systems and services publish.")
        case System():
            allowed = destination.exchange in principal.exchanges
        case Service():
            allowed = any(matches(right, key) for right in principal.publish_patterns(destination.exchange))
    exchange = directory.exchanges.get(destination.exchange)
    if exchange is None or not allowed:
        raise AccessError(
            "Access refused",
            f"There is no exchange {destination.exchange!r} to which {principal.login!r} may publish this key. "
            "An exchange is {system}_{message_type}; it exists once the operator has switched the type on.",
        )
    return exchange


def binding(directory: Directory, principal: Principal, destination: Destination, pattern: tuple[str, ...]) -> Binding:
    """What ``principal`` gets to see of ``destination``: its pattern, narrowed to its rights; or AccessError."""
    allowed = False
    owner: str | None = None
    rights: tuple[tuple[str, ...], ...] = ()
    match principal:
        case System():
            raise AccessError("Access refused", "A system publishes events; only partners and services subscribe.")
        case Partner():
            allowed = destination.exchange in principal.exchanges
            owner = str(principal.id)
        case Service():
            rights = principal.subscribe_patterns(destination.exchange)
            allowed = bool(rights)
    if not allowed or destination.exchange not in directory.exchanges:
        raise AccessError(
            "Access refused",
            f"There is no exchange {destination.exchange!r} to which {principal.login!r} may subscribe. "
            "An exchange is {system}_{message_type}; ask the operator to switch the type on and to grant it.",
        )
    return Binding(destination.exchange, pattern, owner, rights)
