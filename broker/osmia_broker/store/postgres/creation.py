"""Create the tables of a new database, or migrate an older one, when a store is opened.

Both happen in one transaction, behind a lock that other brokers wait for. As on SQLite, a new database gets its tables from the schema, and
Alembic is imported only when there is something to migrate.
"""

from uuid import uuid4

from osmia_broker.base.addresses import without_password
from osmia_broker.base.counted import counted
from osmia_broker.base.errors import OtherPartitions, StoreFailed
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.creation import HEAD
from osmia_broker.store.postgres import functions
from osmia_broker.store.postgres.connection import Connection, Server
from osmia_broker.store.postgres.dialect import definitions
from osmia_broker.store.postgres.schemas import quoted, schema_of

LOCK = "SELECT pg_advisory_xact_lock(8010266500)"  # any number that nobody else uses; it ends with the transaction
_VERSION = "SELECT to_regclass('alembic_version') IS NOT NULL AS is_there"
#: Rows that change in every commit: fewer dead versions of them are left to step over.
_VACUUM = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, fillfactor = 50"


async def bring_up_to_date(connection: Connection, server: Server, partition: int, partitions: int) -> None:
    """Make the tables of a partition of the newest version, or migrate what is there; *connection* is one of that partition.

    Partition 1 comes first: with it, the number of *partitions* is fixed.

    Raises:
        StoreFailed: a newer version of Osmia made this database, it has another number of partitions, or the tables of this one are gone.

    """
    version = await _version(connection)
    if version is None:
        if partition > 1:
            await _refuse_loss(connection, server, partition)
        async with connection.transaction():
            await connection.row(LOCK)
            if await _version(connection) is None:  # another broker may have been quicker
                await connection.run("; ".join([*await _schema(connection, server, partition), *statements()]))
    elif version != HEAD:
        await _migrate(server, version, partition)
    if partition == 1:
        await _fix_count(connection, server, partitions)
        server.cluster_id = await _cluster_id(connection, server)


async def _schema(connection: Connection, server: Server, partition: int) -> list[str]:
    """Return the statement that makes the schema of a partition, unless it is there; making it may need a right that using it does not."""
    name = schema_of(server.schema, partition)
    row = await connection.row("SELECT FROM pg_namespace WHERE nspname = $1", name)
    return [] if row is not None else [f"CREATE SCHEMA {quoted(name)}"]


async def _refuse_loss(connection: Connection, server: Server, partition: int) -> None:
    """Refuse to make tables for a partition that somebody has led: they were there."""
    row = await connection.row(f"SELECT epoch FROM {server.table('partition')} WHERE id = $1", partition)
    if row is not None and row["epoch"]:
        raise StoreFailed(
            f"Expected the tables of partition {partition} in the schema {schema_of(server.schema, partition)} of"
            f" {without_password(server.url)}, but found none"
        )


async def _fix_count(connection: Connection, server: Server, partitions: int) -> None:
    """Make the lease of each partition of a new database, and compare their number with that of an older one."""
    leases = server.table("partition")
    count = f"SELECT count(*) AS found FROM {leases}"
    found = (await connection.row(count))["found"]
    if not found:
        async with connection.transaction():
            await connection.row(LOCK)
            if not (await connection.row(count))["found"]:
                await connection.row(
                    f"INSERT INTO {leases} (id, next_key, epoch, batch, owner, incarnation)"
                    f" SELECT id, (id::bigint << {PARTITION_BITS}) + 1, 0, 0, '', 0 FROM generate_series(1, $1::int) AS id",
                    partitions,
                )
            found = (await connection.row(count))["found"]
    if found != partitions:
        raise OtherPartitions(
            f"Expected {without_password(server.url)} to have {counted(partitions, 'partition')}, but found {found}: the number is fixed when the"
            f" database is made. Set partitions to {found}",
            found,
        )


async def _cluster_id(connection: Connection, server: Server) -> str:
    """Return the id of the cluster, which the first broker makes. It goes with the rows: a copy of them is the same cluster."""
    table = server.table("cluster")
    row = await connection.row(f"SELECT id FROM {table}")
    if row is None:
        async with connection.transaction():
            await connection.row(LOCK)
            await connection.row(f"INSERT INTO {table} SELECT $1 WHERE NOT EXISTS (SELECT FROM {table})", str(uuid4()))
        row = await connection.row(f"SELECT id FROM {table}")
    return str(row["id"])


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


async def _migrate(server: Server, version: str, partition: int) -> None:
    from osmia_broker.store.migrations import upgrade

    if not upgrade.is_known(version):
        raise StoreFailed(
            f"Expected a database of version {HEAD} or older, but found version {version} in {without_password(server.url)};"
            " start the Osmia that made it"
        )
    await upgrade.run_postgres(
        server.url, f"SET LOCAL search_path TO {quoted(schema_of(server.schema, partition))}", LOCK
    )
