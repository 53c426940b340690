"""PostgreSQL on the read side: connections of their own that can only read, and the SQL that is PostgreSQL's own.

They go to the server that the partitions are written on. A standby may lag behind what was acknowledged, and an old primary shows what was never so.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Integer, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from osmia_broker.base.addresses import without_password
from osmia_broker.store.postgres.connection import CONNECT_S, Server, reason
from osmia_broker.store.postgres.schemas import schema_of
from osmia_broker.store.read import dialect
from osmia_broker.store.schema import Comparable

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

SETTINGS = {
    "application_name": "osmia lists",
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    "statement_timeout": "30s",  # three times the time limit of a question; it is there for those that nobody interrupts
    "idle_in_transaction_session_timeout": "30s",  # a snapshot that is held makes every commit dearer
    "client_connection_check_interval": "2s",
    "jit": "off",  # it would compile for longer than a list takes
}
_INTERRUPTED, _READ_ONLY = "57014", "25006"

log = logging.getLogger(__name__)


def sources(server: Server, partitions: int) -> "list[PostgresSource]":
    """Return the partitions of the database of *server* as sources to read, in order of their numbers."""
    return [PostgresSource(server, number) for number in range(1, partitions + 1)]


class PostgresSource:
    """A partition of the database of *server* as one to read."""

    errors: tuple[type[Exception], ...] = (DBAPIError, OSError)
    of_nul: tuple[str, ...] = ("22021", "22P05")
    keeps_order = False
    shares_connections = True

    def __init__(self, server: Server, partition: int = 1) -> None:
        self._server = server
        self._partition = partition
        # The ids of the server's processes. A pooler reports others.
        self._pids: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self.name = without_password(server.url)

    @property
    def schema(self) -> str:
        """The schema of the partition, once there was a connection."""
        return schema_of(self._server.schema, self._partition)

    @property
    def options(self) -> Mapping[str, Any]:
        """The execution options of its statements: they name the schema, for the connections are for all partitions."""
        return {} if self._partition == 1 else {"schema_translate_map": {None: self.schema}}

    def open_engine(self, connections: int) -> "AsyncEngine":
        """Make an engine over a pool of *connections*. It opens none of them yet."""
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self._connect, pool_size=connections, max_overflow=0
        )
        # All integers have 64 bits. The driver would refuse a larger one than 32 where SQLAlchemy only knows that it is some integer.
        types = engine.dialect.colspecs
        engine.dialect.colspecs = {**types, Integer: types[BigInteger]}
        event.listen(engine.sync_engine, "handle_error", _replace)
        event.listen(engine.sync_engine, "checkout", _check)
        return engine

    async def _connect(self) -> Any:
        made = await self._server.reach(SETTINGS)
        self._pids[made.connection] = made.row["pid"]
        return made.connection

    async def begin(self, connection: "AsyncConnection") -> Any:
        """Return the driver's connection for `interrupt`. The first statement begins a transaction that sees one moment."""
        return (await connection.get_raw_connection()).driver_connection

    async def interrupt(self, driver_connection: Any) -> None:
        """Interrupt the statement that runs on the driver's connection, if any; a connection of its own tells the server so."""
        try:
            pid = self._pids[driver_connection]
            async with asyncio.timeout(CONNECT_S):
                other = await self._connect()
                try:
                    await other.execute("SELECT pg_cancel_backend($1)", pid)
                finally:
                    other.terminate()
        except Exception as error:  # noqa: BLE001 - then the connection is shut down instead
            log.debug("interrupted the hard way", extra={"error": reason(error)})
            driver_connection.terminate()


def _check(_adapted: Any, record: "ConnectionPoolEntry", _proxy: Any) -> None:
    """Replace all connections when one of them has been closed from the other side: after a failover, no question shall meet an old one."""
    if record.driver_connection is not None and record.driver_connection.is_closed():
        raise InvalidatePoolError


def _replace(context: "ExceptionContext") -> None:
    """Replace all connections when one has broken, or finds itself on a standby; keep them after an interruption."""
    code = getattr(context.original_exception, "sqlstate", None) or ""
    if code == _READ_ONLY or code.startswith(("08", "57P")):
        context.is_disconnect = True
    if code == _INTERRUPTED:
        context.is_disconnect = False


# --- expressions; the functions that begin with `osmia_` are those of `postgres/functions.py`


@compiles(dialect.Items, "postgresql")
def _items(element: dialect.Items, compiler: SQLCompiler, **options: Any) -> str:
    return f"osmia_items({', '.join(dialect.parts(element, compiler, options))})"


@compiles(dialect.Keys, "postgresql")
def _keys(element: dialect.Keys, compiler: SQLCompiler, **options: Any) -> str:
    return f"osmia_keys({', '.join(dialect.parts(element, compiler, options))})"


@compiles(dialect.Among, "postgresql")
def _among(element: dialect.Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = dialect.parts(element, compiler, options)
    items = "osmia_keys" if isinstance(next(iter(element.clauses)).type, Integer) else "osmia_items"
    return f"({column} = ANY (ARRAY(SELECT value FROM {items}({values}))))"


@compiles(dialect.AmongRows, "postgresql")
def _among_rows(element: dialect.AmongRows, compiler: SQLCompiler, **options: Any) -> str:
    *columns, values = dialect.parts(element, compiler, options)
    types = ["bigint" if isinstance(one.type, Integer) else "text" for one in element.clauses]
    parts = ", ".join(f"(value::json ->> {number})::{types[number]}" for number in range(len(columns)))
    return f"(({', '.join(columns)}) IN (SELECT {parts} FROM osmia_items({values})))"


@compiles(dialect.Holds, "postgresql")
def _holds(element: dialect.Holds, compiler: SQLCompiler, **options: Any) -> str:
    column, value = dialect.parts(element, compiler, options)
    return f"({value} = ANY (osmia_texts({column})))"


@compiles(dialect.Part, "postgresql")
def _part(element: dialect.Part, compiler: SQLCompiler, **options: Any) -> str:
    whole, place = dialect.parts(element, compiler, options)
    return f"(({whole})::json ->> {place})"


@compiles(dialect.NumberPart, "postgresql")
def _number_part(element: dialect.NumberPart, compiler: SQLCompiler, **options: Any) -> str:
    whole, place = dialect.parts(element, compiler, options)
    return f"(({whole})::json ->> {place})::bigint"


@compiles(dialect.FlagPart, "postgresql")
def _flag_part(element: dialect.FlagPart, compiler: SQLCompiler, **options: Any) -> str:
    whole, place = dialect.parts(element, compiler, options)
    return f"(({whole})::json ->> {place})::boolean"


@compiles(dialect.MemberText, "postgresql")
@compiles(dialect.MemberNumber, "postgresql")
def _member(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    document, name = dialect.parts(element, compiler, options)
    is_text = isinstance(element, dialect.MemberText)
    value, type_ = ("value #>> '{}'", "string") if is_text else ("osmia_number(value #>> '{}')", "number")
    return f"(SELECT {value} FROM json_each(({document})::json) WHERE key = {name} AND json_typeof(value) = '{type_}')"


@compiles(dialect.HasMember, "postgresql")
def _has_member(element: dialect.HasMember, compiler: SQLCompiler, **options: Any) -> str:
    document, name = dialect.parts(element, compiler, options)
    return f"EXISTS (SELECT FROM json_each(({document})::json) WHERE key = {name})"


@compiles(dialect.Gathered, "postgresql")
def _gathered(element: dialect.Gathered, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_agg({', '.join(dialect.parts(element, compiler, options))})::text"


@compiles(dialect.Fits, "postgresql")
def _fits(element: dialect.Fits, compiler: SQLCompiler, **options: Any) -> str:
    column, pattern = dialect.parts(element, compiler, options)
    return f"({column} ~ osmia_glob({pattern}))"


@compiles(dialect.Size, "postgresql")
def _size(element: dialect.Size, compiler: SQLCompiler, **options: Any) -> str:
    return f"osmia_number({compiler.process(Comparable(*element.clauses), **options)})"


@compiles(dialect.IsNumber, "postgresql")
@compiles(dialect.IsBelowTexts, "postgresql")
def _is_number(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(Comparable(*element.clauses), **options)} ~ '^[-0-9]')"


@compiles(dialect.NoLimit, "postgresql")
def _no_limit(_element: dialect.NoLimit, _compiler: SQLCompiler, **_options: Any) -> str:
    return "ALL"


@compiles(dialect.Unindexed, "postgresql")
def _unindexed(element: dialect.Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    [column] = dialect.parts(element, compiler, options)
    return column
