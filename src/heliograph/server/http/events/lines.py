"""NDJSON cut into lines, whatever pieces it comes in."""

from __future__ import annotations

_BLANKS = b" \t\r"


class Lines:
    """``feed`` octets, then ``end``; each gives the lines that are whole.  Empty lines are passed over.

    A line longer than ``bytes_max`` comes as None, once, and is not held.
    """

    __slots__ = ("_bytes_max", "_held", "_passing")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._passing = False  # the rest of a line that was too long

    def feed(self, octets: bytes) -> list[bytes | None]:
        """The lines that ``octets`` complete."""
        first, *whole = octets.split(b"\n")
        if not whole:
            return self._hold(first)
        rest = whole.pop()
        lines = [*self._hold(first), *self.end()]
        if len(octets) <= self._bytes_max:  # so none of them is too long
            lines += [line for piece in whole if (line := piece.strip(_BLANKS))]
        else:
            for piece in whole:
                lines += [*self._hold(piece), *self.end()]
        return lines + self._hold(rest)

    def end(self) -> list[bytes | None]:
        """The line that is held, if any."""
        line = bytes(self._held).strip(_BLANKS)
        self._held.clear()
        self._passing = False
        return [line] if line else []

    def _hold(self, piece: bytes) -> list[bytes | None]:
        """None, where the line becomes too long by this."""
        if self._passing:
            return []
        self._held += piece
        if len(self._held) > self._bytes_max:
            self._held.clear()
            self._passing = True
            return [None]
        return []
