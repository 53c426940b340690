"""The Activiti dialect: extension files of process definitions, and the users who start instances."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns. Older definitions have no extension file, and of older instances nobody knows who started them."""
    for table, column in (("process_definitions", "extensions_checksum"), ("instance_origins", "initiator")):
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=sa.text("''")))
        with op.batch_alter_table(table) as batch:  # rows written from now on name a value for every column
            batch.alter_column(column, server_default=None)
