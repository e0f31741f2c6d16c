"""What applying a file does to credentials.  A file names one secret for each login, or none.

    the file's secret is    that of a valid credential   of one revoked or expired   new     absent
    login is stored         kept                         refused                     added   nothing changes
    login is not stored                                                              added   refused

A credential that a file has made goes when the file's secret is another one, unless it is to expire anyway; those
that were made otherwise stay.  A file that is older than a revocation cannot undo it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from heliograph.directory.fault import directory_fault
from heliograph.directory.file import DirectoryFile, LoginEntry
from heliograph.directory.hashed import hash_token
from heliograph.directory.secret import Secret
from heliograph.directory.store.diff import Change
from heliograph.directory.store.entities import EntityKey
from heliograph.directory.store.reading import StoredCredential
from heliograph.errors import ServerError
from heliograph.limits import Limits

#: What a credential is called that a file has made, and the one that somebody made otherwise begins with.
FILE_NAME, FIRST_NAME = "file", "first"

Stored = Sequence[tuple[StoredCredential, str]]


class PasswordChange:
    """For one login: the hash to add, if any, and the credentials to drop.  A plain class: it shows no hash.

    ``from_file``: whether it is a file that names the secret.
    """

    __slots__ = ("added_hash", "dropped", "entry", "from_file")

    def __init__(
        self, entry: LoginEntry, added_hash: str | None, dropped: Sequence[StoredCredential], from_file: bool = True
    ) -> None:
        self.entry = entry
        self.added_hash = added_hash
        self.dropped = dropped
        self.from_file = from_file

    @property
    def name(self) -> str:
        """What the added one is called."""
        return FILE_NAME if self.from_file else FIRST_NAME

    def changes(self) -> tuple[Change, ...]:
        """The same for people and for the audit."""
        key = f"{self.name} of {self.entry.login}"
        gone = tuple(
            Change("credential", f"{each.name} of {self.entry.login}", {"id": each.id}, None) for each in self.dropped
        )
        return gone + ((Change("credential", key, None, {}),) if self.added_hash is not None else ())


def compare_passwords(
    file: DirectoryFile,
    stored: Mapping[EntityKey, Stored],
    limits: Limits,
    hasher: PasswordHasher,
    now_ms: int,
    source: object,
    *,
    dry_run: bool = False,
    from_file: bool = True,
    stopped: Callable[[], bool] = lambda: False,
) -> list[PasswordChange]:
    """What ``file`` changes, ``verifications_max`` logins at once; SettingsError where the table above refuses.

    ``stored``: the credentials of every principal there is.  ``dry_run``: nothing is hashed anew.
    ``from_file``: see ``PasswordChange``.
    ``stopped``: whether to give up, with a ServerError, since thousands of logins take minutes.
    """

    def compared(entry: LoginEntry, secret: Secret) -> PasswordChange:
        if stopped():
            raise ServerError("Directory closed", "It was closed before the file was applied.")
        owned = stored.get((entry.kind, entry.key), ())
        found = _compared(entry, secret, owned, limits, hasher, now_ms, source, dry_run)
        found.from_file = from_file
        return found

    for entry in file.logins():
        if entry.secret is None and (entry.kind, entry.key) not in stored:
            raise directory_fault(
                source,
                entry.place,
                "this key is missing. Add it; only a login that is stored already keeps its credentials without.",
            )
    with ThreadPoolExecutor(limits.verifications_max, thread_name_prefix="heliograph-hash") as executor:
        futures = [executor.submit(compared, each, each.secret) for each in file.logins() if each.secret is not None]
        try:
            found = [future.result() for future in futures]
        except BaseException:
            executor.shutdown(cancel_futures=True)  # the rest would take long
            raise
    return [change for change in found if change.dropped or change.added_hash is not None]


def _compared(
    entry: LoginEntry,
    secret: Secret,
    stored: Stored,
    limits: Limits,
    hasher: PasswordHasher,
    now_ms: int,
    source: object,
    dry_run: bool,
) -> PasswordChange:
    matches = _matcher(entry, secret, hasher)
    valid = [(each, hashed) for each, hashed in stored if each.is_valid(now_ms)]
    ended = [(each, hashed) for each, hashed in stored if not each.is_valid(now_ms)][: limits.credentials_max]
    match = next((each for each, hashed in valid if matches(hashed)), None)
    replaced = [each for each, _ in valid if each.from_file and each.expires_ms is None and each is not match]
    if match is not None:
        return PasswordChange(entry, None, replaced)
    if any(matches(hashed) for _, hashed in ended):
        raise directory_fault(
            source,
            entry.place,
            "it was revoked or has expired. Choose another one, or leave the key out to keep what is stored.",
        )
    if len(valid) - len(replaced) >= limits.credentials_max:
        raise directory_fault(
            source,
            entry.place,
            f"{entry.login!r} has {len(valid)} valid credentials (credentials_max). Revoke one of them first.",
        )
    return PasswordChange(entry, "" if dry_run else hash_secret(entry.kind, secret, hasher), replaced)


def hash_secret(kind: str, secret: Secret, hasher: PasswordHasher) -> str:
    """How the secret of a principal of that kind is stored."""
    if kind == "operator":
        return hash_token(secret.reveal())
    return hasher.hash(secret.reveal().encode("utf-8", "surrogatepass"))


def unmatched_hash(hasher: PasswordHasher) -> str:
    """A hash that no password has, since its digest is random; to verify one against it costs what others cost."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


def _matcher(entry: LoginEntry, secret: Secret, hasher: PasswordHasher) -> Callable[[str], bool]:
    if entry.kind == "operator":
        token = hash_token(secret.reveal())
        return lambda hashed: compare_digest(token, hashed)
    octets = secret.reveal().encode("utf-8", "surrogatepass")

    def matches(hashed: str) -> bool:
        try:
            return hasher.verify(hashed, octets)
        except (VerifyMismatchError, InvalidHashError, VerificationError):
            return False

    return matches
