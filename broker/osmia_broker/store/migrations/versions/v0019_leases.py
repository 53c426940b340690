"""Leases of a partition, for brokers that share a database: who leads, the number of the last commit, and the brokers themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ADDED: tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str], str], ...] = (
    ("batch", INT64, "0"),
    ("owner", TEXT, "''"),
    ("incarnation", INT64, "0"),
)


def upgrade() -> None:
    """Add the columns and the table. SQLite uses none of them: a file has one broker."""
    for column, type_, default in ADDED:
        op.add_column("partition", sa.Column(column, type_, nullable=False, server_default=sa.text(default)))
        with op.batch_alter_table("partition") as batch:  # a row that is made from now on names every column
            batch.alter_column(column, server_default=None)
    op.create_table(
        "brokers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("incarnation", INT64, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("beat", INT64, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
