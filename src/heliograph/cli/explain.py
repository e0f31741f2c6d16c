"""``heliograph explain PATTERN KEY``: why a pattern matches a routing key, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from heliograph.errors import SettingsError
from heliograph.limits import Limits
from heliograph.topic import matcher
from heliograph.topic.words import parse_key, parse_pattern

if TYPE_CHECKING:
    from heliograph.topic.matcher import Explanation

Row = tuple[str, str, str, str]


def explain(pattern: str, key: str, /) -> int:
    """Say word by word why PATTERN matches KEY or not.

    Exit code 0: it matches; 1: it does not.

    Example: heliograph explain '7.*.32.create.#' 7.12345.32.create.vmdDetected

    Parameters
    ----------
    pattern
        Words joined by dots; '*' stands for one word, '#' for zero or more. Quote it for the shell.
    key
        A routing key, as a message has it.
    """
    limits = Limits()
    words = parse_pattern(_without_exchange(pattern), limits), parse_key(_without_exchange(key), limits)
    found = matcher.explain(*words)
    _show(found)
    return 0 if found.matches else 1


def rows(found: Explanation) -> list[Row]:
    """Number, word of the pattern, what it took of the key, and the fault: a row for each word of the pattern,
    and one for what is left of the key."""
    table = [(str(step.number), step.word, ".".join(step.took) or "-", step.fault) for step in found.steps]
    if found.rest:
        table.append(("", "-", ".".join(found.rest), "the pattern has ended"))
    return table


def _show(found: Explanation) -> None:
    console = Console(highlight=False, soft_wrap=True)
    verdict = found.summary if found.matches else f"no match: {found.summary}"
    if console.is_terminal:
        table = Table("", "pattern", "key", "", box=box.SIMPLE_HEAD, header_style="dim")
        for number, word, took, fault in rows(found):
            colour = "red" if fault else "green"
            table.add_row(Text(number, "dim"), Text(word, "bold"), Text(took, colour), Text(fault, "red"))
        console.print(table)
        console.print(Text(verdict, "bold green" if found.matches else "bold red"))
    else:
        table_rows = rows(found)
        widths = [max(map(len, column)) for column in zip(*table_rows, strict=True)]
        for row in table_rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(verdict)


def _without_exchange(text: str) -> str:
    if text.startswith("/"):
        alone = text.rpartition("/")[2]
        raise SettingsError(
            "Not a pattern or key", f"{text!r} is a destination; give what follows the exchange: {alone!r}."
        )
    return text
