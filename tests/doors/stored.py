"""Doors into a partition whose rows are in a database."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.disk import without_fsync
from tests.doors.engine import EngineDoor


class RestartsDoor(EngineDoor):
    """A partition on SQLite that is closed after every command and opened again from the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(SqliteStore(path, connect=without_fsync))

    def answered(self, call: Callable[[], Awaitable[Any]]) -> Any:
        answer = super().answered(call)
        self.runner.run(self.partition.close())
        self.partition = self._opened()
        return answer

    def rows(self, row_type: type) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as db:
            return [row_type(*values) for values in db.execute(f"SELECT * FROM {KINDS[row_type].table} ORDER BY 1, 2")]


class PostgresDoor(EngineDoor):
    """A partition on PostgreSQL. No process instance stays in memory: every command loads what it needs."""

    def __init__(self, url: str) -> None:
        super().__init__(postgres.store(url), memory_bytes=1)
        self._looking = self.runner.run(postgres.connected(url))

    def close(self) -> None:
        self.runner.run(self._looking.close())
        super().close()

    def rows(self, row_type: type) -> list[Any]:
        found = self.runner.run(postgres.rows(self._looking, KINDS[row_type].table))
        return [row_type(*values) for values in found]
