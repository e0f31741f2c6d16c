"""From the file to the snapshot: every entry checked against every other.

Messages name what is wrong by its place in the file; they never quote a password.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from types import MappingProxyType
from typing import NoReturn

from heliograph.catalog.message_type import MessageType
from heliograph.catalog.message_types import BUILT_IN_MESSAGE_TYPES, free_message_type
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
from heliograph.directory.principal import Partner, Principal, Right, Service, System
from heliograph.directory.secret import Secret
from heliograph.errors import DestinationError, LimitError
from heliograph.limits import Limits
from heliograph.topic.destination import parse_destination
from heliograph.topic.words import parse_pattern

#: Ids travel as int64 (BODY-1).
ID_MAX = 2**63 - 1

#: A system's name, '_' and a message type's make an exchange's, for which a destination has 127 octets.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def build_directory(file: DirectoryFile, limits: Limits | None = None, source: object = "directory file") -> Directory:
    """The directory that ``file`` describes.  ``source`` names the file in errors.

    SettingsError for the first fault found: its place, what is wrong and how to mend it.
    """
    return _Builder(limits or Limits(), source).build(file)


class _Builder:
    """Collects entry by entry, in the order in which they refer to each other."""

    def __init__(self, limits: Limits, source: object) -> None:
        self._limits = limits
        self._source = source
        self._places: dict[tuple[str, Hashable], str] = {}  # what must be unique, and where it stands first
        self._message_types: dict[str, MessageType] = dict(BUILT_IN_MESSAGE_TYPES)
        self._exchanges: dict[str, Exchange] = {}
        self._switched_on: dict[str, dict[str, str]] = {}  # system → message type → exchange
        self._principals: dict[str, Principal] = {}
        self._accounts: dict[int, Account] = {}
        self._disabled: set[str] = set()

    def build(self, file: DirectoryFile) -> Directory:
        for number, message_type in enumerate(file.message_types):
            self._add_message_type(f"message_types[{number}]", message_type)
        for number, system in enumerate(file.systems):
            self._add_system(f"systems[{number}]", system)
        for number, partner in enumerate(file.partners):
            self._add_partner(f"partners[{number}]", partner)
        for number, service in enumerate(file.services):
            self._add_service(f"services[{number}]", service)
        for number, operator in enumerate(file.operators or ()):
            self._check_operator(f"operators[{number}]", operator)
        return Directory(
            exchanges=MappingProxyType(self._exchanges),
            principals=MappingProxyType(self._principals),
            accounts=MappingProxyType(self._accounts),
            disabled=frozenset(self._disabled),
        )

    # --- entries

    def _add_message_type(self, place: str, entry: MessageTypeEntry) -> None:
        self._check_name(f"{place}.name", entry.name)
        if entry.name in BUILT_IN_MESSAGE_TYPES:
            self._conflict(f"{place}.name", f"{entry.name!r} is built in. Give your own message type another name.")
        self._check_unique(f"{place}.name", "message type", entry.name)
        self._message_types[entry.name] = free_message_type(entry.name)

    def _add_system(self, place: str, entry: SystemEntry) -> None:
        self._check_name(f"{place}.name", entry.name)
        self._check_unique(f"{place}.name", "login", entry.name)
        self._check_secret(f"{place}.secret", entry.secret)
        switched_on = self._switched_on[entry.name] = {}
        for number, type_name in enumerate(entry.message_types):
            retention = entry.retention.get(type_name, RetentionEntry())
            switched_on[type_name] = self._add_exchange(
                f"{place}.message_types[{number}]", entry.name, type_name, retention
            )
        for type_name, retention in entry.retention.items():
            self._check_retention(f"{place}.retention.{type_name}", type_name, retention, switched_on)
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
        self._check_id(f"{place}.id", "partner id", entry.id)
        if not entry.name.strip():
            self._refuse(f"{place}.name", "it is empty. Give the partner a name for people to read.")
        if "\0" in entry.name:
            self._refuse(f"{place}.name", "it has a NUL, which no database takes. Take it out.")
        self._check_login(f"{place}.email", entry.email)
        if "@" not in entry.email:
            self._refuse(f"{place}.email", f"{entry.email!r} is no e-mail address: it has no '@'.")
        self._check_secret(f"{place}.password", entry.password)
        exchanges: set[str] = set()
        for number, grant in enumerate(entry.grants):
            exchanges.update(self._granted(f"{place}.grants[{number}]", grant))
        for number, account in enumerate(entry.accounts):
            self._add_account(f"{place}.accounts[{number}]", entry.id, account)
        if entry.disabled:  # its accounts stay: what is published for them is kept
            self._disabled.add(entry.email)
            return
        self._principals[entry.email] = Partner(
            id=entry.id, name=entry.name, login=entry.email, exchanges=frozenset(exchanges), quota=entry.quota
        )

    def _granted(self, place: str, grant: GrantEntry) -> Iterable[str]:
        switched_on = self._switched_on.get(grant.system)
        if switched_on is None:
            self._conflict(
                f"{place}.system",
                f"no system is called {grant.system!r}.{did_you_mean(grant.system, self._switched_on)}",
            )
        for number, type_name in enumerate(grant.message_types):
            type_place = f"{place}.message_types[{number}]"
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
            yield switched_on[type_name]

    def _add_account(self, place: str, partner_id: int, entry: AccountEntry) -> None:
        self._check_id(f"{place}.id", "account id", entry.id)
        for number, camera_id in enumerate(entry.cameras or ()):
            self._check_id_range(f"{place}.cameras[{number}]", camera_id)
        cameras = None if entry.cameras is None else frozenset(entry.cameras)
        self._accounts[entry.id] = Account(id=entry.id, partner_id=partner_id, cameras=cameras)

    def _add_service(self, place: str, entry: ServiceEntry) -> None:
        self._check_login(f"{place}.name", entry.name)
        self._check_secret(f"{place}.secret", entry.secret)
        self._principals[entry.name] = Service(
            name=entry.name,
            subscribe=self._rights(f"{place}.subscribe", entry.subscribe),
            publish=self._rights(f"{place}.publish", entry.publish),
        )

    def _check_operator(self, place: str, entry: OperatorEntry) -> None:
        self._check_login(f"{place}.name", entry.name)
        self._check_secret(f"{place}.token", entry.token)
        octets_min = self._limits.token_bytes_min
        if entry.token is not None and len(entry.token.reveal().encode()) < octets_min:
            self._refuse(
                f"{place}.token",
                f"it is shorter than {octets_min} octets (token_bytes_min). Make one with: openssl rand -hex 32",
            )

    def _rights(self, place: str, destinations: Iterable[str]) -> tuple[Right, ...]:
        return tuple(self._right(f"{place}[{number}]", text) for number, text in enumerate(destinations))

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

    def _check_secret(self, place: str, secret: Secret | None) -> None:
        if secret is None:
            return
        text = secret.reveal()
        if not text:
            self._refuse(place, "it is empty. Choose one; a long random one is best.")
        if any(char < " " or char == "\x7f" for char in text):
            self._refuse(place, "it has a control character, which neither HTTP Basic nor a CONNECT frame can carry.")
        self._check_length(place, text)

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

    def _refuse(self, place: str, sentences: str) -> NoReturn:
        raise directory_fault(self._source, place, sentences)

    def _conflict(self, place: str, sentences: str) -> NoReturn:
        """It would fit another directory."""
        raise DirectoryFault(self._source, place, sentences, conflict=True)


_WHY_UNIQUE = {
    "message type": "Give this one another name.",
    "login": "E-mails and the names of systems, services and operators share one space, since all log in the same way.",
    "exchange": "An exchange is {system}_{message type}; rename a system, or switch the type on once.",
    "partner id": "It is the first word of the partner's keys, so it must differ.",
    "account id": "An account belongs to one partner, and is listed once.",
}
