"""Login and password to principal: argon2id off the event loop, one answer and the same work for all that fail."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from types import MappingProxyType

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from heliograph.directory.directory import Directory
from heliograph.directory.principal import Identity
from heliograph.directory.secret import Secret
from heliograph.directory.verification_queue import VerificationQueue
from heliograph.directory.verified import VerifiedCredentials
from heliograph.errors import LoginError, ServerError
from heliograph.limits import Limits

#: Each process has its own, so marks cannot be compared elsewhere.
_MARK_KEY = secrets.token_bytes(blake2b.MAX_KEY_SIZE)
#: How often a directory may be replaced during one login, whose verification then begins again.
_REPLACED_MAX = 3
_NO_MARKS: Mapping[str, bytes] = MappingProxyType({})


class HashedSecrets:
    """Argon2id hashes by login, and one of equal cost that no password has, for logins that do not exist.

    ``marks``: keyed digests of the secrets by login, by which ``hash_all`` knows those that have not changed.
    A plain class, not a Struct: hashes can be guessed at off line, so they stay out of every repr.
    """

    __slots__ = ("by_login", "marks", "unknown")

    def __init__(self, by_login: Mapping[str, str], unknown: str, marks: Mapping[str, bytes] = _NO_MARKS) -> None:
        self.by_login = by_login
        self.unknown = unknown
        self.marks = marks

    def unchanged(self, marks: Mapping[str, bytes]) -> dict[str, str]:
        """The hashes of the logins whose secret still has the same mark."""
        return {login: self.by_login[login] for login, mark in marks.items() if self.marks.get(login) == mark}

    def __repr__(self) -> str:
        return f"HashedSecrets({len(self.by_login)} logins)"


async def hash_all(
    by_login: Mapping[str, Secret],
    limits: Limits,
    hasher: PasswordHasher | None = None,
    known: HashedSecrets | None = None,
) -> HashedSecrets:
    """Hash every secret, ``verifications_max`` at once, off the event loop.

    ``hasher`` defaults to the low-memory profile of RFC 9106: 64 MiB and some 100 ms each.
    ``known``: what was hashed before; a secret that has not changed keeps its hash, and is the same credential.
    """
    hash_octets = (hasher or PasswordHasher()).hash
    marks = {login: _mark(secret) for login, secret in by_login.items()}
    kept = known.unchanged(marks) if known is not None else {}
    texts = {login: secret.reveal() for login, secret in by_login.items() if login not in kept}
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(limits.verifications_max, thread_name_prefix="heliograph-hash")
    try:
        hashes = await asyncio.gather(
            *(
                loop.run_in_executor(executor, hash_octets, _octets(text))
                for text in ([] if known is not None else [secrets.token_hex(32)]) + list(texts.values())
            )
        )
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    unknown = known.unknown if known is not None else hashes.pop(0)
    return HashedSecrets(kept | dict(zip(texts, hashes, strict=True)), unknown, marks)


def _mark(secret: Secret) -> bytes:
    return blake2b(_octets(secret.reveal()), key=_MARK_KEY, digest_size=32).digest()


class Authenticator:
    """Answers who a login and password belong to, by the latest snapshot of the directory.  On one event loop.

    A success is remembered for ``verified_ms_max``; a failure never, so it always takes a whole verification.
    ``monotonic``: seconds.  ``hasher`` verifies with the cost that each hash was made with.
    """

    def __init__(
        self,
        directory: Directory,
        hashed: HashedSecrets,
        limits: Limits,
        *,
        hasher: PasswordHasher | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._hashed = hashed
        self._hasher = hasher or PasswordHasher()
        self._monotonic = monotonic
        self._octets_max = limits.credential_bytes_max
        self._verified = VerifiedCredentials(limits)
        self._queue = VerificationQueue(limits)

    def replace(self, directory: Directory, hashed: HashedSecrets) -> None:
        """Answer by these from now on, also those who wait."""
        self._directory = directory
        self._hashed = hashed

    def stands(self, login: str, credential: str) -> bool:
        """Whether who logged in with that credential could do so again."""
        return login in self._directory.principals and self._hashed.by_login.get(login) == credential

    async def authenticate(self, login: str, password: str) -> Identity:
        """Who this is.  LoginError: unknown or wrong, which cannot be told apart.  LimitError: too busy now.

        May be cancelled, by a login time-out for instance; that does not disturb others.
        """
        login_octets, password_octets = _octets(login), _octets(password)
        digest = self._verified.digest(login_octets, password_octets)
        known = self._verified.get(digest, self._monotonic())
        if known is not None and self.stands(login, known.credential):
            return self._current(known)
        fits = max(len(login_octets), len(password_octets)) <= self._octets_max
        stored = await self._find(login, digest, password_octets if fits else None)
        if stored is None or not self.stands(login, stored):
            raise LoginError("Bad CONNECT", f"Access refused for user '{self._shown(login)}'")
        identity = Identity(self._directory.principals[login], stored)
        self._verified.put(digest, identity, self._monotonic())
        return identity

    def close(self) -> None:
        """End the threads; who still waits gets a ServerError.  Blocks for one verification at most."""
        self._queue.close()

    async def _find(self, login: str, digest: bytes, password: bytes | None) -> str | None:
        """The stored credential that ``password`` is right for, or None (as for no password): after the same work."""
        for _ in range(_REPLACED_MAX):
            known = self._hashed.by_login.get(login)
            stored = known if password is not None and login in self._directory.principals else None
            hashed = stored or self._hashed.unknown
            check = partial(_matches, self._hasher, hashed, password or b"")
            matches = await self._verify(login, digest + hashed.encode(), check)
            if self._hashed.by_login.get(login) == known:
                return stored if matches else None
        return None

    def _current(self, known: Identity) -> Identity:
        principal = self._directory.principals[known.principal.login]
        return known if principal == known.principal else Identity(principal, known.credential)

    async def _verify(self, login: str, digest: bytes, check: Callable[[], bool]) -> bool:
        try:
            return await self._queue.verify(login, digest, check)
        except (Argon2Error, InvalidHashError) as error:  # out of memory, or a damaged hash; not the caller's fault
            raise ServerError("Login failed", "The credentials could not be verified. Try again later.") from error

    def _shown(self, login: str) -> str:
        """The login as an ERROR body can carry it."""
        text = login if len(login) <= self._octets_max else login[: self._octets_max] + "…"
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _matches(hasher: PasswordHasher, stored: str, password: bytes) -> bool:
    try:
        return hasher.verify(stored, password)
    except VerifyMismatchError:
        return False


def _octets(text: str) -> bytes:
    """UTF-8, of whatever text there is: a lone surrogate must be a wrong password, not a crash."""
    return text.encode("utf-8", "surrogatepass")
