"""Flow control: pauses and limits of job types, and the key by which jobs share the workers of their type."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = "state = 'ACTIVATABLE' AND ended_ms = 0"
RANKED: list[str | sa.TextClause] = ["type", "fair_key", sa.text("priority DESC")]
INDEXES: list[tuple[str, list[str | sa.TextClause], str]] = [  # those of activatable jobs, of which each job is in one
    ("jobs_activatable", ["type"], "lease_token = '' AND priority = 0 AND fair_key = ''"),
    ("jobs_ranked", RANKED, "lease_token = '' AND (priority <> 0 OR fair_key <> '')"),
    ("jobs_leased", RANKED, "lease_token <> ''"),
]
NUMBERS = ("process_definition_key", "paused_ms", "held_max", "per_second_max", "held_per_key_max")


def upgrade() -> None:
    """Add the table and the column, and make the indexes of activatable jobs anew."""
    op.create_table(
        "job_flow",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("job_type", sa.Text(), nullable=False),
        *(sa.Column(name, INT64, nullable=False) for name in NUMBERS),
        sa.Column("fair_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    for name, _, _ in INDEXES:
        op.drop_index(name, "jobs")
    op.add_column("jobs", sa.Column("fair_key", sa.Text(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("jobs") as batch:  # rows written from now on name a value for every column
        batch.alter_column("fair_key", server_default=None)
    for name, columns, lane in INDEXES:
        condition = sa.text(f"{WAITING} AND {lane}")
        op.create_index(name, "jobs", columns, sqlite_where=condition, postgresql_where=condition)
