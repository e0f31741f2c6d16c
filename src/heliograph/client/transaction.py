"""Sending and acknowledging all together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from heliograph.client.errors import ConnectionFailed, ServerRefused

if TYPE_CHECKING:
    from heliograph.client.client import Client


class Transaction:
    """``async with client.transaction() as transaction``: committed at its end, aborted by an exception."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client

    async def __aenter__(self) -> Transaction:
        await self._client.write(self._client.session.begin(self.name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session = self._client.session
        if kind is None:
            await self._client.confirmed(lambda receipt: session.commit(self.name, receipt), "COMMIT")
        elif not issubclass(kind, ServerRefused | ConnectionFailed):
            await self._client.write(session.abort(self.name))

    async def send(self, destination: str, body: bytes | str, headers: Mapping[str, str] | None = None) -> None:
        """``Client.send`` when the transaction is committed."""
        octets = body.encode() if isinstance(body, str) else body
        await self._client.write(self._client.session.send(destination, octets, headers, transaction=self.name))
