"""The values that are proposed for user tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS: tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]], ...] = (
    ("process_instance_key", INT64),
    ("user_task_key", INT64),
    ("user", sa.Text()),
    ("variables", sa.Text()),
    ("outcome", sa.Text()),
    ("text", sa.Text()),
    ("at_ms", INT64),
    ("state", sa.Text()),
    ("answered_by", sa.Text()),
    ("answered_ms", INT64),
    ("answer", sa.Text()),
)


def upgrade() -> None:
    """Add the table, and its index by task."""
    op.create_table(
        "task_proposals",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in COLUMNS),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("task_proposals_of_task", "task_proposals", ["user_task_key"])
