"""Octets → frames.

Grammar (STOMP 1.2, "Augmented BNF")::

    frame   = command EOL *( header EOL ) EOL *OCTET NUL *( EOL )
    header  = name ":" value
    EOL     = [CR] LF

A frame may come in any number of pieces and a piece may hold any number of frames.

Deliberate deviations, all towards the peer:

* CRLF is an end of line in 1.0 and 1.1 too, and a CR between frames needs no LF.
* A NUL inside the body is taken when content-length spans it, in any frame.
* The first of a repeated header wins in every version (1.0 says nothing, 1.1 and 1.2 say so).

And one away from it: a head holds no NUL.  A forgotten empty line is seen at once, and no header can carry
a second frame past the readers that look for the NUL first (nearly all clients do).

Every head of a SEND is looked up in a cache before it is parsed, its ``receipt`` line cut out
first since that is what differs from one frame of a publisher to the next.
"""

from __future__ import annotations

import re

from heliograph.errors import LimitError, ProtocolError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits
from heliograph.stomp.frame import CLIENT_COMMANDS, Frame, Head
from heliograph.stomp.header import split_line, unescape
from heliograph.stomp.version import V12

#: Parsed heads of SEND by version and octets; one per process is enough.
HeadCache = dict[str, GenerationalCache[bytes, Head]]

_NEVER = 1 << 62
#: How far the end of a head is looked for first.  Nearly all are shorter; and where many frames come in one piece,
#: the search for one end of line must not run through all the others.
_NEAR = 512
_NO_VALUE = re.compile(r"[^:=\s]*\s?")
_UNESCAPED = frozenset({"CONNECT", "STOMP", "CONNECTED"})


def head_cache(limits: Limits) -> HeadCache:
    """An empty cache that the parsers of a process share."""
    return {version: GenerationalCache(limits.parsed_heads_max) for version in ("1.0", "1.1", "1.2")}


class Parser:
    """An incremental parser of one direction of one connection.

    ``feed`` gives the frames that are complete.  When the octets are not STOMP, it gives those before
    the fault and sets ``error``; from then on it yields nothing.  After a frame whose command is in
    ``pause_after`` it keeps the rest until ``feed(b"")`` (a CONNECT decides how what follows is read).
    """

    __slots__ = ("_cache", "_commands", "_held", "_limits", "_wait_octets", "_wait_size", "bytes_max", "caching",
                 "error", "error_receipt", "pause_after", "paused", "version")  # fmt: skip

    def __init__(
        self, limits: Limits, cache: HeadCache | None = None, commands: frozenset[str] = CLIENT_COMMANDS
    ) -> None:
        self._limits = limits
        self._cache = cache if cache is not None else head_cache(limits)
        self._commands = commands
        self._held = bytearray()  # of an incomplete frame, or what came while paused
        self._wait_octets: tuple[bytes, ...] = ()  # do not look at what is held again before one of these comes ...
        self._wait_size = 0  # ... or so much is held
        self.version = V12
        self.bytes_max = _NEVER  #: octets that may be held; a limit beside those of ``Limits``
        self.caching = True  #: whether the heads of this peer may be remembered for all
        self.error: ProtocolError | LimitError | None = None
        self.error_receipt: str | None = None  #: of the frame that ``error`` is about
        self.pause_after: frozenset[str] = frozenset()
        self.paused = False

    @property
    def held(self) -> bytearray:
        """What is held of an incomplete frame; always the same object, so that a look costs nothing."""
        return self._held

    @property
    def heads(self) -> GenerationalCache[bytes, Head]:
        """The parsed heads of SEND for this parser's version."""
        return self._cache[self.version]

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes."""
        frames: list[Frame] = []
        if self.error is None:
            try:
                if self._held or self.paused:
                    data = self._take_held(data)
                if data:
                    self._parse(data, frames)
            except (ProtocolError, LimitError) as error:
                self.error = error
                self._held.clear()
        return frames

    def _take_held(self, data: bytes) -> bytes:
        """What is held and ``data``, where that may hold a whole frame; otherwise nothing yet."""
        self._held += data
        size = len(self._held)
        if data and (self.paused or (size < self._wait_size and not any(octet in data for octet in self._wait_octets))):
            self._check_held(size)
            return b""
        self.paused = False
        data = bytes(self._held)
        self._held.clear()
        return data

    def _parse(self, data: bytes, frames: list[Frame]) -> None:
        pos, size = 0, len(data)
        while True:
            while pos < size and data[pos] in b"\n\r":  # ends of line between frames: heart-beats
                pos += 1
            if pos == size:
                return
            reach = pos + _NEAR
            end = data.find(b"\n\n", pos, reach)
            crlf = data.find(b"\n\r\n", pos, end if end >= 0 else reach)
            if end < 0 and crlf < 0 and reach < size:
                end, crlf = self._far_end(data, pos)
            start = end + 2
            if crlf >= 0:
                end, start = crlf, crlf + 3
            try:
                if end < 0:
                    self._hold_head(data, pos, size)
                    return
                head, receipt = self._head(data[pos:end])
                stop = self._body_end(head, data, pos, start, size)
            except (ProtocolError, LimitError):
                self.error_receipt = self._receipt_in(data[pos : end if end >= 0 else size])
                raise
            if stop < 0:
                return
            frames.append(Frame(head, receipt, data[start:stop]))
            pos = stop + 1
            if head.command in self.pause_after:
                self.paused = True
                self._hold(data[pos:], (), 0)
                return

    def _far_end(self, data: bytes, pos: int) -> tuple[int, int]:
        """Where the head at ``pos`` ends, with LF or with CRLF; -1 for what is not there within a head's limits.

        In growing windows, so that the cost is that of this head, whatever stands behind it.
        """
        far = pos + self._head_room
        window = _NEAR
        while True:
            window *= 8
            reach = min(pos + window, far)
            end = data.find(b"\n\n", pos, reach)
            crlf = data.find(b"\n\r\n", pos, end if end >= 0 else reach)
            if end >= 0 or crlf >= 0 or reach == far or reach >= len(data):
                return end, crlf

    def _body_end(self, head: Head, data: bytes, pos: int, start: int, size: int) -> int:
        """Where the body's NUL stands, or -1 after holding what is incomplete."""
        body_bytes_max = self._limits.body_bytes_max
        length = head.content_length
        if length >= 0:
            if length > body_bytes_max:
                raise self._body_too_long(f"content-length is {length}")
            stop = start + length
            if stop < size:
                if data[stop]:
                    raise ProtocolError(
                        "Malformed frame",
                        f"content-length is {length}, but octet {length} after the head is not NUL; "
                        "count octets, not characters, and end the frame with NUL.",
                    )
                return stop
            self._check_held(stop + 1 - pos)
            self._hold(data[pos:], (), stop + 1 - pos)
            return -1
        stop = data.find(b"\0", start, start + body_bytes_max + 1)
        if stop < 0:
            if size - start > body_bytes_max:
                raise self._body_too_long("no NUL within that")
            self._hold(data[pos:], (b"\0",), start - pos + body_bytes_max + 1)
        return stop

    def _head(self, raw: bytes) -> tuple[Head, str | None]:
        receipt = None
        if (begin := raw.find(b"\nreceipt:")) >= 0:
            end = raw.find(b"\n", begin + 1)
            receipt = self._read_receipt(raw[begin + 9 : end if end >= 0 else len(raw)])
            raw = raw[:begin] + (raw[end:] if end >= 0 else b"")
        if not raw.startswith(b"SEND"):
            return self._parse_head(raw), receipt
        cache = self._cache[self.version]
        head = cache.young.get(raw) or cache.get(raw)
        if head is None:
            head = self._parse_head(raw)
            limits = self._limits
            small = len(raw) <= limits.parsed_head_bytes_max and len(head.headers) <= limits.parsed_head_headers_max
            if self.caching and small:
                cache.put(raw, head)
        return head, receipt

    def _read_receipt(self, value: bytes) -> str:
        """The text of a receipt header, which is not counted among ``header_count_max`` and ``head_bytes_max``."""
        if len(value) > self._limits.header_line_bytes_max - 8:
            raise self._line_too_long()
        if value.find(b"\0") >= 0:
            raise _nul_in_head()
        return self._unescape(self._text(value.removesuffix(b"\r")))

    def _receipt_in(self, raw: bytes) -> str | None:
        """The receipt that a faulty head asks for, where that can be read."""
        _, found, rest = raw.partition(b"\nreceipt:")
        try:
            return self._read_receipt(rest.partition(b"\n")[0]) if found else None
        except (ProtocolError, LimitError):
            return None

    def _parse_head(self, raw: bytes) -> Head:
        if b"\0" in raw:
            raise _nul_in_head()
        self._check_head(raw, 0, len(raw), self._limits.head_bytes_max, self._limits.header_count_max)
        lines = self._text(raw).split("\n")
        command = lines[0].removesuffix("\r")
        if command not in self._commands:
            shown = _NO_VALUE.match(command)[0]  # type: ignore[index]  # what follows may be a passcode
            raise ProtocolError(
                "Bad command",
                f"Could not interpret command {shown!r}; known are {', '.join(sorted(self._commands))}.",
            )
        unescaped = str if command in _UNESCAPED else self._unescape
        headers: dict[str, str] = {}
        for number, line in enumerate(lines[1:], 1):
            name, value = split_line(line.removesuffix("\r"), number, unescaped)
            headers.setdefault(name, value)
        headers.pop("receipt", None)  # a second one; the first has been cut out
        return Head(command, headers, content_length(headers.get("content-length")))

    def _unescape(self, text: str) -> str:
        return unescape(text, self.version)

    def _text(self, octets: bytes) -> str:
        try:
            return octets.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("Malformed header", f"Headers are UTF-8; octet {error.start} is not.") from None

    def _hold_head(self, data: bytes, pos: int, size: int) -> None:
        """Hold an incomplete head, unless it is over a limit already.

        It may be longer than a whole one by a receipt's line and an end of line, since those are not counted.
        """
        limits = self._limits
        if data.find(b"\0", pos, pos + self._head_room) >= 0:
            raise _nul_in_head()
        self._check_head(data, pos, size, self._head_room, limits.header_count_max + 2)
        last_line = data.rfind(b"\n", pos, size) + 1
        if last_line:
            wait = min(self._head_room, last_line - pos + limits.header_line_bytes_max)
        else:
            wait = limits.command_bytes_max
        self._hold(data[pos:], (b"\n", b"\0"), wait + 1)

    @property
    def _head_room(self) -> int:
        return self._limits.head_bytes_max + self._limits.header_line_bytes_max + 4

    def _hold(self, rest: bytes, octets: tuple[bytes, ...], size: int) -> None:
        self._held += rest
        self._wait_octets, self._wait_size = octets, size
        self._check_held(len(self._held))

    def _check_held(self, size: int) -> None:
        if size > self.bytes_max:
            raise LimitError(
                "Frame too large",
                f"{size} octets before the login is complete; at most {self.bytes_max} are taken "
                "(unauthenticated_bytes_max). Send CONNECT and wait for CONNECTED first.",
            )

    def _check_head(self, data: bytes, pos: int, end: int, bytes_max: int, lines_max: int) -> None:
        """Refuse a head (perhaps incomplete) at data[pos:end] that is over a limit."""
        limits = self._limits
        line_end = data.find(b"\n", pos, end)
        command_bytes = (line_end if line_end >= 0 else end) - pos
        if command_bytes > limits.command_bytes_max:
            raise ProtocolError(
                "Bad command",
                f"The first line has more than {limits.command_bytes_max} octets; a frame begins with a line "
                "that holds nothing but the command.",
            )
        if end - pos > bytes_max:
            raise LimitError(
                "Headers too long", f"The head of a frame has at most {limits.head_bytes_max} octets (head_bytes_max)."
            )
        if data.count(b"\n", pos, end) > lines_max:
            raise LimitError(
                "Too many headers", f"A frame has at most {limits.header_count_max} headers (header_count_max)."
            )
        if end - pos > limits.header_line_bytes_max:
            longest = max(map(len, data[pos:end].split(b"\n")))
            if longest > limits.header_line_bytes_max:
                raise self._line_too_long()

    def _line_too_long(self) -> LimitError:
        return LimitError(
            "Header too long",
            f"A header line has at most {self._limits.header_line_bytes_max} octets (header_line_bytes_max).",
        )

    def _body_too_long(self, seen: str) -> LimitError:
        return LimitError(
            "Body too large",
            f"The body of a frame has at most {self._limits.body_bytes_max} octets (body_bytes_max); {seen}.",
        )


def _nul_in_head() -> ProtocolError:
    return ProtocolError(
        "Malformed frame",
        "There is a NUL before the empty line that ends the headers; a frame is its command, its headers, "
        "an empty line, the body, then NUL.",
    )


def content_length(value: str | None) -> int:
    """The header's number, or -1 without the header; ProtocolError where it is no number of octets."""
    if value is None:
        return -1
    if not (value.isascii() and value.strip().isdigit()) or len(value) > 18:
        raise ProtocolError(
            "Invalid header", f"content-length is {value[:32]!r}; it is a decimal number of octets, or absent."
        )
    return int(value)
