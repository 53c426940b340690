"""The proposal that is accepted with a completion, which waits for task listeners as that does."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the column."""
    op.add_column("task_transitions", sa.Column("proposal", sa.Text(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("task_transitions") as batch:  # rows written from now on name a value for every column
        batch.alter_column("proposal", server_default=None)
