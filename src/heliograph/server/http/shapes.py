"""What is sent and answered for the directory: the entries of its file (docs/directory.md), without their secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from heliograph.directory.file import MessageTypeEntry, RetentionEntry
from heliograph.directory.quota import Amount, Quota

# What ``build`` takes, or less, said so that programs know it beforehand.  Python's '$' would let a line feed follow.
_END = r"$(?!\n)"
_GRAPHIC = r"[\w!-9;-~]+"  # letters and digits of all scripts, and what else ASCII has but ':'
_WORD = r"(\*|#|[\w!\"$-)+,0-~-]+)"

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
#: Of systems and message types, which make an exchange's.
Name = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,62}}{_END}")]
#: Of event types.
Word = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9_-]{{1,64}}{_END}")]
#: Of who logs in.
Login = Annotated[str, Meta(max_length=255, pattern=rf"^{_GRAPHIC}( {_GRAPHIC})*{_END}")]
EMail = Annotated[str, Meta(max_length=255, pattern=rf"^{_GRAPHIC}@{_GRAPHIC}{_END}")]
#: A destination with a pattern.
Right = Annotated[str, Meta(pattern=rf"^/exchange/[A-Za-z0-9_.-]{{1,127}}/{_WORD}(\.{_WORD})*{_END}")]
#: What people read; a database takes no NUL.
Shown = Annotated[
    str,
    Meta(max_length=255, pattern=rf"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*{_END}"),
]


class Made(Struct, frozen=True):
    """Who was made, and the first secret, which is shown this once only."""

    login: str
    secret: str


class Retention(RetentionEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long one exchange is kept, where not as the limits of the same names say."""

    log_ms_max: Amount | None = None
    log_bytes_max: Amount | None = None


class SystemChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces; ``message_types`` are switched on, ``retention`` is by message type."""

    message_types: tuple[Name, ...] = ()
    retention: Mapping[Name, Retention] = {}


class SystemShape(SystemChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A system."""

    name: Name


class Grant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The message types of one system that a partner may subscribe to."""

    system: Name
    message_types: tuple[Name, ...]


class PartnerChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces.  Accounts have a path of their own."""

    name: Shown
    email: EMail
    disabled: bool = False
    quota: Quota = field(default_factory=Quota)
    grants: tuple[Grant, ...] = ()


class PartnerShape(PartnerChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A partner; ``id`` is the first word of its keys."""

    id: Id


class AccountChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces.  ``cameras``: null means any, empty means none."""

    cameras: tuple[Id, ...] | None = None


class AccountShape(AccountChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account of a partner."""

    id: Id


class ServiceChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces: destinations with patterns."""

    subscribe: tuple[Right, ...] = ()
    publish: tuple[Right, ...] = ()


class ServiceShape(ServiceChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program of the operator's own."""

    name: Login


class EventTypeChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces.  ``supertype``: null for a root."""

    supertype: Word | None = None


class EventTypeShape(EventTypeChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event type of the operator's own."""

    name: Word


class MessageTypeChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces; see ``MessageTypeEntry``."""

    key: str
    body: str | dict[str, Any]
    places: dict[str, str] = {}
    actions: tuple[str, ...] = ()
    source: Literal["events", "faces", "users"] | None = field(name="from", default=None)

    def entry(self, name: str) -> MessageTypeEntry:
        """The whole of it."""
        return MessageTypeEntry(
            name=name, key=self.key, body=self.body, places=self.places, actions=self.actions, source=self.source
        )


class MessageTypeShape(MessageTypeChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message type of the operator's own."""

    name: Name


class Named(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator."""

    name: Login


class NewCredential(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``expires_ms``: since the epoch; null for never."""

    name: Shown
    expires_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class Rotation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``overlap_ms``: how long those of the same name stay valid; ``expires_ms``: of the new one, null for never."""

    name: Shown
    expires_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    overlap_ms: Annotated[int, Meta(ge=0, le=31_536_000_000)] = 0


class MadeCredential(Struct, frozen=True):
    """A credential with its secret, which is shown this once only."""

    id: int
    login: str
    name: str
    expires_ms: int | None
    secret: str
