"""A quota for each partner."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = (
    "connections",
    "subscriptions",
    "durable_subscriptions",
    "messages_per_s",
    "bytes_per_s",
)


def upgrade() -> None:
    """None has one."""
    for name in COLUMNS:
        op.add_column("partners", sa.Column(name, sa.BigInteger(), nullable=True))
