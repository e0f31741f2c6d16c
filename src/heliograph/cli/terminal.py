"""What goes to a terminal: nothing in it may act on the terminal, for much of it was written by others."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` on one line, every character that could move a cursor, or hide or reorder text, written as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def one_line_json(body: bytes) -> str:
    """A JSON body as one line of the same JSON, safe for a terminal.

    Line ends and tabs can only stand between the tokens, so they become blanks; any other unprintable character
    can only stand inside a string, so it is written as JSON writes it.
    """
    text = body.decode(errors="replace").strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\r\t" else _json_escape(c) for c in text)


def _escape(character: str) -> str:
    return repr(character)[1:-1]


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
