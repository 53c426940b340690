"""PostgreSQL on the read side: connections of their own that can only read.

They go to the server that the partitions are written on. A standby may lag behind what was acknowledged, and an old primary shows what was never so.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Integer, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

from osmia_broker.base.addresses import without_password
from osmia_broker.store.postgres.connection import CONNECT_S, Server, reason
from osmia_broker.store.postgres.schemas import schema_of

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
