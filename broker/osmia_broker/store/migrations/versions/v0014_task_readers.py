"""An index of the user tasks that everybody may take: open, unassigned, and without any candidate."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

CONDITION = sa.text("ended_ms = 0 AND assignee = '' AND candidate_users = '[]' AND candidate_groups = '[]'")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "user_tasks_for_everybody",
        "user_tasks",
        ["ended_ms"],
        sqlite_where=CONDITION,
        postgresql_where=CONDITION,
    )
