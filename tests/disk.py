"""Files of partitions that nobody needs after a crash of the machine."""

import sqlite3
from pathlib import Path

from osmia_broker.store.sqlite import connect


def without_fsync(path: Path) -> sqlite3.Connection:
    """Open such a file. A test process that is killed loses nothing by it."""
    db = connect(path)
    db.execute("PRAGMA synchronous = OFF")
    return db
