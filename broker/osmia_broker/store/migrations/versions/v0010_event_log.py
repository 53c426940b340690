"""The log of events, and whether events are recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add both tables. They stay empty until somebody follows the events."""
    op.create_table(
        "event_log",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
        sa.Column("at_ms", INT64, nullable=False),
        sa.Column("subject_key", INT64, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("process_definition_key", INT64, nullable=False),
        sa.Column("bpmn_process_id", sa.Text(), nullable=False),
        sa.Column("element_id", sa.Text(), nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "event_recordings",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("is_recording", INT64, nullable=False),
        sa.Column("complete_after", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
