"""Why a step in the history of a user task was denied."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the column. The steps that are there took effect."""
    op.add_column("task_events", sa.Column("refusal", sa.Text(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("task_events") as batch:  # rows written from now on name a value for every column
        batch.alter_column("refusal", server_default=None)
