"""A password on its way from the file to its hash, wrapped so that printing it shows nothing."""

from __future__ import annotations

import secrets

from heliograph.limits import Limits

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


def secret_fault(secret: Secret, kind: str, limits: Limits) -> str:
    """What is wrong with a ``secret`` that somebody has chosen, as sentences without it; empty where it will do.

    ``kind``: of who logs in with it.
    """
    text = secret.reveal()
    octets = len(text.encode("utf-8", "surrogatepass"))
    if not text:
        return "it is empty. Choose one; a long random one is best."
    if any(char < " " or char == "\x7f" for char in text):
        return "it has a control character, which neither HTTP Basic nor a CONNECT frame can carry."
    if octets > limits.credential_bytes_max:
        return f"it is longer than {limits.credential_bytes_max} octets (credential_bytes_max). Choose a shorter one."
    if kind == "operator" and octets < limits.token_bytes_min:
        return (
            f"it is shorter than {limits.token_bytes_min} octets (token_bytes_min). Make one with: openssl rand -hex 32"
        )
    return ""


def new_secret() -> str:
    """A random password or token, fit for URLs and headers."""
    return secrets.token_urlsafe(_OCTETS)
