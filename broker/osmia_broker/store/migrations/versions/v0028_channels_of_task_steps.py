"""The channel by which a step of a user task was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the columns. Nobody knows the channels of the steps that are there."""
    for table in ("task_events", "task_transitions"):
        op.add_column(table, sa.Column("channel", sa.Text(), nullable=False, server_default=sa.text("''")))
        with op.batch_alter_table(table) as batch:  # rows written from now on name a value for every column
            batch.alter_column("channel", server_default=None)
