"""The filters of task lists that people save."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "saved_task_filters",
        sa.Column("user", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("user", "name"),
        sqlite_with_rowid=False,
    )
