"""The entry point of Alembic: run the revisions in one transaction, on the connection that `upgrade` hands in."""

from alembic import context

from osmia_broker.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    render_as_batch=True,  # SQLite changes most of a table only by making it anew
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
