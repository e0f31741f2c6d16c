"""Hashes that cost little, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from argon2 import PasswordHasher

from heliograph.directory.hashed import Credential, HashedSecrets
from heliograph.directory.secret import Secret

#: The least that argon2 takes.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hash_all(by_login: Mapping[str, Secret], hasher: PasswordHasher) -> HashedSecrets:
    """One credential for each login of a file; its id tells the password, so an unchanged one is the same."""
    credentials = {
        login: (Credential(crc32(f"{login} {secret.reveal()}".encode()), hasher.hash(secret.reveal())),)
        for login, secret in by_login.items()
    }
    return HashedSecrets(credentials, hasher.hash("nobody's"))
