"""The shares that partitions have in a batch operation of another one."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVING = sa.text("ended_ms = 0")
SHARES = sa.text("whole_key <> 0")


def upgrade() -> None:
    """Add the column, with indexes for the living shares and for the items of all."""
    op.add_column("batch_operations", sa.Column("whole_key", INT64, nullable=False, server_default=sa.text("0")))
    with op.batch_alter_table("batch_operations") as batch:  # rows written from now on name a value for every column
        batch.alter_column("whole_key", server_default=None)
    op.create_index(
        "batch_operations_by_whole_key", "batch_operations", ["whole_key"], sqlite_where=LIVING, postgresql_where=LIVING
    )
    op.create_index(
        "batch_operations_of_whole", "batch_operations", ["whole_key"], sqlite_where=SHARES, postgresql_where=SHARES
    )
