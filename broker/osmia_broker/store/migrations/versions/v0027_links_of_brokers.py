"""Where the brokers that share a database reach each other: the number of each, and the address of its links."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ADDED: tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str], str], ...] = (
    ("process", INT64, "0"),
    ("links", TEXT, "''"),
)


def upgrade() -> None:
    """Add the columns. SQLite has no row in this table. A broker of the version before names no such column, so they keep their defaults."""
    for column, type_, default in ADDED:
        op.add_column("brokers", sa.Column(column, type_, nullable=False, server_default=sa.text(default)))
