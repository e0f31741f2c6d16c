"""What is sent and answered for the directory: the entries of its file (docs/directory.md), without their secrets."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from heliograph.directory.file import RetentionEntry
from heliograph.directory.quota import Quota

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]


#: What people read; a database takes no NUL.
Shown = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Made(Struct, frozen=True):
    """Who was made, and the first secret, which is shown this once only."""

    login: str
    secret: str


class SystemChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces; ``message_types`` are switched on, ``retention`` is by message type."""

    message_types: tuple[str, ...] = ()
    retention: dict[str, RetentionEntry] = {}


class SystemShape(SystemChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A system."""

    name: str


class Grant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The message types of one system that a partner may subscribe to."""

    system: str
    message_types: tuple[str, ...]


class PartnerChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a PUT replaces.  Accounts have a path of their own."""

    name: Shown
    email: Shown
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

    subscribe: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()


class ServiceShape(ServiceChange, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program of the operator's own."""

    name: str


class Named(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator."""

    name: str


class NewCredential(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``expires_ms``: since the epoch; null for never."""

    name: Shown
    expires_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class Rotation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``overlap_ms``: how long those of the same name stay valid."""

    name: Shown
    overlap_ms: Annotated[int, Meta(ge=0, le=31_536_000_000)] = 0


class MadeCredential(Struct, frozen=True):
    """A credential with its secret, which is shown this once only."""

    id: int
    login: str
    name: str
    expires_ms: int | None
    secret: str
