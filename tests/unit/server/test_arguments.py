"""What only a durable log can give is refused by name, never left out in silence."""

from __future__ import annotations

import pytest

from heliograph.errors import UnsupportedError
from heliograph.server.arguments import refuse_unsupported


@pytest.mark.parametrize(
    "headers",
    [
        {"durable": "true"},
        {"x-stream-offset": "first"},
        {"x-queue-name": "mine"},
        {"x-message-ttl": "1000"},
        {"x-expires": "1000"},
        {"x-max-length": "10"},
        {"x-dead-letter-exchange": "dead"},
        {"durable": "true", "x-queue-name": "mine", "auto-delete": "false"},
    ],
)
def test_what_is_asked_for_and_not_given_is_named(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError) as refused:
        refuse_unsupported(headers)
    assert refused.value.message == "Not supported"
    for name in headers.keys() - {"auto-delete"}:
        assert name in refused.value.detail


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"durable": "false"},
        {"auto-delete": "true"},
        {"exclusive": "true"},
        {"id": "0", "destination": "/x", "foo": "x"},
    ],
)
def test_what_changes_nothing_is_let_pass(headers: dict[str, str]) -> None:
    refuse_unsupported(headers)
