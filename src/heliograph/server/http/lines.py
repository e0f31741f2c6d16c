"""NDJSON cut into lines, whatever pieces it comes in."""

from __future__ import annotations

from collections.abc import Iterator


class Lines:
    """``feed`` octets, then ``end``; each gives the lines that are whole.  Empty lines are passed over.

    A line longer than ``bytes_max`` comes as None, once, and is not held.
    """

    __slots__ = ("_bytes_max", "_held", "_passing")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._passing = False

    def feed(self, octets: bytes) -> Iterator[bytes | None]:
        """The lines that ``octets`` complete."""
        *whole, rest = octets.split(b"\n")
        for piece in whole:
            yield from self._hold(piece)
            yield from self.end()
        yield from self._hold(rest)

    def end(self) -> Iterator[bytes]:
        """The line that is held, if any."""
        line = bytes(self._held).strip(b" \t\r")
        self._held.clear()
        passing, self._passing = self._passing, False
        if line and not passing:
            yield line

    def _hold(self, piece: bytes) -> Iterator[None]:
        if self._passing:
            return
        self._held += piece
        if len(self._held) > self._bytes_max:
            self._held.clear()
            self._passing = True
            yield None
