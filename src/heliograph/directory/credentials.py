"""Login and password to principal: argon2id off the event loop, one answer and the same work for all that fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from heliograph.directory.directory import Directory
from heliograph.directory.failed_logins import FailedLogins
from heliograph.directory.hashed import HashedSecrets
from heliograph.directory.principal import Identity
from heliograph.directory.verification_queue import VerificationQueue
from heliograph.directory.verified import VerifiedCredentials
from heliograph.errors import LoginError, ServerError
from heliograph.limits import Limits


class Authenticator:
    """Answers who a login and password belong to.  On one event loop.

    A success is remembered for ``verified_ms_max``, as long as its credential is valid; a failure never, so it
    always takes a whole verification.  ``monotonic``: seconds; ``wall``: seconds since the epoch, for expiry.
    ``hasher`` verifies with the cost that each hash was made with.
    """

    def __init__(
        self,
        directory: Directory,
        hashed: HashedSecrets,
        limits: Limits,
        *,
        hasher: PasswordHasher | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._hashed = hashed
        self._hasher = hasher or PasswordHasher()
        self._monotonic = monotonic
        self._wall = wall
        self._octets_max = limits.credential_bytes_max
        self._verified = VerifiedCredentials(limits)
        self._queue: VerificationQueue[int | None] = VerificationQueue(limits)
        self.failed_logins = FailedLogins(limits, monotonic)
        self._generation = 0
        self._used: dict[int, int] = {}  # bounded by the credentials that there are

    def replace(self, directory: Directory, hashed: HashedSecrets) -> None:
        """From now on these say who may log in; a verification that runs is measured by them too."""
        self._directory = directory
        self._hashed = hashed
        self._generation += 1

    async def authenticate(self, login: str, password: str, address: str = "") -> Identity:
        """Who this is.  LoginError: unknown, wrong or no longer valid, which cannot be told apart.

        LimitError: too many were wrong, see ``FailedLogins``, or too busy now.  May be cancelled, by a login time-out
        for instance; that does not disturb others.  ``address``: the peer's, without a port.
        """
        login_octets, password_octets = _octets(login), _octets(password)
        self.failed_logins.check(login_octets, address)
        digest = self._verified.digest(login_octets, password_octets)
        known = self._found(login, self._verified.get(digest, self._monotonic()))
        if known is not None:
            self.failed_logins.succeeded(login_octets, address)
            return known
        hashes = self._compared_with(login)
        if max(len(login_octets), len(password_octets)) > self._octets_max:
            hashes, password_octets = self._padded([]), b""  # refused, after the same work as any other
        # Who comes after a change of the directory shares no verification begun before it.
        shared = digest + self._generation.to_bytes(8, "big")
        matching = await self._verify(login, shared, partial(_matching, self._hasher, hashes, password_octets))
        self.failed_logins.check(login_octets, address)  # others may have failed meanwhile, and guesses come at once
        found = self._found(login, matching)
        if found is None:
            self.failed_logins.failed(login_octets, address)
            raise LoginError("Bad CONNECT", f"Access refused for user '{self._shown(login)}'")
        self.failed_logins.succeeded(login_octets, address)
        self._verified.put(digest, found.credential, self._monotonic())
        return found

    def stands(self, login: str, credential: int) -> bool:
        """Whether who logged in with that credential could do so again."""
        found = self._hashed.find(login, credential)
        return login in self._directory.principals and found is not None and found.is_valid(self._now_ms())

    def note_use(self, credential: int) -> None:
        """One of an operator's, which is not verified here, has let somebody in."""
        self._used[credential] = int(self._now_ms())

    def take_used(self) -> dict[int, int]:
        """When credentials were used last since this was asked before: milliseconds since the epoch by id."""
        used, self._used = self._used, {}
        return used

    def close(self) -> None:
        """End the threads; who still waits gets a ServerError.  Blocks for one verification at most."""
        self._queue.close()

    def _found(self, login: str, credential: int | None) -> Identity | None:
        if credential is None or not self.stands(login, credential):
            return None
        self.note_use(credential)
        return Identity(self._directory.principals[login], credential)

    def _compared_with(self, login: str) -> list[tuple[int | None, str]]:
        """Ids and hashes: as many for a login that does not exist as for any other."""
        if login not in self._directory.principals:
            return self._padded([])
        now_ms = self._now_ms()
        stored = self._hashed.by_login.get(login, ())
        return self._padded([(each.id, each.hash) for each in stored if each.is_valid(now_ms)])

    def _padded(self, hashes: list[tuple[int | None, str]]) -> list[tuple[int | None, str]]:
        return hashes + [(None, self._hashed.unknown)] * (self._hashed.work - len(hashes))

    def _now_ms(self) -> float:
        return self._wall() * 1000

    async def _verify(self, login: str, digest: bytes, check: Callable[[], int | None]) -> int | None:
        try:
            return await self._queue.verify(login, digest, check)
        except (Argon2Error, InvalidHashError) as error:  # out of memory, or a damaged hash; not the caller's fault
            raise ServerError("Login failed", "The credentials could not be verified. Try again later.") from error

    def _shown(self, login: str) -> str:
        """The login as an ERROR body can carry it."""
        text = login if len(login) <= self._octets_max else login[: self._octets_max] + "…"
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _matching(hasher: PasswordHasher, hashes: Sequence[tuple[int | None, str]], password: bytes) -> int | None:
    """The id of the hash that ``password`` has, or None.  One that is damaged does not shut out the others."""
    fault: Exception | None = None
    for credential_id, stored in hashes:
        try:
            if hasher.verify(stored, password):
                return credential_id
        except VerifyMismatchError:
            pass
        except (Argon2Error, InvalidHashError) as error:
            fault = error
    if fault is not None:
        raise fault
    return None


def _octets(text: str) -> bytes:
    """UTF-8, of whatever text there is: a lone surrogate must be a wrong password, not a crash."""
    return text.encode("utf-8", "surrogatepass")
