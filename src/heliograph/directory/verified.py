"""Credentials that were verified a moment ago, so that a reconnect does not cost another argon2."""

from __future__ import annotations

import secrets
from hashlib import blake2b

from heliograph.directory.principal import Identity
from heliograph.limits import Limits


class VerifiedCredentials:
    """Bounded and short-lived.  Keys are keyed digests, so no password can be read or guessed from a copy of it.

    All entries live equally long, so the order of putting is the order of expiry.  Time is passed in, in seconds.
    """

    def __init__(self, limits: Limits) -> None:
        self._key = secrets.token_bytes(blake2b.MAX_KEY_SIZE)
        self._lifetime_s = limits.verified_ms_max / 1000
        self._size_max = limits.verified_max
        self._entries: dict[bytes, tuple[Identity, float]] = {}

    def digest(self, login: bytes, password: bytes) -> bytes:
        """Stands for the pair.  The length in front keeps ``ab``, ``c`` apart from ``a``, ``bc``."""
        hashed = blake2b(len(login).to_bytes(8, "big"), key=self._key, digest_size=32)
        hashed.update(login)
        hashed.update(password)
        return hashed.digest()

    def get(self, digest: bytes, now_s: float) -> Identity | None:
        """Whose credential this is, when it was verified recently enough."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        identity, expires_s = entry
        if now_s >= expires_s:
            del self._entries[digest]
            return None
        return identity

    def put(self, digest: bytes, identity: Identity, now_s: float) -> None:
        """Remember it from ``now_s`` on; the oldest makes room."""
        self._entries.pop(digest, None)
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) < self._size_max and now_s < self._entries[oldest][1]:
                break
            del self._entries[oldest]
        self._entries[digest] = (identity, now_s + self._lifetime_s)

    def __len__(self) -> int:
        return len(self._entries)
