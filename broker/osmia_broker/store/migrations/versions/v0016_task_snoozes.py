"""The user tasks that people have out of their lists for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "task_snoozes",
        sa.Column("user", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("user_task_key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("until_ms", INT64, nullable=False),
        sa.Column("until_change", INT64, nullable=False),
        sa.Column("since_key", INT64, nullable=False),
        sa.Column("at_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("user", "user_task_key"),
        sqlite_with_rowid=False,
    )
