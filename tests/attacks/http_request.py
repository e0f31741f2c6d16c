"""One request to the HTTP API, from an address of one's choice."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from typing import NamedTuple

from tests.attacks.attacker import ANSWER_S


class Answer(NamedTuple):
    """``headers``: by lower-case name."""

    status: int
    headers: dict[str, str]
    body: str
    seconds: float


def ask(
    address: tuple[str, int] | None,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    source: str = "",
) -> Answer:
    """The answer to one request on a connection of its own."""
    assert address, "this server has no HTTP API"
    began = time.monotonic()
    connection = http.client.HTTPConnection(*address, timeout=ANSWER_S, source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, found, text, time.monotonic() - began)
    finally:
        connection.close()
