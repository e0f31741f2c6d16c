"""A password on its way from the file to its hash, wrapped so that printing it shows nothing."""

from __future__ import annotations

import secrets

#: Of randomness in what is made here; 43 characters.
_OCTETS = 32


class Secret:
    """Holds a password or shared secret.  Only ``reveal`` gives it out; no repr, format or encoder does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself.  Call this where it is hashed or measured, and keep no copy."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"


def new_secret() -> str:
    """A random password or token, fit for URLs and headers."""
    return secrets.token_urlsafe(_OCTETS)
