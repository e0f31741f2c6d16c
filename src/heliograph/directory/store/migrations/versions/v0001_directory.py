"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them, and the revision's one row."""
    _who_exists()
    _what_may_be_done()
    _changes()
    op.execute("INSERT INTO revision (id, number) VALUES (1, 0)")


def _who_exists() -> None:
    op.create_table(
        "principals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principals")),
        sa.UniqueConstraint("login", name=op.f("uq_principals_login")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "partners",
        sa.Column("principal", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal"], ["principals.id"], name=op.f("fk_partners_principal"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("principal", name=op.f("pk_partners")),
        sa.UniqueConstraint("id", name=op.f("uq_partners_id")),
    )
    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("principal", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("from_file", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_used_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal"], ["principals.id"], name=op.f("fk_credentials_principal"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_credentials_principal"), "credentials", ["principal"], unique=False)


def _what_may_be_done() -> None:
    op.create_table(
        "message_types",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_message_types")),
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("system", sa.Integer(), nullable=False),
        sa.Column("message_type", sa.Text(), nullable=False),
        sa.Column("log_ms_max", sa.BigInteger(), nullable=True),
        sa.Column("log_bytes_max", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["system"], ["principals.id"], name=op.f("fk_exchanges_system"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("system", "message_type", name=op.f("uq_exchanges_system")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "grants",
        sa.Column("partner", sa.Integer(), nullable=False),
        sa.Column("exchange", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["exchange"], ["exchanges.id"], name=op.f("fk_grants_exchange"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["partner"], ["principals.id"], name=op.f("fk_grants_partner"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("partner", "exchange", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_exchange"), "grants", ["exchange"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partner", sa.Integer(), nullable=False),
        sa.Column("any_camera", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["partner"], ["principals.id"], name=op.f("fk_accounts_partner"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_partner"), "accounts", ["partner"], unique=False)
    op.create_table(
        "cameras",
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_cameras_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_cameras")),
    )
    op.create_table(
        "rights",
        sa.Column("service", sa.Integer(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["service"], ["principals.id"], name=op.f("fk_rights_service"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service", "verb", "destination", name=op.f("pk_rights")),
    )


def _changes() -> None:
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_revision_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_what"), "audit", ["what"], unique=False)
