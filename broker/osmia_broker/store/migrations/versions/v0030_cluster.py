"""The id of the cluster that has a database of PostgreSQL; on SQLite it is in a file."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table. Its row is made by the next broker that starts."""
    op.create_table("cluster", sa.Column("id", TEXT, nullable=False), sa.PrimaryKeyConstraint("id"))
