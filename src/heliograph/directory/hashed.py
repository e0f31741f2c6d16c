"""What a login's passwords are compared with: hashes, each with the time of its end.

Plain classes, not Structs: hashes can be guessed at off line, so they stay out of every repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from math import inf


class Credential:
    """One password of a principal, as the store has it.  ``expires_ms``: since the epoch, None for never."""

    __slots__ = ("expires_ms", "hash", "id")

    def __init__(self, id: int, hash: str, expires_ms: int | None = None) -> None:  # noqa: A002
        self.id = id
        self.hash = hash
        self.expires_ms = expires_ms

    def is_valid(self, now_ms: float) -> bool:
        """Whether its end has not come."""
        return self.expires_ms is None or now_ms < self.expires_ms

    def __repr__(self) -> str:
        return f"Credential({self.id})"


class HashedSecrets:
    """Argon2id hashes by login, none of them revoked, and one of equal cost that no password has.

    ``work``: so many hashes every password that fails is compared with, whoever it was for.
    """

    __slots__ = ("by_login", "unknown", "work")

    def __init__(self, by_login: Mapping[str, tuple[Credential, ...]], unknown: str) -> None:
        self.by_login = by_login
        self.unknown = unknown
        self.work = max((1, *map(len, by_login.values())))

    def find(self, login: str, credential_id: int) -> Credential | None:
        """The credential of that id, where ``login`` has it."""
        return next((each for each in self.by_login.get(login, ()) if each.id == credential_id), None)

    def next_expiry_ms(self, now_ms: float) -> float:
        """When the next of the credentials that are valid now expires; infinite where none does."""
        ends = (each.expires_ms for credentials in self.by_login.values() for each in credentials)
        return min((end for end in ends if end is not None and end > now_ms), default=inf)

    def __repr__(self) -> str:
        return f"HashedSecrets({len(self.by_login)} logins)"


class OperatorTokens:
    """Who a bearer token belongs to.  Tokens are long and random, so a fast hash finds them."""

    __slots__ = ("_by_hash",)

    def __init__(self, by_hash: Mapping[str, tuple[str, Credential]]) -> None:
        self._by_hash = by_hash

    def operator(self, token: str, now_ms: float) -> tuple[str, int] | None:
        """The operator's name and the credential's id, or None: unknown, revoked or expired."""
        name, credential = self._by_hash.get(hash_token(token), ("", None))
        return (name, credential.id) if credential is not None and credential.is_valid(now_ms) else None

    def __repr__(self) -> str:
        return f"OperatorTokens({len(self._by_hash)})"


def hash_token(token: str) -> str:
    """How an operator's token is stored."""
    return "sha256:" + sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
