"""Taking a plain body in: whose it is, which key it implies, and every message type that it is told in.

Nothing is guessed: what the directory does not list is refused.  What was worked out for one directory is kept for
bodies with the same words in their keys, which come again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from heliograph.broker.broker import Broker
from heliograph.catalog.body_shape import INVALID_BODY, several, spoken
from heliograph.catalog.faults import FAULTS_MAX
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.resources import Projection, Resource
from heliograph.directory.directory import Directory
from heliograph.engine.interface import Confirm, Envelope, Publish
from heliograph.errors import AccessError, BodyError, ServerError
from heliograph.generational_cache import GenerationalCache
from heliograph.limits import Limits

_HEADERS: Mapping[str, str] = MappingProxyType({"content-type": "application/json"})
_MISSING = object()

#: Pointer and detail.
Faults = Iterator[tuple[str, str]]


class Letters:
    """One body, ready for each of its exchanges: ``parts``, each with what publishes it there."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[tuple[Publish, Envelope, bytes]]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def publish(self, confirm: Confirm) -> dict[str, int]:
        """Publish to all; the offset in each exchange.  ``confirm`` is called once for each, even where it fails."""
        offsets: dict[str, int] = {}
        for publish, envelope, body in self.parts:
            try:
                (offsets[envelope.exchange],) = publish([envelope], [body], confirm)
            except ServerError as error:
                confirm(error)
        return offsets


class _Intake(Struct, frozen=True, eq=False):
    """What one system posts of one resource, by one directory.

    ``shape``: what bodies are read as.  ``built_in``: exchange and projection of each message type of the catalogue
    that is switched on.  ``own``: exchange and message type of those of the operator's that it is told in as it came.
    """

    resource: Resource
    shape: MessageType
    built_in: list[tuple[str, Projection]]
    own: list[tuple[str, MessageType]]


class _Route(Struct, frozen=True, eq=False, gc=False):
    """What bodies with the same words in their keys have in common."""

    partner_id: int
    key: str
    parts: list[tuple[Publish, Envelope, Projection]]


class Ingest:
    """What front ends without routing keys publish with."""

    def __init__(self, broker: Broker, limits: Limits) -> None:
        self._broker = broker
        self._directory: Directory | None = None
        self._intakes: dict[tuple[str, str], _Intake] = {}  # by system and resource; bounded by the directory
        self._routes: GenerationalCache[tuple[_Intake, tuple[int | str, ...]], _Route] = GenerationalCache(
            limits.routes_max
        )
        self._envelopes: GenerationalCache[tuple[str, str], Envelope] = GenerationalCache(limits.routes_max)

    def read(self, system: str, resource: Resource, octets: bytes, dedup_id: str | None = None) -> Letters:
        """Check one body of ``resource`` that ``system`` has produced; nothing is published yet.

        ``dedup_id``: as the header ``x-dedup-id`` of a SEND.  BodyError with the pointer of each field at fault;
        AccessError where none of the resource's message types is switched on.
        """
        if self._broker.directory is not self._directory:
            self._forget()
        intake = self._intakes.get((system, resource.name)) or self._intake(system, resource)
        try:
            body = intake.shape.read(octets)
        except BodyError as error:
            raise several([*islice(self._all_faults(intake, octets, error), FAULTS_MAX)]) from None
        words = intake.shape.implied(body)
        route = self._routes.young.get((intake, words)) or self._route(intake, words, body)
        parts = [(publish, envelope, project(body, octets)) for publish, envelope, project in route.parts]
        if intake.own:
            parts += self._own_parts(intake, route, body, octets)
        if dedup_id is not None:
            headers = {"x-dedup-id": dedup_id, **_HEADERS}
            parts = [(publish, Envelope(e.exchange, e.key, headers), made) for publish, e, made in parts]
        return Letters(parts)

    def _forget(self) -> None:
        self._directory = self._broker.directory
        self._intakes.clear()
        self._routes.clear()

    def _intake(self, system: str, resource: Resource) -> _Intake:
        directory = self._broker.directory
        exchanges = [each for each in directory.exchanges.values() if each.system == system]
        intake = _Intake(
            resource,
            resource.shape.with_event_types(directory.event_types),
            [
                (each.name, resource.projections[each.message_type.name])
                for each in exchanges
                if each.message_type.name in resource.projections
            ],
            [(each.name, each.message_type) for each in exchanges if each.message_type.source == resource.name],
        )
        if not intake.built_in and not intake.own:
            raise AccessError(
                "Access refused",
                f"None of {', '.join(resource.projections)} is switched on for {system!r}, so its {resource.name} "
                "would be kept nowhere. Have the operator switch one on.",
            )
        self._intakes[system, resource.name] = intake
        return intake

    def _route(self, intake: _Intake, words: tuple[int | str, ...], body: Any) -> _Route:
        """The route of a body's words; kept, once nothing is wrong with them."""
        route = self._routes.get((intake, words))
        if route is None:
            said = intake.shape.words(body)
            if faults := [*self._faults(intake, said)]:
                raise several(faults)
            account = self._broker.directory.account(int(said["account"]))
            assert account is not None
            key = intake.shape.routing_key(body, account.partner_id)
            parts = [
                (self._broker.exchange(name), self._envelope(name, key), project) for name, project in intake.built_in
            ]
            route = _Route(account.partner_id, key, parts)
            self._routes.put((intake, words), route)
        return route

    def _own_parts(
        self, intake: _Intake, route: _Route, body: Any, octets: bytes
    ) -> list[tuple[Publish, Envelope, bytes]]:
        """Those of the operator's own message types; BodyError with the faults of all."""
        said = intake.shape.words(body)
        parts: list[tuple[Publish, Envelope, bytes]] = []
        faults: list[tuple[str, str]] = []
        for exchange, message_type in intake.own:
            try:
                key = self._own_key(message_type, route, said, octets)
            except BodyError as error:
                faults += [(pointer, f"{message_type.name}: {detail}") for pointer, detail in error.faults]
            else:
                parts.append((self._broker.exchange(exchange), self._envelope(exchange, key), octets))
        if faults:
            raise several(faults[:FAULTS_MAX])
        return parts

    def _own_key(self, message_type: MessageType, route: _Route, said: Mapping[str, int | str], octets: bytes) -> str:
        found = message_type.read(octets)
        words = message_type.words(found)
        for name in ("account", "camera"):
            if name in words and name in said and words[name] != said[name]:
                pointer = message_type.pointer(name)
                detail = f"{spoken(pointer)} is {words[name]}, but the {name} is {said[name]}."
                raise BodyError(INVALID_BODY, detail, pointer)
        return message_type.routing_key(found, route.partner_id)

    def _all_faults(self, intake: _Intake, octets: bytes, error: BodyError) -> Faults:
        """Those that a body has by its shape, and those of its words that could be read all the same."""
        yield from error.faults
        try:
            value = msgspec.json.decode(octets)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        wrong = {pointer for pointer, _ in error.faults}
        said = {}
        for name in intake.shape.places:
            pointer = intake.shape.pointer(name)
            found = _at(value, pointer)
            if pointer not in wrong and found is not _MISSING:
                said[name] = found
        yield from self._faults(intake, said)

    def _faults(self, intake: _Intake, said: Mapping[str, Any]) -> Faults:
        """What the directory does not list."""
        shape = intake.shape
        if "event_types" in said and said["event_types"] not in self._broker.directory.event_types:
            detail = self._broker.directory.event_types.unknown(said["event_types"])
            yield _fault(shape.pointer("event_types"), detail)
        if "account" not in said:
            return
        account = self._broker.directory.account(said["account"])
        if account is None:
            detail = f"no partner has an account {said['account']}. Have the operator add it."
            yield _fault(shape.pointer("account"), detail)
        elif "camera" in said and account.cameras is not None and said["camera"] not in account.cameras:
            detail = f"account {account.id} has no camera {said['camera']}. Have the operator list it."
            yield _fault(shape.pointer("camera"), detail)

    def _envelope(self, exchange: str, key: str) -> Envelope:
        envelope = self._envelopes.get((exchange, key))
        if envelope is None:
            envelope = Envelope(exchange, key, _HEADERS)
            self._envelopes.put((exchange, key), envelope)
        return envelope


def _fault(pointer: str, sentences: str) -> tuple[str, str]:
    return pointer, f"{spoken(pointer)}: {sentences}"


def _at(value: Any, pointer: str) -> Any:
    """What a built-in type's pointer leads to; its names have no '~'."""
    for name in pointer.split("/")[1:]:
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value
