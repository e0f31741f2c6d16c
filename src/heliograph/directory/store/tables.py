"""What is stored.  Times are milliseconds since the epoch; names, ids and rights are checked by ``build`` before.

A principal is a system, partner, service or operator; they share one space of logins.  Whatever belongs to one goes
with it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from heliograph.directory.quota import Quota

#: Constraints have names of their own, so that a later migration can name them on either database.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _owner(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


#: One row, counted up by every transaction that changes the directory.  Its lock is that of all writers.
revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

#: kind: system, partner, service or operator.  login: a partner's e-mail, the name of the others.
principals = Table(
    "principals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("login", Text, nullable=False),
    UniqueConstraint("login"),
    sqlite_autoincrement=True,
)

#: What only a partner has.  id: the first word of its keys.  Below ``disabled``: its quota, each null for none.
partners = Table(
    "partners",
    metadata,
    Column("principal", Integer, _owner("principals.id"), primary_key=True),
    Column("id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    *(Column(name, BigInteger) for name in Quota.__struct_fields__),
    UniqueConstraint("id"),
)

#: The operator's own event types; the built-in ones are in the catalogue.  supertype: of either, or null for a root.
event_types = Table(
    "event_types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("supertype", Text, nullable=True),
)

#: The operator's own message types; the built-in ones are in the catalogue.  body: ``any``, or a JSON Schema.
#: places, actions: JSON.  source: what is posted that is told in it too, or null.
message_types = Table(
    "message_types",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("places", Text, nullable=False),
    Column("actions", Text, nullable=False),
    Column("source", Text, nullable=True),
)

#: A message type switched on for a system, and its own retention, if any.
exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("system", Integer, _owner("principals.id"), nullable=False),
    Column("message_type", Text, nullable=False),
    Column("log_ms_max", BigInteger),
    Column("log_bytes_max", BigInteger),
    UniqueConstraint("system", "message_type"),
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("partner", Integer, _owner("principals.id"), primary_key=True),
    Column("exchange", Integer, _owner("exchanges.id"), primary_key=True, index=True),
)

#: any_camera: no list of cameras is kept.
accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("partner", Integer, _owner("principals.id"), nullable=False, index=True),
    Column("any_camera", Boolean, nullable=False),
)

cameras = Table(
    "cameras",
    metadata,
    Column("account", BigInteger, _owner("accounts.id"), primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
)

#: A service's.  verb: subscribe or publish.
rights = Table(
    "rights",
    metadata,
    Column("service", Integer, _owner("principals.id"), primary_key=True),
    Column("verb", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
)

#: hash: argon2id, or sha256 of an operator's token.  from_file: made by applying a file, and replaced by it.
credentials = Table(
    "credentials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("principal", Integer, _owner("principals.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("from_file", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    sqlite_autoincrement=True,  # an id is never used again: it is remembered who logged in with it
)

#: what: such as "partner 7".  before, after: JSON without secrets, or none.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Index(None, "what"),
    sqlite_autoincrement=True,
)
