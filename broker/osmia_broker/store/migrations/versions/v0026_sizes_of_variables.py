"""Numbers as numbers in the index of the values of variables, on SQLite: so that they are found by their size."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Make the index anew. A column of PostgreSQL has one type, so the index stays there as it is."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("variables_by_value", "variables")
    first = "substr(value, 1, 40)"
    value = f"CASE WHEN value >= '-' AND value < ':' THEN CAST({first} AS NUMERIC) ELSE {first} END"
    op.create_index("variables_by_value", "variables", ["name", sa.text(value)])
