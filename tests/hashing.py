"""Hashes for tests that have a directory file and no store."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

from argon2 import PasswordHasher

from heliograph.directory.hashed import Credential, HashedSecrets
from heliograph.directory.secret import Secret


def hash_all(by_login: Mapping[str, Secret], hasher: PasswordHasher) -> HashedSecrets:
    """One credential for each login; its id tells the password, so an unchanged one is the same credential."""
    credentials = {
        login: (Credential(crc32(f"{login} {secret.reveal()}".encode()), hasher.hash(secret.reveal())),)
        for login, secret in by_login.items()
    }
    return HashedSecrets(credentials, hasher.hash("nobody's"))
