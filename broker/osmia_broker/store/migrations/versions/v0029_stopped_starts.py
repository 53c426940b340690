"""The process instance that a start timer could not begin."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column. No start timer is known to have such an instance."""
    op.add_column("start_subscriptions", sa.Column("stopped_key", INT64, nullable=False, server_default=sa.text("0")))
    with op.batch_alter_table("start_subscriptions") as batch:  # rows written from now on name a value for every column
        batch.alter_column("stopped_key", server_default=None)
