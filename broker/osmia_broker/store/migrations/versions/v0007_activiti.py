"""The Activiti dialect: extension files of process definitions, and the users who start instances."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns. Older definitions have no extension file, and of older instances nobody knows who started them."""
    integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for table, column, type_, default in (
        ("process_definitions", "extensions_checksum", sa.Text(), "''"),
        ("instance_origins", "initiator", sa.Text(), "''"),
        ("user_tasks", "sees_only_own", integer, "0"),
    ):
        op.add_column(table, sa.Column(column, type_, nullable=False, server_default=sa.text(default)))
        with op.batch_alter_table(table) as batch:  # rows written from now on name a value for every column
            batch.alter_column(column, server_default=None)
