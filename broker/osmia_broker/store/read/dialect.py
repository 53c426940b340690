"""Everything about SQLite on the read side. For another database, only this module changes.

SQLAlchemy's asyncio part and the driver are imported at the first question, not at the start: they cost 0.14 s and 5 MB.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import URL, ColumnElement, FromClause, Select, bindparam, event, func, select
from sqlalchemy.exc import DBAPIError

from osmia_broker.store.memory import IN_MEMORY

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

ERRORS = (DBAPIError, sqlite3.Error)  #: the failures of a database and its driver


# --- connections


def open_engine(path: Path, connections: int) -> "AsyncEngine":
    """Make an engine that reads the file *path* over a pool of *connections*. It opens none of them yet."""
    from sqlalchemy.ext.asyncio import create_async_engine

    # At level debug, the driver logs every statement with its values.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    place = {"vfs": "memdb"} if path.is_relative_to(IN_MEMORY) else {"mode": "ro"}
    url = URL.create("sqlite+aiosqlite", database=path.absolute().as_uri(), query={**place, "uri": "true"})
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None},  # `begin` alone opens transactions
    )
    event.listen(engine.sync_engine, "handle_error", _replace)
    event.listen(engine.sync_engine, "connect", _take_any_text)
    return engine


def _take_any_text(connection: Any, _record: Any) -> None:
    """Let a text that is not UTF-8, which only a corrupt file holds, come as bytes. Without this, its whole list fails."""
    connection.driver_connection.text_factory = _text_or_bytes


def _text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _replace(context: "ExceptionContext") -> None:
    """Replace a connection whose statement has failed; replace all others too, unless the statement was interrupted.

    An interrupted connection still works, but a traceback keeps the cursor of its statement. The garbage collector frees the cursor on
    the event loop's thread, and SQLite makes that wait for the next statement on the same connection: the broker would stand still.
    """
    context.is_disconnect = True
    error = context.original_exception
    is_interruption = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    context.invalidate_pool_on_disconnect = not is_interruption


async def begin(connection: "AsyncConnection") -> Any:
    """Begin a transaction that sees one moment, and return the driver's connection for `interrupt`.

    SQLite fixes the moment at the first statement after BEGIN. Every earlier commit is seen.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute("BEGIN")
    return driver


async def interrupt(driver: Any) -> None:
    """Interrupt the statement that runs on the driver's connection, if any."""
    with suppress(ValueError, sqlite3.ProgrammingError):  # the connection is closed, or is being closed in its thread
        await driver.interrupt()


def reason(error: Exception) -> str:
    """Return the message of the database, without the statement and its parameters."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


# --- expressions


def array(values: Iterable[int] | Iterable[str]) -> str:
    """Make the value of an array parameter."""
    return msgspec.json.encode(list(values)).decode()


def each(parameter: str) -> FromClause:
    """Return a table of the items of an array parameter; its only column is `value`."""
    return func.json_each(bindparam(parameter)).table_valued("value", name=parameter, joins_implicitly=True)


def among(column: ColumnElement[Any], parameter: str) -> ColumnElement[bool]:
    """Whether *column* is an item of an array parameter. The statement stays the same for any number of items."""
    return column.in_(select(each(parameter).c.value))


def lateral(keys: Select[Any], name: str) -> FromClause:
    """Return a table of the *keys* that are selected for each row of the tables before it; its only column is `value`.

    SQLite knows no LATERAL join, but its table-valued functions may refer to the tables before them.
    """
    found = keys.subquery(f"{name}_found")
    as_array = select(func.json_group_array(found.c[0])).scalar_subquery()
    return func.json_each(as_array).table_valued("value", name=name, joins_implicitly=True)
