"""Login and password to principal: argon2id off the event loop, one answer and the same work for all that fail."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from heliograph.directory.directory import Directory
from heliograph.directory.principal import Principal
from heliograph.directory.secret import Secret
from heliograph.directory.verification_queue import VerificationQueue
from heliograph.directory.verified import VerifiedCredentials
from heliograph.errors import LoginError, ServerError
from heliograph.limits import Limits


class HashedSecrets:
    """Argon2id hashes by login, and one of equal cost that no password has, for logins that do not exist.

    A plain class, not a Struct: hashes can be guessed at off line, so they stay out of every repr.
    """

    __slots__ = ("by_login", "unknown")

    def __init__(self, by_login: Mapping[str, str], unknown: str) -> None:
        self.by_login = by_login
        self.unknown = unknown

    def __repr__(self) -> str:
        return f"HashedSecrets({len(self.by_login)} logins)"


async def hash_all(
    by_login: Mapping[str, Secret], limits: Limits, hasher: PasswordHasher | None = None
) -> HashedSecrets:
    """Hash every secret, ``verifications_max`` at once, off the event loop.

    ``hasher`` defaults to the low-memory profile of RFC 9106: 64 MiB and some 100 ms each.
    """
    hash_octets = (hasher or PasswordHasher()).hash
    texts = [secrets.token_hex(32), *(secret.reveal() for secret in by_login.values())]
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(limits.verifications_max, thread_name_prefix="heliograph-hash")
    try:
        unknown, *hashes = await asyncio.gather(
            *(loop.run_in_executor(executor, hash_octets, _octets(text)) for text in texts)
        )
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    return HashedSecrets(dict(zip(by_login, hashes, strict=True)), unknown)


class Authenticator:
    """Answers who a login and password belong to.  One per directory snapshot, on one event loop.

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

    async def authenticate(self, login: str, password: str) -> Principal:
        """Who this is.  LoginError: unknown or wrong, which cannot be told apart.  LimitError: too busy now.

        May be cancelled, by a login time-out for instance; that does not disturb others.
        """
        login_octets, password_octets = _octets(login), _octets(password)
        digest = self._verified.digest(login_octets, password_octets)
        known = self._verified.get(digest, self._monotonic())
        if known is not None:
            return known
        principal = self._directory.principals.get(login)
        stored = self._hashed.by_login.get(login)
        if max(len(login_octets), len(password_octets)) > self._octets_max:
            principal, password_octets = None, b""  # refused, after the same work as any other
        if principal is None or stored is None:
            principal, stored = None, self._hashed.unknown
        matches = await self._verify(login, digest, partial(_matches, self._hasher, stored, password_octets))
        if principal is None or not matches:
            raise LoginError("Bad CONNECT", f"Access refused for user '{self._shown(login)}'")
        self._verified.put(digest, principal, self._monotonic())
        return principal

    def close(self) -> None:
        """End the threads; who still waits gets a ServerError.  Blocks for one verification at most."""
        self._queue.close()

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
