"""How ``play``, ``subscribe`` and ``demo`` reach a server: its URL, who logs in, and the secret."""

from __future__ import annotations

import getpass
import sys

from heliograph.client import check_url
from heliograph.errors import SettingsError

DEFAULT_URL = "ws://127.0.0.1:8674/ws"

#: Variables that are the clients', so that ``serve`` does not take them for misspelt settings.
CLIENT_VARIABLES = frozenset(
    f"HELIOGRAPH_{name}" for name in ("URL", "LOGIN", "PASSWORD", "SYSTEM", "SECRET", "MESSAGE_TYPE")
)


def checked_url(url: str) -> str:
    """``url``, or SettingsError where it is no WebSocket URL."""
    try:
        check_url(url)
    except ValueError as error:
        raise SettingsError("Bad URL", f"{error}. Mend --url or HELIOGRAPH_URL.") from None
    return url


def checked_login(login: str | None, flag: str) -> str:
    """``login``, or SettingsError where there is none or it cannot be sent."""
    name = flag.removeprefix("--")
    if not login:
        raise SettingsError(f"No {name}", f"Give {flag}, or set HELIOGRAPH_{name.upper()}.")
    if ":" in login:
        raise SettingsError(f"Bad {name}", f"{login!r} has a ':', which HTTP Basic cannot carry. Mend {flag}.")
    return login


def secret_of(login: str, given: str | None, flag: str) -> str:
    """The secret that was given, or asked for where somebody sits at the terminal; it is never shown."""
    if given:
        return given
    name = flag.removeprefix("--")
    if sys.stdin.isatty() and sys.stderr.isatty():
        return getpass.getpass(f"{name.capitalize()} of {login}: ")
    raise SettingsError(f"No {name}", f"Set HELIOGRAPH_{name.upper()}, or give {flag} (which other users may see).")
