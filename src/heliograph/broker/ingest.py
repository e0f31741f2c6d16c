"""Taking a plain body in: whose it is, which key it implies, and every message type that it is told in.

Nothing is guessed: what the directory does not list is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from heliograph.broker.broker import Broker
from heliograph.catalog.bodies import Body
from heliograph.catalog.body_shape import INVALID_BODY, spoken
from heliograph.catalog.resources import Projection, Resource
from heliograph.directory.directory import Account
from heliograph.engine.interface import Confirm, Envelope, Publish
from heliograph.errors import AccessError, BodyError, ServerError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits

_HEADERS: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})


class Letters:
    """One body, ready for each of its exchanges."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[tuple[Publish, Envelope, bytes]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def publish(self, confirm: Confirm) -> dict[str, int]:
        """Publish to all; the offset in each exchange.  ``confirm`` is called once for each, even where it fails."""
        offsets: dict[str, int] = {}
        for publish, envelope, body in self._parts:
            try:
                offsets[envelope.exchange] = publish(envelope, body, confirm)
            except ServerError as error:
                confirm(error)
        return offsets


class Ingest:
    """What front ends without routing keys publish with."""

    def __init__(self, broker: Broker, limits: Limits) -> None:
        self._broker = broker
        self._envelopes: GenerationalCache[tuple[str, str], Envelope] = GenerationalCache(limits.routes_max)

    def read(self, system: str, resource: Resource, octets: bytes, dedup_id: str | None = None) -> Letters:
        """Check one body of ``resource`` that ``system`` has produced; nothing is published yet.

        ``dedup_id``: as the header ``x-dedup-id`` of a SEND.  BodyError with the pointer of the field at fault;
        AccessError where none of the resource's message types is switched on.
        """
        names = self._switched_on(system, resource)
        body = resource.shape.read(octets)
        assert body is not None
        account = self._account(resource, body)
        key = resource.shape.routing_key(body, account.partner_id)
        return Letters(
            [
                (self._broker.exchange(exchange), self._envelope(exchange, key, dedup_id), project(body, octets))
                for exchange, project in names
            ]
        )

    def _switched_on(self, system: str, resource: Resource) -> list[tuple[str, Projection]]:
        """Exchange and projection of each message type of ``resource`` that is switched on for ``system``."""
        exchanges = self._broker.directory.exchanges
        found = [
            (name, project)
            for message_type, project in resource.projections.items()
            if (name := f"{system}_{message_type}") in exchanges and exchanges[name].system == system
        ]
        if not found:
            raise AccessError(
                "Access refused",
                f"None of {', '.join(resource.projections)} is switched on for {system!r}, so its {resource.name} "
                "would be kept nowhere. Have the operator switch one on.",
            )
        return found

    def _account(self, resource: Resource, body: Body) -> Account:
        """The account in the directory, once the camera is known to be one of its own."""
        account_id, camera_id = resource.account_id(body), resource.camera_id(body)
        account = self._broker.directory.account(account_id)
        if account is None:
            raise _fault(resource.account.pointer, f"no partner has an account {account_id}. Have the operator add it.")
        if camera_id is not None and account.cameras is not None and camera_id not in account.cameras:
            assert resource.camera is not None
            raise _fault(
                resource.camera.pointer, f"account {account_id} has no camera {camera_id}. Have the operator list it."
            )
        return account

    def _envelope(self, exchange: str, key: str, dedup_id: str | None) -> Envelope:
        if dedup_id is not None:
            return Envelope(exchange, key, {"x-dedup-id": dedup_id, **_HEADERS})
        envelope = self._envelopes.get((exchange, key))
        if envelope is None:
            envelope = Envelope(exchange, key, _HEADERS)
            self._envelopes.put((exchange, key), envelope)
        return envelope


def _fault(pointer: str, sentences: str) -> BodyError:
    return BodyError(INVALID_BODY, f"{spoken(pointer)}: {sentences}", pointer)
