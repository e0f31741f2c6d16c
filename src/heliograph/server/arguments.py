"""The SUBSCRIBE headers that ask for more than a live feed."""

from __future__ import annotations

from collections.abc import Mapping

from heliograph.errors import UnsupportedError

#: What only a durable log can give; asked for and not given must be an ERROR, never silence.
_NEEDS_THE_LOG = (
    "x-queue-name", "x-stream-offset", "x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes",
    "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter",
)  # fmt: skip


def refuse_unsupported(headers: Mapping[str, str]) -> None:
    """UnsupportedError where a header asks for what this engine has not."""
    asked = [name for name in _NEEDS_THE_LOG if name in headers]
    if headers.get("durable", "false") == "true":
        asked.insert(0, "durable:true")
    if asked:
        raise UnsupportedError(
            "Not supported",
            f"{', '.join(asked)}: this server keeps events in memory only, so a subscription ends with its "
            "connection and begins with the next event. Leave the header out.",
        )
