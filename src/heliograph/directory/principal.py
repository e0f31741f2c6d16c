"""Who somebody is after login, and what they may do.  No secrets here: principals are logged and compared."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from heliograph.directory.quota import Quota


class Partner(Struct, frozen=True, cache_hash=True):
    """Consumes.  Sees the keys that begin with its own ``id``, on the granted ``exchanges`` only.

    ``login`` is its e-mail; ``exchanges`` are names as in ``Directory.exchanges``.
    """

    id: int
    name: str
    login: str
    exchanges: frozenset[str] = frozenset()
    quota: Quota = Quota()


class System(Struct, frozen=True, cache_hash=True):
    """Produces: may publish to its own ``exchanges``, and nothing else."""

    name: str
    exchanges: frozenset[str] = frozenset()

    @property
    def login(self) -> str:
        """What it logs in with: its name."""
        return self.name


class Right(Struct, frozen=True, cache_hash=True):
    """A pattern on one exchange; ``words`` as ``topic.pattern.parse_pattern`` gives them."""

    exchange: str
    words: tuple[str, ...]


class Service(Struct, frozen=True, cache_hash=True):
    """The operator's own program: no tenant; has exactly the patterns listed, across partners."""

    name: str
    subscribe: tuple[Right, ...] = ()
    publish: tuple[Right, ...] = ()

    @property
    def login(self) -> str:
        """What it logs in with: its name."""
        return self.name

    def subscribe_patterns(self, exchange: str) -> tuple[tuple[str, ...], ...]:
        """The patterns on ``exchange``, of which an event must match one to reach it; empty: no right at all."""
        return tuple(right.words for right in self.subscribe if right.exchange == exchange)

    def publish_patterns(self, exchange: str) -> tuple[tuple[str, ...], ...]:
        """The patterns on ``exchange``, of which the key of a SEND must match one; empty: no right at all."""
        return tuple(right.words for right in self.publish if right.exchange == exchange)


Principal: TypeAlias = Partner | System | Service


class Identity:
    """Who has logged in, and with which of its credentials.

    ``credential``: its id, which a login's other credentials, earlier ones too, do not have.
    """

    __slots__ = ("credential", "principal")

    def __init__(self, principal: Principal, credential: int) -> None:
        self.principal = principal
        self.credential = credential

    def __repr__(self) -> str:
        return f"Identity({self.principal!r})"
