"""Candidates say whether they stand, have ended with their task, or were removed: so no list has to look at the task.

Notes about user tasks whose process instance was erased stayed behind; they go too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

NOTES = ("task_candidates", "task_events", "task_comments", "task_drafts", "task_snoozes")
STANDING = """
    UPDATE task_candidates SET standing = CASE
        WHEN standing = 0 THEN 0
        WHEN standing = (SELECT ended_ms FROM user_tasks WHERE key = user_task_key) THEN 1
        ELSE 2 END
"""


def upgrade() -> None:
    """Rename the column, and give it its three values."""
    tasks = sa.table("user_tasks", sa.column("key"))
    for name in NOTES:
        notes = sa.table(name, sa.column("user_task_key"))
        op.execute(sa.delete(notes).where(~sa.exists().where(tasks.c.key == notes.c.user_task_key)))
    op.drop_index("task_candidates_by_name", "task_candidates")
    op.alter_column("task_candidates", "ended_ms", new_column_name="standing")
    op.execute(STANDING)
    op.create_index("task_candidates_by_name", "task_candidates", ["kind", "name", "standing", "user_task_key"])
