"""The tree of event types (contract, "Event types", and NAME-5).

A routing key names a type by its path from the root, so that a subscriber to ``objectDetected.#`` receives every
descendant.  The tree beyond faceRecognized is inferred, so it is data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from heliograph.errors import DestinationError, SettingsError
from heliograph.topic.words import quote

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_COMPARED_CHARACTERS_MAX = 64  #: no known name is longer, and the comparison takes the square of the length
_LIKENESS_MIN = 0.4  #: of difflib's 0 to 1: 'vmd' is like 'vmdDetected', 'x' like nothing


class EventTypes(Mapping[str, str | None]):
    """Event types by name, each with its parent (``None``: a root).  Immutable.

    ``SettingsError`` for a name that is not one word of letters, digits, ``_`` or ``-``, a parent that is not
    there, or a type that is its own ancestor.
    """

    __slots__ = ("_parents", "_paths")

    def __init__(self, parents: Mapping[str, str | None]) -> None:
        self._parents = dict(parents)
        self._paths = {name: self._trace(name) for name in self._parents}

    def __getitem__(self, name: str) -> str | None:
        return self._parents[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parents)

    def __len__(self) -> int:
        return len(self._parents)

    def path(self, name: str) -> str:
        """The type's path, ``objectDetected.faceDetected``; ``DestinationError`` names the nearest known type."""
        try:
            return ".".join(self._paths[name])
        except KeyError:
            raise DestinationError("Unknown event type", self.unknown(name)) from None

    def leaf(self, path_words: Sequence[str]) -> str:
        """The type whose path these words are; ``DestinationError`` says what the path should be."""
        if not path_words:
            raise DestinationError("Invalid event type", "The event type is missing.")
        name = path_words[-1]
        path = self.path(name)
        if tuple(path_words) != self._paths[name]:
            given = quote(".".join(path_words))
            raise DestinationError("Invalid event type", f"{given} is not the path of {name}; its path is {path!r}.")
        return name

    def unknown(self, name: str) -> str:
        """A sentence that says a type is not known, and which known one is nearest."""
        nearest: list[str] = []
        spellings = {known.lower(): known for known in self._parents}
        if len(name) <= _COMPARED_CHARACTERS_MAX:
            nearest = get_close_matches(name.lower(), spellings, n=1, cutoff=_LIKENESS_MIN)
        mend = f"the nearest is {spellings[nearest[0]]!r}" if nearest else f"known are {', '.join(self._parents)}"
        return f"{quote(name)} is no known event type; {mend}."

    def _trace(self, name: str) -> tuple[str, ...]:
        if not _NAME.fullmatch(name):
            raise SettingsError(
                "Invalid event type", f"{quote(name)} is not one word of 1 to 64 letters, digits, '_' or '-'."
            )
        path = [name]
        while (parent := self._parents[path[0]]) is not None:
            if parent not in self._parents:
                raise SettingsError("Invalid event type", f"{path[0]!r} has an unknown parent, {quote(parent)}.")
            if parent in path:
                raise SettingsError("Invalid event type", f"{name!r} is its own ancestor.")
            path.insert(0, parent)
        return tuple(path)


BUILT_IN_EVENT_TYPES = EventTypes(
    {
        "audioDetected": None,
        "audioCategorized": "audioDetected",
        "vmdDetected": None,
        "pirDetected": None,
        "doorbellDetected": None,
        "cameraOnline": None,
        "cameraOffline": None,
        "objectDetected": None,
        "objectInAreaDetected": "objectDetected",
        "objectTripwireDetected": "objectDetected",
        "personDetected": "objectDetected",
        "personInAreaDetected": "personDetected",
        "personTripwireDetected": "personDetected",
        "animalDetected": "objectDetected",
        "faceDetected": "objectDetected",
        "faceRecognized": "faceDetected",
    }
)


def type_path(name: str) -> str:
    """A built-in type's path: ``objectDetected.faceDetected.faceRecognized`` for ``faceRecognized``."""
    return BUILT_IN_EVENT_TYPES.path(name)
