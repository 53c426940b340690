"""SQLite on the read side: connections that can only read.

SQLAlchemy's asyncio part and the driver are imported at the first question, not at the start: they cost 0.14 s and 5 MB.
"""

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, FromClause, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from osmia_broker.store.dialects import text_or_bytes
from osmia_broker.store.memory import IN_MEMORY
from osmia_broker.store.read.sql import numbers

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

TEXTS_MAX = 500  # of statements; what was used last stays
CACHE_KIB = 16_384  # of each connection: the index of 100,000 open user tasks has 13 MB


class SqliteSource:
    """The file *path* as a database to read."""

    errors: tuple[type[Exception], ...] = (DBAPIError, sqlite3.Error)
    of_nul: tuple[str, ...] = ()
    keeps_order = True  # it joins in the order of the table that is read first
    shares_connections = False
    options: Mapping[str, Any] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def open_engine(self, connections: int) -> "AsyncEngine":
        """Make an engine that reads the file over a pool of *connections*. It opens none of them yet."""
        from sqlalchemy.ext.asyncio import create_async_engine

        from osmia_broker.store.read.sql import one_visit

        # At level debug, the driver logs every statement with its values.
        logging.getLogger("aiosqlite").setLevel(logging.WARNING)
        place = {"vfs": "memdb"} if self.path.is_relative_to(IN_MEMORY) else {"mode": "ro"}
        url = URL.create("sqlite+aiosqlite", database=self.path.absolute().as_uri(), query={**place, "uri": "true"})
        engine = create_async_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            connect_args={"isolation_level": None},  # `begin` alone opens transactions
            execution_options={"compiled_cache": _TEXTS},
        )
        engine.dialect.statement_compiler = _Compiler
        event.listen(engine.sync_engine, "do_connect", one_visit.connect)
        event.listen(engine.sync_engine, "handle_error", _replace)
        event.listen(engine.sync_engine, "connect", _prepare)
        return engine

    async def begin(self, connection: "AsyncConnection") -> Any:
        """Begin a transaction that sees one moment, and return the driver's connection for `interrupt`.

        SQLite fixes the moment at the first statement after BEGIN. Every earlier commit is seen.
        """
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("BEGIN")
        return driver

    async def interrupt(self, driver: Any) -> None:
        """Interrupt the statement that runs on the driver's connection, if any."""
        with suppress(ValueError, sqlite3.ProgrammingError):
            # The connection is closed, or is being closed in its thread.
            await driver.interrupt()


def _prepare(connection: Any, _record: Any) -> None:
    """Let a text that is not UTF-8, which only a corrupt file holds, come as bytes, or its whole list would fail; add functions."""
    connection.driver_connection.text_factory = text_or_bytes
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()
    connection.create_function("osmia_variable_key", 2, numbers.variable_key, deterministic=True)
    connection.create_function("osmia_error_hash", 1, numbers.error_hash, deterministic=True)


def _replace(context: "ExceptionContext") -> None:
    """Replace a connection whose statement has failed; replace all others too, unless the statement was interrupted.

    An interrupted connection still works, but a traceback keeps the cursor of its statement. The garbage collector frees the cursor on
    the event loop's thread, and SQLite makes that wait for the next statement on the same connection: the broker would stand still.
    """
    context.is_disconnect = True
    error = context.original_exception
    is_interruption = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    context.invalidate_pool_on_disconnect = not is_interruption


class _Texts(LRUCache[Any, Any]):
    """The texts of statements, for all files: the engines, which stand first in the keys, write all of them alike."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, text: Any) -> None:
        super().__setitem__(key[1:], text)


_TEXTS = _Texts(TEXTS_MAX)


class _Compiler(SQLiteCompiler):
    """Writes the hints of statements, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text
