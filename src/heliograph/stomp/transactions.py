"""The open transactions of one session: actions kept until COMMIT, within limits."""

from __future__ import annotations

from heliograph.errors import LimitError, ProtocolError
from heliograph.limits import Limits
from heliograph.stomp.events import Ack, Nack, Send

Action = Send | Ack | Nack


class Transactions:
    """BEGIN, COMMIT and ABORT by name.  What is still open when the session ends is forgotten."""

    __slots__ = ("_bytes", "_limits", "_open")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, list[Action]] = {}
        self._bytes = 0  # of all actions held, headers included

    def begin(self, name: str) -> None:
        """Open ``name``."""
        if name in self._open:
            raise ProtocolError("Bad transaction", f"Transaction {name[:64]!r} is open already; COMMIT or ABORT it.")
        if len(self._open) >= self._limits.transactions_max:
            raise LimitError(
                "Too many transactions",
                f"A connection has at most {self._limits.transactions_max} open transactions (transactions_max).",
            )
        self._open[name] = []

    def add(self, name: str, action: Action) -> None:
        """Keep ``action`` until ``name`` is committed."""
        actions = self._named(name)
        if len(actions) >= self._limits.transaction_actions_max:
            raise LimitError(
                "Transaction too long",
                f"A transaction has at most {self._limits.transaction_actions_max} actions (transaction_actions_max).",
            )
        self._bytes += _size(action)
        if self._bytes > self._limits.transaction_bytes_max:
            raise LimitError(
                "Transaction too large",
                f"The open transactions of a connection hold at most {self._limits.transaction_bytes_max} octets, "
                "headers included (transaction_bytes_max).",
            )
        actions.append(action)

    def take(self, name: str) -> list[Action]:
        """The actions of ``name``, which is closed by this (COMMIT does them, ABORT drops them)."""
        actions = self._named(name)
        del self._open[name]
        self._bytes -= sum(map(_size, actions))
        return actions

    def _named(self, name: str) -> list[Action]:
        try:
            return self._open[name]
        except KeyError:
            raise ProtocolError("Bad transaction", f"There is no transaction {name[:64]!r}; BEGIN it first.") from None


def _size(action: Action) -> int:
    """What is counted for it; headers by characters, which is octets in practice."""
    if not isinstance(action, Send):
        return len(action.ack_id)
    headers = action.head.headers
    return len(action.body) + len(action.head.destination) + sum(map(len, headers)) + sum(map(len, headers.values()))
