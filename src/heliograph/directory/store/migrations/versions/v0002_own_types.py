"""Event types of the operator's own, and message types with a key layout and a schema."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Message types that are stored have free keys and bodies, so they have no places and no actions."""
    op.create_table(
        "event_types",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("supertype", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_event_types")),
    )
    op.add_column("message_types", sa.Column("places", sa.Text(), server_default="{}", nullable=False))
    op.add_column("message_types", sa.Column("actions", sa.Text(), server_default="[]", nullable=False))
    op.add_column("message_types", sa.Column("source", sa.Text(), nullable=True))
