"""What is stored of a durable subscription: everything that a restart must know, small, written whole."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from heliograph.engine.interface import Binding, DeadLetter, Durable


class DurableState(Struct, array_like=True):
    """``position``: from here on nothing was delivered.  ``pending``: offset and number of deliveries of what was
    delivered before and not settled.  ``used_ms``: when a consumer was last here, milliseconds since 1970.
    ``uncertain_before``: see ``DurableSubscription``; it outlives the orderly restarts after a crash."""

    durable: Durable
    binding: Binding
    used_ms: int
    position: int
    pending: list[tuple[int, int]]
    dead: list[DeadLetter]
    uncertain_before: int = 0

    def encode(self) -> bytes:
        """For the journal."""
        return _encode(self)


_encode = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(DurableState).decode


def journal_key(durable: Durable) -> str:
    """The key of a durable subscription in the journal: by owner and name."""
    return f"durable\n{durable.principal}\n{durable.name}"
