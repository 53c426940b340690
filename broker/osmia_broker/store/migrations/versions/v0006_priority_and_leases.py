"""The priority of jobs, and the token of their last lease."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = "state = 'ACTIVATABLE' AND ended_ms = 0"
INDEXES: list[tuple[str, list[str | sa.TextClause], str]] = [  # those of activatable jobs, of which each job is in one
    ("jobs_activatable", ["type"], "lease_token = '' AND priority = 0"),
    ("jobs_ranked", ["type", sa.text("priority DESC")], "lease_token = '' AND priority <> 0"),
    ("jobs_leased", ["type", sa.text("priority DESC")], "lease_token <> ''"),
]


def upgrade() -> None:
    """Add the columns, and make the index of activatable jobs anew as three."""
    op.drop_index("jobs_activatable", "jobs")
    op.add_column("jobs", sa.Column("priority", INT64, nullable=False, server_default=sa.text("0")))
    op.add_column("jobs", sa.Column("lease_token", sa.Text(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("jobs") as batch:  # rows written from now on name a value for every column
        batch.alter_column("priority", server_default=None)
        batch.alter_column("lease_token", server_default=None)
    for name, columns, lane in INDEXES:
        condition = sa.text(f"{WAITING} AND {lane}")
        op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
