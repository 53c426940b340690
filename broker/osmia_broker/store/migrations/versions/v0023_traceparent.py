"""The trace context of whoever caused a process instance, or published a message."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns. Instances and messages that are there already have none."""
    for table in ("instance_origins", "messages"):
        op.add_column(table, sa.Column("traceparent", TEXT, nullable=False, server_default=sa.text("''")))
        with op.batch_alter_table(table) as batch:  # rows written from now on name a value for every column
            batch.alter_column("traceparent", server_default=None)
