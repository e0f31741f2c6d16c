"""The snapshot that the broker asks: which exchanges and accounts exist, and who may log in."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from heliograph.catalog.event_types import BUILT_IN_EVENT_TYPES, EventTypes
from heliograph.catalog.message_type import MessageType
from heliograph.directory.principal import Principal


class Exchange(Struct, frozen=True):
    """One message type of one system.  ``name`` is ``{system}_{message_type}`` (NAME-1).

    ``log_ms_max``, ``log_bytes_max``: its own retention, or None where that of ``Limits`` holds.
    """

    name: str
    system: str
    message_type: MessageType
    log_ms_max: int | None = None
    log_bytes_max: int | None = None


class Account(Struct, frozen=True):
    """An end customer.  ``cameras``: the ids of its cameras, or None for any."""

    id: int
    partner_id: int
    cameras: frozenset[int] | None = None


class Directory(Struct, frozen=True, eq=False):
    """Immutable; a change of the directory is a new one.  Made by ``build.build_directory``.

    ``exchanges``: by name; what is not in here does not exist (FEED-2).  ``principals``: by login,
    which is a partner's e-mail, a system's or a service's name.  ``accounts``: by id.  ``disabled``: logins of
    partners that exist and may not log in; their accounts stand in ``accounts`` all the same.  ``event_types``: the
    tree, with what the operator has added.
    """

    exchanges: Mapping[str, Exchange]
    principals: Mapping[str, Principal]
    accounts: Mapping[int, Account]
    disabled: frozenset[str] = frozenset()
    event_types: EventTypes = BUILT_IN_EVENT_TYPES

    def account(self, account_id: int) -> Account | None:
        """The account, or None where nobody has it."""
        return self.accounts.get(account_id)
