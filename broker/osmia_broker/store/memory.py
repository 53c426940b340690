"""A partition's rows in the memory of this process, for tests: the same SQLite and the same statements, without a file.

SQLite's file system in memory gives all connections of a process that name the same database one and the same. It lives as long as a
connection to it.
"""

import itertools
import os
import sqlite3
import weakref
from pathlib import Path

from osmia_broker.base.errors import StoreFailed
from osmia_broker.store.sqlite import BUSY_MS, STATEMENTS, SqliteStore

IN_MEMORY = Path("/osmia-in-memory")  #: a database below this path is none of the disk
NEWER_THAN = (3, 36)  # before it, each connection to a database in memory had one of its own

_numbers = itertools.count(1)


def uri(path: Path) -> str:
    """Return the URI by which SQLite opens the database *path*, on disk or in memory."""
    return f"{path.absolute().as_uri()}{'?vfs=memdb' if path.is_relative_to(IN_MEMORY) else ''}"


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any thread may use, one at a time."""
    db = sqlite3.connect(
        uri(path), uri=True, isolation_level=None, cached_statements=STATEMENTS, check_same_thread=False
    )
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return db


class MemoryStore(SqliteStore):
    """The `Store` of one partition in memory; its rows live as long as this object. *path* names it, for those who read it.

    Raises:
        StoreFailed: SQLite is too old.

    """

    def __init__(self, partition_id: int = 1) -> None:
        if sqlite3.sqlite_version_info < NEWER_THAN:
            raise StoreFailed(
                f"Expected SQLite 3.36 or newer, but found {sqlite3.sqlite_version}; use a data directory"
            )
        self.path = IN_MEMORY / f"{os.getpid()}-{next(_numbers)}.db"
        super().__init__(self.path, partition_id=partition_id, connect=connect)
        weakref.finalize(self, connect(self.path).close)  # until then this connection keeps the rows

    def _take_lock(self) -> None:
        """Hold a lock that locks nothing: no other process can have this database."""
        if self._lock is None:
            self._lock = os.open(os.devnull, os.O_RDONLY)
