"""The decisions of workers that an ad-hoc subprocess completes."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table. Who has decided before is asked again, as before."""
    op.create_table(
        "ad_hoc_completions",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("process_instance_key", INT64, nullable=False),
        sa.Column("element_instance_key", INT64, nullable=False),
        sa.Column("ended_ms", INT64, nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ad_hoc_completions_of_instance", "ad_hoc_completions", ["process_instance_key", "ended_ms"])
