"""The destination of SEND, SUBSCRIBE and MESSAGE: ``/exchange/{exchange}/{key}`` (NAME-1).

There is one spelling for each place: nothing is percent-decoded, no slash is merged, letters count as they
stand.  So what was authorised is what is used, whatever alias a client tries.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from heliograph.errors import DestinationError
from heliograph.topic.words import quote

_PREFIX = "/exchange/"
_EXCHANGE = re.compile(r"[A-Za-z0-9_.-]{1,127}")
_EXAMPLE = (
    "A destination is /exchange/{system}_{message type}/{routing key or pattern}, "
    "for example /exchange/acme_event_full_v24/7.12345.32.create.objectDetected.#"
)


class Destination(NamedTuple):
    """A destination taken apart.  ``key`` is not looked into here: it is a routing key or a pattern."""

    exchange: str
    key: str


def parse_destination(text: str) -> Destination:
    """Take a ``destination`` header apart; ``DestinationError`` says what is wrong with it.

    The exchange has 1 to 127 letters, digits, ``_``, ``-`` or ``.``; the key at least one octet and no slash.
    """
    if not text.startswith(_PREFIX):
        raise _invalid(text, "It does not begin with /exchange/.")
    exchange, slash, key = text[len(_PREFIX) :].partition("/")
    if not _EXCHANGE.fullmatch(exchange):
        raise _invalid(text, "The exchange name must have 1 to 127 letters, digits, '_', '-' or '.'.")
    if not slash or not key:
        raise _invalid(text, "The routing key or pattern after the exchange is missing.")
    if "/" in key:
        raise _invalid(text, "There is a '/' in the routing key; words are joined by '.'.")
    return Destination(exchange, key)


def _invalid(text: str, fault: str) -> DestinationError:
    return DestinationError("Unknown destination", f"{quote(text)} is not a valid destination. {fault} {_EXAMPLE}")
