"""Create the tables of a new database, or migrate an older one, when a store is opened.

Both happen in one transaction, behind a lock that other brokers wait for. As on SQLite, a new database gets its tables from the schema, and
Alembic is imported only when there is something to migrate.
"""

from osmia_broker.addresses import without_password
from osmia_broker.errors import StoreFailed
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.creation import HEAD
from osmia_broker.store.postgres import functions
from osmia_broker.store.postgres.connection import Connection
from osmia_broker.store.postgres.dialect import definitions

_LOCK = "SELECT pg_advisory_xact_lock(8010266500)"  # any number that nobody else uses; it ends with the transaction
_VERSION = "SELECT to_regclass('alembic_version') IS NOT NULL AS is_there"
#: Rows that change in every commit: fewer dead versions of them are left to step over.
_VACUUM = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, fillfactor = 50"


async def bring_up_to_date(connection: Connection, url: str, partition_id: int) -> None:
    """Make the tables of the newest version and the partition's own row, or migrate what is there.

    Raises:
        StoreFailed: a newer version of Osmia made this database.

    """
    version = await _version(connection)
    if version != HEAD:
        if version is None:
            async with connection.transaction():
                await connection.row(_LOCK)
                if await _version(connection) is None:  # another broker may have been quicker
                    await connection.run("; ".join(statements()))
        else:
            await _migrate(url, version)
    first_key = (partition_id << PARTITION_BITS) + 1
    await connection.row(
        "INSERT INTO partition (id, next_key, epoch, batch, owner, incarnation) VALUES ($1, $2, 0, 0, '', 0)"
        " ON CONFLICT (id) DO NOTHING",
        partition_id,
        first_key,
    )


async def _version(connection: Connection) -> str | None:
    if not (await connection.row(_VERSION))["is_there"]:
        return None
    row = await connection.row("SELECT version_num FROM alembic_version")
    return str(row["version_num"]) if row else None


def statements() -> list[str]:
    """Return the statements that create all tables and functions."""
    return [
        *definitions(schema.metadata),
        *functions.ALL,
        *(f"ALTER TABLE {table} SET ({_VACUUM})" for table in ("partition", "brokers")),
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{HEAD}')",
    ]


async def _migrate(url: str, version: str) -> None:
    from osmia_broker.store.migrations import upgrade

    if not upgrade.is_known(version):
        raise StoreFailed(
            f"Expected a database of version {HEAD} or older, but found version {version} in {without_password(url)};"
            " start the Osmia that made it"
        )
    await upgrade.run_postgres(url, _LOCK)
