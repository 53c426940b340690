"""The schema of a SQLite file, brought up to date when it is opened.

A new file is made from the schema and stamped with the newest revision, which costs a few milliseconds; Alembic, whose import alone
takes longer than a start may, runs only when an older file has to be migrated. A test proves that both ways give the same schema.
"""

import sqlite3
from pathlib import Path

from sqlalchemy.schema import CreateIndex, CreateTable

from osmia_broker.errors import StoreFailed
from osmia_broker.state.exchange import PARTITION_BITS
from osmia_broker.store import schema
from osmia_broker.store.statements import sql

HEAD = "0001"  #: the newest revision in migrations/versions


def bring_up_to_date(db: sqlite3.Connection, path: Path, partition_id: int) -> None:
    """Have the tables of the newest version, and the partition's own row.

    Raises:
        StoreFailed: a newer version of Osmia has made this file.

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
    """Everything at once or nothing: SQLite's schema is part of the transaction."""
    db.execute("BEGIN IMMEDIATE")
    for table in schema.metadata.sorted_tables:
        db.execute(sql(CreateTable(table)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            db.execute(sql(CreateIndex(index)))
    db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    db.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
    first_key = (partition_id << PARTITION_BITS) + 1
    db.execute("INSERT INTO partition (id, next_key, epoch) VALUES (?, ?, 1)", (partition_id, first_key))
    db.execute("COMMIT")


def _migrate(path: Path, version: str) -> None:
    from osmia_broker.store.migrations import upgrade

    if not upgrade.is_known(version):
        raise StoreFailed(
            f"Expected a database of version {HEAD} or older, but found version {version}; start the Osmia that made it"
        )
    upgrade.run(path)
