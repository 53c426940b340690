"""Follow-ups, and indexes that find the living rows of a process instance without passing its ended ones."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of follow-ups; make three indexes anew, with one more column."""
    op.create_table(
        "follow_ups",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("target_partition", INT64, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("due_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("follow_ups_of_instance", "follow_ups", ["process_instance_key"])
    op.create_index(
        "follow_ups_due",
        "follow_ups",
        ["due_ms"],
        sqlite_where=sa.text("due_ms > 0"),
        postgresql_where=sa.text("due_ms > 0"),
    )
    for table in ("element_instances", "waiting_tokens", "jobs"):
        op.drop_index(f"{table}_of_instance", table_name=table)
        op.create_index(f"{table}_of_instance", table, ["process_instance_key", "ended_ms"])
