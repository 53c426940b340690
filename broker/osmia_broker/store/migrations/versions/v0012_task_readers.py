"""The index of user tasks by assignee finds those that are for everybody: unassigned, and without any candidate."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

LENGTH = sa.text("length(candidate_users) + length(candidate_groups)")


def upgrade() -> None:
    """Make the index anew with the length of both lists of candidates."""
    op.drop_index("user_tasks_by_assignee", "user_tasks")
    op.create_index("user_tasks_by_assignee", "user_tasks", ["assignee", "ended_ms", LENGTH])
