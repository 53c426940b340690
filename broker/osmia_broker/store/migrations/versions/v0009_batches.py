"""Batch operations with their items, and cluster variables."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LIVING = sa.text("ended_ms = 0")


def upgrade() -> None:
    """Add the tables, with indexes for their living rows and for the items of a batch operation."""
    op.create_table(
        "batch_operations",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("started_ms", INT64, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("items", INT64, nullable=False),
        sa.Column("completed", INT64, nullable=False),
        sa.Column("failed", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("batch_operations_of_instance", "batch_operations", ["process_instance_key", "ended_ms"])
    op.create_table(
        "batch_items",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("batch_key", INT64, nullable=False),
        sa.Column("item_key", INT64, nullable=False),
        sa.Column("target_instance_key", INT64, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("batch_items_of_instance", "batch_items", ["process_instance_key", "ended_ms"])
    op.create_index(
        "batch_items_by_batch_key", "batch_items", ["batch_key"], sqlite_where=LIVING, postgresql_where=LIVING
    )
    op.create_index("batch_items_of_batch", "batch_items", ["batch_key", "state"])
    op.create_table(
        "cluster_variables",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("deleted_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
