"""Who may publish and subscribe where (FEED-2, SESS-5).  One answer for what is not there and what is not granted."""

from __future__ import annotations

from heliograph.directory.directory import Directory, Exchange
from heliograph.directory.principal import Partner, Principal, Service, System
from heliograph.engine.interface import Binding
from heliograph.errors import AccessError
from heliograph.topic.comparison import covers, overlap
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


def owner_of(principal: Principal) -> str:
    """Whose subscriptions are those of ``principal``: a partner keeps them when its e-mail changes."""
    return f"partner {principal.id}" if isinstance(principal, Partner) else f"service {principal.login}"


def renewed(directory: Directory, principal: Principal, held: Binding) -> Binding:
    """What a subscription that was granted before goes on with; AccessError where some of it was withdrawn."""
    where = Destination(held.exchange, ".".join(held.pattern))
    try:
        now = binding(directory, principal, where, held.pattern)
    except AccessError:
        raise withdrawn(principal.login, f"/exchange/{where.exchange}/{where.key}") from None
    lost = [right for right in held.rights if not any(covers(granted, right) for granted in now.rights)]
    if now.owner != held.owner or any(overlap(right, held.pattern) for right in lost):
        raise withdrawn(principal.login, f"/exchange/{where.exchange}/{where.key}")
    return now


def withdrawn(login: str, destination: str) -> AccessError:
    """A grant or right is gone while it is used."""
    return AccessError(
        "Access withdrawn",
        f"The operator no longer grants {destination!r}, or all of it, to {login!r}. "
        "Ask for the grant; connect again for what else you may do.",
    )


def removed(login: str) -> AccessError:
    """A principal is gone while it is connected."""
    return AccessError(
        "Access withdrawn",
        f"The operator has removed or disabled {login!r}. Ask the operator; until then it cannot log in.",
    )


def revoked(login: str) -> AccessError:
    """A credential is gone while somebody is connected by it."""
    return AccessError(
        "Access withdrawn",
        f"The credential by which {login!r} has logged in was changed, revoked or has expired. "
        "Connect again with one that is valid.",
    )


def closed(reason: str | None) -> AccessError:
    """An operator has closed a connection; ``reason``: his own words."""
    why = f": {reason.rstrip('.')}." if reason else "."
    return AccessError("Connection closed", f"An operator has closed this connection{why} You may connect again.")


def ended(by: str, destination: str) -> AccessError:
    """Somebody has ended a live subscription."""
    return AccessError(
        "Subscription ended",
        f"{by} has ended the subscription to {destination!r}. You may connect and SUBSCRIBE again.",
    )
