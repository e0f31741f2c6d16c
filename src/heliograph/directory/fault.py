"""How a fault in the operator's directory is told: the file, the TOML path, what is wrong, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from heliograph.errors import ClientError, SettingsError

#: So many known words are listed where none is near; a directory may have thousands.
SHOWN_MAX = 12


class NotThere(ClientError):
    """What a change of the directory names does not exist."""

    status = 404


class DirectoryFault(SettingsError):
    """A directory that does not fit.  ``place``: a path such as ``partners[0].email``; empty: the whole file.

    ``further``: what else does not fit, as far as it was looked at.
    ``conflict``: it is well formed, and does not fit what else there is.
    """

    def __init__(self, source: object, place: str, sentences: str, *, conflict: bool = False) -> None:
        super().__init__("Bad directory", f"{source}: {place}: {sentences}" if place else f"{source}: {sentences}")
        self.place = place
        self.sentences = sentences
        self.further: tuple[DirectoryFault, ...] = ()
        self.conflict = conflict


def directory_fault(source: object, place: str, sentences: str) -> DirectoryFault:
    """The error for ``place`` of ``source``."""
    return DirectoryFault(source, place, sentences)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known word, or with those there are; it begins with a blank."""
    words = sorted(known)
    if nearest := get_close_matches(word, words, n=1):
        return f" Did you mean {nearest[0]!r}?"
    if not words:
        return " There are none."
    shown = [repr(known_word) for known_word in words[:SHOWN_MAX]]
    return f" There are: {', '.join(shown)}{', …' if len(words) > SHOWN_MAX else '.'}"
