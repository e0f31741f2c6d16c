"""Header text ⇄ octets: the escapes of each version.

============  ==================================  =========================================
version       escapes                             source
============  ==================================  =========================================
1.2           ``\\r`` ``\\n`` ``\\c`` ``\\\\``            STOMP 1.2, "Value Encoding"
1.1           ``\\n`` ``\\c`` ``\\\\``                  STOMP 1.1, "Value Encoding"
1.0           none                                STOMP 1.0
============  ==================================  =========================================

An undefined escape is a fatal error in 1.1 and 1.2.  CONNECT and CONNECTED are never escaped
("to remain backwards compatible with the 1.0 protocol").

Deviation: a line feed has no form in 1.0 and a carriage return none in 1.0 and 1.1.  For a
subscriber of such a version both are written as 1.2 would, so that no value can inject a header line; and so
is a colon in a name for 1.0, or the name ``user-id:`` of one publisher would be ``user-id`` to that subscriber.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from heliograph.errors import ProtocolError
from heliograph.stomp.version import V10, V11, V12

_DECODED: dict[str, dict[str, str]] = {
    V12: {"r": "\r", "n": "\n", "c": ":", "\\": "\\"},
    V11: {"n": "\n", "c": ":", "\\": "\\"},
}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)

_ENCODED: dict[str, dict[int, str]] = {
    V12: str.maketrans({"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}),
    V11: str.maketrans({"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}),
    V10: str.maketrans({"\r": "\\r", "\n": "\\n"}),
}
_ENCODED_NAME = _ENCODED | {V10: _ENCODED[V10] | str.maketrans({":": "\\c"})}


def unescape(text: str, version: str) -> str:
    """``text`` with the escapes of ``version`` resolved; ProtocolError on an undefined one."""
    defined = _DECODED.get(version)
    if defined is None or "\\" not in text:
        return text

    def resolve(match: re.Match[str]) -> str:
        character = defined.get(match[1])
        if character is None:
            raise ProtocolError(
                "Invalid escape",
                f"{match[0]!r} is not an escape of STOMP {version}; defined are "
                + ", ".join("\\" + c for c in defined)
                + ". Write a backslash as two.",
            )
        return character

    return _ESCAPE.sub(resolve, text)


def escape(text: str, version: str) -> str:
    """``text`` as a header value of ``version``."""
    return text.translate(_ENCODED[version])


def header_lines(headers: Mapping[str, str], version: str) -> bytes:
    """``name:value`` lines, each with its line feed, escaped for ``version``."""
    names, values = _ENCODED_NAME[version], _ENCODED[version]
    return "".join([f"{k.translate(names)}:{v.translate(values)}\n" for k, v in headers.items()]).encode()


def split_line(line: str, number: int, unescaped: Callable[[str], str]) -> tuple[str, str]:
    """The name and value of one header line, without its end; ProtocolError without a colon or a name.

    The error gives the line's ``number`` and nothing of its text, which in a CONNECT may be a passcode.
    """
    name, colon, value = line.partition(":")
    if not colon:
        raise ProtocolError("Malformed header", f"Header line {number} has no colon; a header line is 'name:value'.")
    if not name:
        raise ProtocolError("Malformed header", f"Header line {number} has no name; a header line is 'name:value'.")
    return unescaped(name), unescaped(value)
