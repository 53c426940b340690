"""SQLite on the read side: connections that can only read, and the SQL that is SQLite's own.

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
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from osmia_broker.store.dialects import text_or_bytes
from osmia_broker.store.memory import IN_MEMORY
from osmia_broker.store.read import dialect, numbers
from osmia_broker.store.schema import Comparable

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

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

        from osmia_broker.store.read import one_visit

        # At level debug, the driver logs every statement with its values.
        logging.getLogger("aiosqlite").setLevel(logging.WARNING)
        place = {"vfs": "memdb"} if self.path.is_relative_to(IN_MEMORY) else {"mode": "ro"}
        url = URL.create("sqlite+aiosqlite", database=self.path.absolute().as_uri(), query={**place, "uri": "true"})
        engine = create_async_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            connect_args={"isolation_level": None},  # `begin` alone opens transactions
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


class _Compiler(SQLiteCompiler):
    """Writes the hints of statements, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


# --- expressions


@compiles(dialect.Items, "sqlite")
@compiles(dialect.Keys, "sqlite")
def _items(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({', '.join(dialect.parts(element, compiler, options))})"


@compiles(dialect.Among, "sqlite")
def _among(element: dialect.Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = dialect.parts(element, compiler, options)
    return f"({column} IN (SELECT value FROM json_each({values})))"


@compiles(dialect.AmongRows, "sqlite")
def _among_rows(element: dialect.AmongRows, compiler: SQLCompiler, **options: Any) -> str:
    *columns, values = dialect.parts(element, compiler, options)
    parts = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(columns)))
    return f"(({', '.join(columns)}) IN (SELECT {parts} FROM json_each({values})))"


@compiles(dialect.Holds, "sqlite")
def _holds(element: dialect.Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, value = dialect.parts(element, compiler, options)
    whole = f"CASE WHEN json_valid({column}) = 1 THEN {column} END"
    return f"({value} IN (SELECT value FROM json_each({whole})))"


@compiles(dialect.Part, "sqlite")
@compiles(dialect.NumberPart, "sqlite")
def _part(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    whole, place = dialect.parts(element, compiler, options)
    path = f"$[{place}]" if place.isdigit() else f"$.{place[1:-1]}"
    return f"json_extract({whole}, '{path}')"


@compiles(dialect.FlagPart, "sqlite")
def _flag_part(element: dialect.FlagPart, compiler: SQLCompiler, **options: Any) -> str:
    return f"({_part(element, compiler, **options)} = 1)"


@compiles(dialect.MemberText, "sqlite")
@compiles(dialect.MemberNumber, "sqlite")
def _member(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    document, name = dialect.parts(element, compiler, options)
    types = "'text'" if isinstance(element, dialect.MemberText) else "'integer', 'real'"
    return f"(SELECT value FROM json_each({document}) WHERE key = {name} AND type IN ({types}))"


@compiles(dialect.HasMember, "sqlite")
def _has_member(element: dialect.HasMember, compiler: SQLCompiler, **options: Any) -> str:
    document, name = dialect.parts(element, compiler, options)
    return f"EXISTS (SELECT 1 FROM json_each({document}) WHERE key = {name})"


@compiles(dialect.Gathered, "sqlite")
def _gathered(element: dialect.Gathered, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array({', '.join(dialect.parts(element, compiler, options))})"


@compiles(dialect.Fits, "sqlite")
def _fits(element: dialect.Fits, compiler: SQLCompiler, **options: Any) -> str:
    column, pattern = dialect.parts(element, compiler, options)
    return f"({column} GLOB {pattern})"


@compiles(dialect.Size, "sqlite")
def _size(element: dialect.Size, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(Comparable(*element.clauses), **options)


@compiles(dialect.IsBelowTexts, "sqlite")
def _is_below_texts(element: dialect.IsBelowTexts, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(Comparable(*element.clauses), **options)} < ''"


@compiles(dialect.IsNumber, "sqlite")
def _is_number(element: dialect.IsNumber, compiler: SQLCompiler, **options: Any) -> str:
    [value] = dialect.parts(element, compiler, options)
    return f"({value} >= '-' AND {value} < ':')"


@compiles(dialect.NoLimit, "sqlite")
def _no_limit(_element: dialect.NoLimit, _compiler: SQLCompiler, **_options: Any) -> str:
    return "-1"


@compiles(dialect.Unindexed, "sqlite")
def _unindexed(element: dialect.Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    [column] = dialect.parts(element, compiler, options)
    return f"+{column}"
