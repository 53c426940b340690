"""Messages between partitions: subscriptions of instances elsewhere, how far each sender has come, and what is to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COLUMNS: tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]], ...] = (
    ("process_instance_key", INT64),
    ("subscription_key", INT64),
    ("instance_key", INT64),
    ("bpmn_process_id", TEXT),
    ("name", TEXT),
    ("correlation_key", TEXT),
    ("business_id", TEXT),
    ("stays_open", INT64),
)
INDEXES = {
    "remote_subscriptions_of_instance": ["process_instance_key"],
    "remote_subscriptions_by_name_correlation_key": ["name", "correlation_key"],
    "remote_subscriptions_by_subscription_key": ["subscription_key"],
}


def upgrade() -> None:
    """Add the tables and their indexes. They stay empty with one partition."""
    op.create_table(
        "remote_subscriptions",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in COLUMNS),
        sa.PrimaryKeyConstraint("key"),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "remote_subscriptions", columns)
    op.create_table(
        "received",
        sa.Column("sender", INT64, autoincrement=False, nullable=False),
        sa.Column("through_key", INT64, nullable=False),
        sa.PrimaryKeyConstraint("sender"),
    )
    is_sent = sa.text("due_ms = 0")
    op.create_index(
        "follow_ups_by_target_partition",
        "follow_ups",
        ["target_partition"],
        sqlite_where=is_sent,
        postgresql_where=is_sent,
    )
