"""The audit log of operations that are about no user task."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

INT64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS: tuple[tuple[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]], ...] = (
    ("process_instance_key", INT64),
    ("definition_key", INT64),
    ("element_instance_key", INT64),
    ("entity_type", sa.Text()),
    ("entity_key", INT64),
    ("operation", sa.Text()),
    ("description", sa.Text()),
    ("user", sa.Text()),
    ("at_ms", INT64),
)


def upgrade() -> None:
    """Add the table, and its index by process instance."""
    op.create_table(
        "audit_entries",
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in COLUMNS),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("audit_entries_of_instance", "audit_entries", ["process_instance_key"])
