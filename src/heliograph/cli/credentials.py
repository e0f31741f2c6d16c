"""``heliograph credential …``: the ways in of whoever logs in.  A secret is never an argument, which others can see."""

from __future__ import annotations

import getpass
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclopts import App

from heliograph.cli.stored import STORED, Stored
from heliograph.cli.terminal import printable
from heliograph.errors import SettingsError

if TYPE_CHECKING:
    from heliograph.directory.secret import Secret
    from heliograph.directory.store.reading import StoredCredential

credential = App(
    name="credential", help="Make, rotate, revoke and list the credentials of a login.", help_format="plaintext"
)

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,7})([smhd])")
#: More than any secret may have (credential_bytes_max says how many, and is named where it is too long).
_LINE_BYTES_MAX = 1_048_576
_COLUMNS = ("ID", "NAME", "STATE", "MADE", "EXPIRES", "LAST USED")


@credential.command
def add(
    login: str,
    name: str,
    /,
    *,
    expires: str | None = None,
    read_secret: bool = False,
    stored: Stored = STORED,
) -> int:
    """Make one more credential of LOGIN, called NAME, and print its secret, which is shown this once only.

    The others stay. A server that runs on the same database knows it within
    seconds.

    Example: heliograph credential add ops@northwind.example blue --expires 90d

    Parameters
    ----------
    login
        A partner's e-mail; the name of a system, service or operator.
    name
        For people.
    expires
        When it ends: 90d, 12h, 30m, or a time such as 2027-01-01T00:00:00Z (default: never).
    read_secret
        Ask for the secret at the terminal, or read it as one line of standard input; nothing is printed then.
    """
    expires_ms = None if expires is None else _end_ms(expires)
    with stored.opened() as store:
        store.credentials(login)  # before anybody types a secret for a login that there is not
        secret = _secret(login, read_secret)
        store.add_credential(login, name, secret, "credential add", expires_ms)
    if not read_secret:
        print(secret.reveal())
    return 0


@credential.command
def rotate(
    login: str,
    name: str,
    /,
    *,
    overlap: str = "1d",
    expires: str | None = None,
    read_secret: bool = False,
    stored: Stored = STORED,
) -> int:
    """Make a new credential for that of LOGIN called NAME, and print its secret, which is shown this once only.

    The one before stays valid for the overlap, so that programs can be moved
    over without downtime. Look at its last use before that ends.

    Example: heliograph credential rotate acme first --overlap 12h

    Parameters
    ----------
    login
        A partner's e-mail; the name of a system, service or operator.
    name
        As heliograph credential list shows it.
    overlap
        How long the one before stays valid: 7d, 12h, 30m; 0s ends it at once (default: 1d).
    expires
        When the new one ends: 90d, or a time such as 2027-01-01T00:00:00Z (default: never).
    read_secret
        Ask for the secret at the terminal, or read it as one line of standard input; nothing is printed then.
    """
    overlap_ms, expires_ms = _duration_ms(overlap, "--overlap"), None if expires is None else _end_ms(expires)
    with stored.opened() as store:
        store.credentials(login)
        secret = _secret(login, read_secret)
        store.rotate_credential(login, name, secret, "credential rotate", overlap_ms, expires_ms)
    if not read_secret:
        print(secret.reveal())
    return 0


@credential.command
def revoke(login: str, number: int, /, *, stored: Stored = STORED) -> int:
    """End the credential of LOGIN that has this NUMBER, for good.

    A server that runs on the same database shuts out within seconds who has
    logged in with it.

    Example: heliograph credential revoke acme 3

    Parameters
    ----------
    login
        A partner's e-mail; the name of a system, service or operator.
    number
        Its ID, as heliograph credential list shows it.
    """
    with stored.opened() as store:
        store.revoke_credential(login, number, "credential revoke")
    return 0


@credential.command(name="list")
def list_(login: str, /, *, stored: Stored = STORED) -> int:
    """Print the credentials of LOGIN, the newest first: name, end and last use, never a secret.

    Times are in UTC. Last uses are written every few seconds.

    Example: heliograph credential list acme

    Parameters
    ----------
    login
        A partner's e-mail; the name of a system, service or operator.
    """
    with stored.opened() as store:
        found = store.credentials(login)
    now_ms = time.time() * 1000
    rows = [_COLUMNS, *(_row(each, now_ms) for each in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(each: StoredCredential, now_ms: float) -> tuple[str, ...]:
    state = "revoked" if each.revoked_ms is not None else "valid" if each.is_valid(now_ms) else "expired"
    moments = (_moment(ms) for ms in (each.created_ms, each.expires_ms, each.last_used_ms))
    return (str(each.id), printable(each.name), state, *moments)


def _moment(ms: int | None) -> str:
    if ms is None:
        return "never"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):  # after the year 9999
        return str(ms)


def _secret(login: str, read: bool) -> Secret:
    from heliograph.directory.secret import Secret, new_secret

    if not read:
        return Secret(new_secret())
    if sys.stdin.isatty():
        found = getpass.getpass(f"New secret of {printable(login)}: ")
        if getpass.getpass("Again: ") != found:
            raise SettingsError("Bad secret", "what was typed the second time differs. Begin again.")
        return Secret(found)
    try:
        return Secret(sys.stdin.buffer.readline(_LINE_BYTES_MAX).rstrip(b"\r\n").decode())
    except UnicodeDecodeError:
        raise SettingsError("Bad secret", "standard input is not UTF-8. Give the secret as one line of that.") from None


def _duration_ms(text: str, flag: str) -> int:
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise SettingsError("Bad duration", f"{text!r} is none. Give {flag} as 7d, 12h, 30m or 0s.")
    return int(parts[1]) * _SECONDS[parts[2]] * 1000


def _end_ms(text: str) -> int:
    """A time in the future, in milliseconds since the epoch."""
    now_ms = int(time.time() * 1000)
    if _DURATION.fullmatch(text):
        end_ms = now_ms + _duration_ms(text, "--expires")
    else:
        try:
            moment = datetime.fromisoformat(text.upper())
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise SettingsError(
                "Bad time", f"{text!r} is none. Give --expires as 90d, 12h, or as 2027-01-01T00:00:00Z with its zone."
            )
        end_ms = int(moment.timestamp() * 1000)
    if end_ms <= now_ms:
        raise SettingsError("Bad time", f"{text!r} is not in the future. Give --expires a later one.")
    return end_ms
