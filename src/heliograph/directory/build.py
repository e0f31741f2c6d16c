"""From the file to the snapshot: every entry checked against every other.

Messages name what is wrong by its place in the file; they never quote a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import NoReturn, TypeVar

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES
from heliograph.catalog.faults import FAULTS_MAX
from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES, message_types
from heliograph.directory.directory import Account, Directory, Exchange
from heliograph.directory.fault import DirectoryFault, did_you_mean, directory_fault
from heliograph.directory.file import (
    AccountEntry,
    DirectoryFile,
    GrantEntry,
    MessageTypeEntry,
    OperatorEntry,
    PartnerEntry,
    RetentionEntry,
    ServiceEntry,
    SystemEntry,
)
from heliograph.directory.own_types import extended_event_types, own_message_type
from heliograph.directory.principal import Partner, Principal, Right, Service, System
from heliograph.directory.secret import Secret, secret_fault
from heliograph.errors import DestinationError, LimitError
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_pattern

T = TypeVar("T")

#: Ids travel as int64 (BODY-1).
ID_MAX = 2**63 - 1

#: A system's name, '_' and a message type's make an exchange's, for which a destination has 127 octets.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def build_directory(file: DirectoryFile, limits: Limits | None = None, source: object = "directory file") -> Directory:
    """The directory that ``file`` describes.  ``source`` names the file in errors.

    DirectoryFault for the first fault: its place, what is wrong and how to mend it; the others are its ``further``.
    """
    return _Builder(limits or Limits(), source).build(file)


class _Enough(Exception):
    """There are as many faults as are told."""


class _Builder:
    """Collects entry by entry, in the order in which they refer to each other."""

    def __init__(self, limits: Limits, source: object) -> None:
        self._limits = limits
        self._source = source
        self._faults: list[DirectoryFault] = []
        self._places: dict[tuple[str, Hashable], str] = {}  # what must be unique, and where it stands first
        self._event_types = BUILT_IN_EVENT_TYPES
        self._message_types: dict[str, MessageType] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._switched_on: dict[str, dict[str, str]] = {}  # system → message type → exchange
        self._principals: dict[str, Principal] = {}
        self._accounts: dict[int, Account] = {}
        self._disabled: set[str] = set()

    def build(self, file: DirectoryFile) -> Directory:
        with suppress(_Enough):
            self._add_all(file)
        if self._faults:
            first, *further = self._faults
            first.further = tuple(further)
            raise first
        return Directory(
            exchanges=MappingProxyType(self._exchanges),
            principals=MappingProxyType(self._principals),
            accounts=MappingProxyType(self._accounts),
            disabled=frozenset(self._disabled),
            event_types=self._event_types,
        )

    def _add_all(self, file: DirectoryFile) -> None:
        with self._going_on():
            self._event_types = extended_event_types(file.event_types, self._limits, self._refuse, self._conflict)
        self._message_types.update(message_types(self._event_types))
        self._each("message_types", file.message_types, self._add_message_type)
        self._each("systems", file.systems, self._add_system)
        self._each("partners", file.partners, self._add_partner)
        self._each("services", file.services, self._add_service)
        self._each("operators", file.operators or (), self._check_operator)

    # --- faults

    def _each(self, place: str, items: Iterable[T], check: Callable[[str, T], object]) -> None:
        """Go on after those that do not fit."""
        for number, item in enumerate(items):
            try:
                check(f"{place}[{number}]", item)
            except DirectoryFault as fault:
                self._keep(fault)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """For one field: those behind it are looked at all the same."""
        try:
            yield
        except DirectoryFault as fault:
            self._keep(fault)

    def _note(self, place: str, sentences: str) -> None:
        self._keep(directory_fault(self._source, place, sentences))

    def _keep(self, fault: DirectoryFault) -> None:
        self._faults.append(fault)
        if len(self._faults) == FAULTS_MAX:
            raise _Enough

    def _refuse(self, place: str, sentences: str) -> NoReturn:
        raise directory_fault(self._source, place, sentences)

    def _conflict(self, place: str, sentences: str) -> NoReturn:
        """It would fit another directory."""
        raise DirectoryFault(self._source, place, sentences, conflict=True)

    # --- entries

    def _add_message_type(self, place: str, entry: MessageTypeEntry) -> None:
        self._check_name(f"{place}.name", entry.name)
        if entry.name in BUILT_IN_MESSAGE_TYPES:
            self._conflict(f"{place}.name", f"{entry.name!r} is built in. Give your own message type another name.")
        self._check_unique(f"{place}.name", "message type", entry.name)
        self._message_types[entry.name] = own_message_type(
            place, entry, self._event_types, self._limits, self._refuse, self._note
        )

    def _add_system(self, place: str, entry: SystemEntry) -> None:
        with self._going_on():
            self._check_name(f"{place}.name", entry.name)
            self._check_unique(f"{place}.name", "login", entry.name)
        with self._going_on():
            self._check_secret(f"{place}.secret", entry.secret)
        switched_on = self._switched_on[entry.name] = {}

        def switch_on(type_place: str, type_name: str) -> None:
            retention = entry.retention.get(type_name, RetentionEntry())
            switched_on[type_name] = self._add_exchange(type_place, entry.name, type_name, retention)

        self._each(f"{place}.message_types", entry.message_types, switch_on)
        for type_name, retention in entry.retention.items():
            with self._going_on():
                self._check_retention(f"{place}.retention.{type_name}", type_name, retention, entry.message_types)
        self._principals[entry.name] = System(name=entry.name, exchanges=frozenset(switched_on.values()))

    def _add_exchange(self, place: str, system: str, type_name: str, retention: RetentionEntry) -> str:
        message_type = self._message_type(place, type_name)
        name = f"{system}_{type_name}"
        self._check_unique(place, "exchange", name)
        self._exchanges[name] = Exchange(
            name=name,
            system=system,
            message_type=message_type,
            log_ms_max=retention.log_ms_max,
            log_bytes_max=retention.log_bytes_max,
        )
        return name

    def _check_retention(
        self, place: str, type_name: str, retention: RetentionEntry, switched_on: Iterable[str]
    ) -> None:
        if type_name not in switched_on:
            self._conflict(place, f"{type_name!r} is not switched on for this system. Add it to message_types.")
        for name in ("log_ms_max", "log_bytes_max"):
            value = getattr(retention, name)
            if value is not None and not 0 < value <= ID_MAX:
                self._refuse(f"{place}.{name}", f"{value} keeps nothing. Give 1 or more, or leave it out.")

    def _add_partner(self, place: str, entry: PartnerEntry) -> None:
        with self._going_on():
            self._check_id(f"{place}.id", "partner id", entry.id)
        with self._going_on():
            if not entry.name.strip():
                self._refuse(f"{place}.name", "it is empty. Give the partner a name for people to read.")
            if "\0" in entry.name:
                self._refuse(f"{place}.name", "it has a NUL, which no database takes. Take it out.")
        with self._going_on():
            self._check_login(f"{place}.email", entry.email)
            if "@" not in entry.email:
                self._refuse(f"{place}.email", f"{entry.email!r} is no e-mail address: it has no '@'.")
        with self._going_on():
            self._check_secret(f"{place}.password", entry.password)
        exchanges: set[str] = set()
        self._each(f"{place}.grants", entry.grants, lambda at, grant: self._add_grant(at, grant, exchanges))
        self._each(f"{place}.accounts", entry.accounts, lambda at, account: self._add_account(at, account, entry.id))
        if entry.disabled:  # its accounts stay: what is published for them is kept
            self._disabled.add(entry.email)
            return
        self._principals[entry.email] = Partner(
            id=entry.id, name=entry.name, login=entry.email, exchanges=frozenset(exchanges), quota=entry.quota
        )

    def _add_grant(self, place: str, grant: GrantEntry, exchanges: set[str]) -> None:
        switched_on = self._switched_on.get(grant.system)
        if switched_on is None:
            self._conflict(
                f"{place}.system",
                f"no system is called {grant.system!r}.{did_you_mean(grant.system, self._switched_on)}",
            )

        def add(type_place: str, type_name: str) -> None:
            if not self._message_type(type_place, type_name).has_partner:
                self._conflict(
                    type_place,
                    f"{type_name!r} has no partner word in its key, so a partner would see everyone's. "
                    "Grant it to nobody; a service may subscribe to it.",
                )
            if type_name not in switched_on:
                self._conflict(
                    type_place,
                    f"{type_name!r} is not switched on for system {grant.system!r}. "
                    "Add it to that system's message_types, or take it out of the grant.",
                )
            exchanges.add(switched_on[type_name])

        self._each(f"{place}.message_types", grant.message_types, add)

    def _add_account(self, place: str, entry: AccountEntry, partner_id: int) -> None:
        with self._going_on():
            self._check_id(f"{place}.id", "account id", entry.id)
        self._each(f"{place}.cameras", entry.cameras or (), self._check_id_range)
        cameras = None if entry.cameras is None else frozenset(entry.cameras)
        self._accounts[entry.id] = Account(id=entry.id, partner_id=partner_id, cameras=cameras)

    def _add_service(self, place: str, entry: ServiceEntry) -> None:
        with self._going_on():
            self._check_login(f"{place}.name", entry.name)
        with self._going_on():
            self._check_secret(f"{place}.secret", entry.secret)
        subscribe: list[Right] = []
        publish: list[Right] = []
        self._each(f"{place}.subscribe", entry.subscribe, lambda at, text: subscribe.append(self._right(at, text)))
        self._each(f"{place}.publish", entry.publish, lambda at, text: publish.append(self._right(at, text)))
        self._principals[entry.name] = Service(name=entry.name, subscribe=tuple(subscribe), publish=tuple(publish))

    def _check_operator(self, place: str, entry: OperatorEntry) -> None:
        with self._going_on():
            self._check_login(f"{place}.name", entry.name)
        self._check_secret(f"{place}.token", entry.token, "operator")

    def _right(self, place: str, text: str) -> Right:
        try:
            destination = parse_destination(text)
            words = parse_pattern(destination.key, self._limits)
        except (DestinationError, LimitError) as error:
            self._refuse(place, error.detail)
        exchange = destination.exchange
        if exchange not in self._exchanges:
            self._conflict(
                place,
                f"no exchange is called {exchange!r}, since no system of that name has that message type switched on."
                f"{did_you_mean(exchange, self._exchanges)}",
            )
        return Right(exchange=exchange, words=words)

    # --- values

    def _message_type(self, place: str, name: str) -> MessageType:
        message_type = self._message_types.get(name)
        if message_type is None:
            self._conflict(place, f"no message type is called {name!r}.{did_you_mean(name, self._message_types)}")
        return message_type

    def _check_name(self, place: str, name: str) -> None:
        """A name that becomes part of an exchange's."""
        if not _NAME.fullmatch(name):
            self._refuse(
                place,
                f"{name!r} cannot stand in a destination. Use 1 to 63 of A to Z, a to z, 0 to 9, '_', '-' and '.', "
                "a letter or digit first.",
            )

    def _check_login(self, place: str, login: str) -> None:
        if not login.strip():
            self._refuse(place, "it is empty, and nobody can log in with an empty name.")
        if ":" in login or not login.isprintable():
            self._refuse(place, f"{login!r} has a ':' or a control character; HTTP Basic (RFC 7617) cannot carry that.")
        self._check_length(place, login)
        self._check_unique(place, "login", login)

    def _check_secret(self, place: str, secret: Secret | None, kind: str = "") -> None:
        if secret is not None and (fault := secret_fault(secret, kind, self._limits)):
            self._refuse(place, fault)

    def _check_length(self, place: str, text: str) -> None:
        octets_max = self._limits.credential_bytes_max
        if len(text.encode()) > octets_max:
            self._refuse(place, f"it is longer than {octets_max} octets (credential_bytes_max). Choose a shorter one.")

    def _check_id(self, place: str, kind: str, number: int) -> None:
        self._check_id_range(place, number)
        self._check_unique(place, kind, number)

    def _check_id_range(self, place: str, number: int) -> None:
        if not 0 < number <= ID_MAX:
            self._refuse(place, f"{number} is no id. Ids are integers from 1 to {ID_MAX}.")

    def _check_unique(self, place: str, kind: str, value: Hashable) -> None:
        """``kind``: what the value is; logins of partners, systems and services are one kind."""
        first = self._places.setdefault((kind, value), place)
        if first != place:
            self._conflict(place, f"the {kind} {value!r} is taken by {first}. {_WHY_UNIQUE[kind]}")


_WHY_UNIQUE = {
    "message type": "Give this one another name.",
    "login": "E-mails and the names of systems, services and operators share one space, since all log in the same way.",
    "exchange": "An exchange is {system}_{message type}; rename a system, or switch the type on once.",
    "partner id": "It is the first word of the partner's keys, so it must differ.",
    "account id": "An account belongs to one partner, and is listed once.",
}
