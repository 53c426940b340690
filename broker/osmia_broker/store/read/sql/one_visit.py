"""SQLite's driver for lists: a statement takes one visit to the thread of its connection, which brings all rows.

SQLAlchemy's own takes four: one to make a cursor, one to execute, one for the rows and one to close. This module is imported at the first question.
"""

import sqlite3
from collections import deque
from typing import Any

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor


class _Rows(list[Any]):
    """The rows of a statement, with what tells their columns."""

    description: Any


class _Cursor(sqlite3.Cursor):
    def fetchall(self) -> _Rows:
        rows = _Rows(super().fetchall())
        rows.description = self.description
        return rows


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = ()) -> _Cursor:
        return self.cursor(_Cursor).execute(sql, parameters)


class _VisitingCursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that only reads."""

    def execute(self, operation: Any, parameters: Any = None) -> None:
        try:
            rows: Any = self.await_(self._connection.execute_fetchall(operation, parameters or ()))
        except ValueError as error:  # the connection is closed, which is a failure of the database like any other
            raise sqlite3.OperationalError(str(error)) from error
        self.description = rows.description
        self._rows = deque(rows)


class _VisitingConnection(AsyncAdapt_aiosqlite_connection):
    def cursor(self, server_side: bool = False) -> AsyncAdapt_aiosqlite_cursor:
        assert not server_side, "a list reads all rows of its statements"
        return _VisitingCursor(self)


def connect(dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> _VisitingConnection:
    """Connect as *dialect* does, for `do_connect`."""
    usual = dialect.connect(*arguments, **named, factory=_Connection)
    return _VisitingConnection(usual.dbapi, usual.driver_connection)
