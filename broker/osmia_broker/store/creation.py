"""Create the tables of a new SQLite file, or migrate an older file, when a store is opened.

A new file gets its tables from the schema and is stamped with the newest revision, which costs a few milliseconds. Alembic runs only
when an older file must be migrated, because its import alone takes longer than a start may. A test proves that both ways lead to the
same schema.
"""

import sqlite3
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.store_protocol import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.dialects import sql

HEAD = "0031"  #: the newest revision in migrations/versions


def bring_up_to_date(db: sqlite3.Connection, path: Path, partition_id: int) -> None:
    """Make the tables of the newest version and the partition's own row, or migrate what is there.

    Raises:
        StoreFailed: a newer version of Osmia made this file.

    """
    version = _version(db)
    if version is None:
        _create(db, partition_id)
    elif version != HEAD:
        _migrate(path, version)
        db.execute("PRAGMA schema_version")  # this connection reads the schema anew


def _version(db: sqlite3.Connection) -> str | None:
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
        return None
    row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _create(db: sqlite3.Connection, partition_id: int) -> None:
    """Make everything in one transaction; SQLite's schema is part of it."""
    db.execute("BEGIN IMMEDIATE")
    for table in schema.metadata.sorted_tables:
        db.execute(sql(CreateTable(table)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            db.execute(sql(CreateIndex(index)))
    db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    db.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
    first_key = (partition_id << PARTITION_BITS) + 1
    db.execute("INSERT INTO partition VALUES (?, ?, 1, 0, '', 0)", (partition_id, first_key))
    db.execute("COMMIT")


def _migrate(path: Path, version: str) -> None:
    from osmia_broker.store.migrations import upgrade

    if not upgrade.is_known(version):
        raise StoreFailed(
            f"Expected a database of version {HEAD} or older, but found version {version}; start the Osmia that made it"
        )
    upgrade.run(path)
