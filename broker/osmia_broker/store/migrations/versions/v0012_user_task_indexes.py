"""Fewer indexes of user tasks, and one of the open ones that are being changed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Drop the index by creation, keep open tasks out of that by completion, and add the new one."""
    op.drop_index("user_tasks_by_creation", "user_tasks")
    op.drop_index("user_tasks_by_completion", "user_tasks")
    for name, column, condition in (
        ("user_tasks_by_completion", "ended_ms", sa.text("ended_ms > 0")),
        ("user_tasks_in_change", "state", sa.text("ended_ms = 0 AND state <> 'CREATED'")),
    ):
        op.create_index(name, "user_tasks", [column], sqlite_where=condition, postgresql_where=condition)
