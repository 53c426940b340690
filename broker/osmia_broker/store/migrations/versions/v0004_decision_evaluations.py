"""The history of evaluated decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table, with indexes for its process instance and for lists by decision."""
    op.create_table(
        "decision_evaluations",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("decision_key", INT64, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("failed_decision_id", sa.Text(), nullable=False),
        sa.Column("failure_message", sa.Text(), nullable=False),
        sa.Column("evaluated", sa.Text(), nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("decision_evaluations_of_instance", "decision_evaluations", ["process_instance_key", "ended_ms"])
    op.create_index("decision_evaluations_of_decision", "decision_evaluations", ["decision_id"])
