"""When each message between partitions was left."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column. Messages that are under way during the upgrade have no age."""
    op.add_column("follow_ups", sa.Column("sent_ms", INT64, nullable=False, server_default=sa.text("0")))
    with op.batch_alter_table("follow_ups") as batch:  # rows written from now on name a value for every column
        batch.alter_column("sent_ms", server_default=None)
