"""The database of the read side: a few connections that can only read, each used by one question at a time.

A question reads in a snapshot: all rows that it sees were committed at one moment, and commits go on meanwhile. A caller may leave at
any time, by cancellation or because its time is up. The running statement is then interrupted, and the next question gets the
connection when the statement has stopped.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError

from osmia_broker.base.errors import InvalidArgument, OsmiaError, Overloaded, StoreFailed, Unavailable
from osmia_broker.store.read.sql.tables import readable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

CONNECTIONS = 4  # so a slow question leaves three for quick ones; more would only compete for one interpreter
INTERRUPT_EVERY_S = 0.01  # an interrupt that comes before its statement has begun has no effect, so it is repeated

R = TypeVar("R")
T = TypeVar("T")


def reason(error: Exception) -> str:
    """Return the message of the database, without the statement and its parameters."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


def stopping() -> Unavailable:
    """Make the refusal of a question while the read side closes."""
    return Unavailable("Expected the broker to be open, but it is stopping")


def is_out_of_files() -> bool:
    """Return whether this process can open no file now: the drivers do not say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


class Source(Protocol):
    """A database, and the ways to read it that are its own: `on_sqlite`, `on_postgres`."""

    name: str  #: in messages
    errors: tuple[type[Exception], ...]  #: the failures of the database and its driver
    of_nul: tuple[str, ...]  #: the codes of its errors for a parameter with a NUL character, if it takes none
    shares_connections: bool  #: whether a connection to it reads the other partitions too
    keeps_order: bool  #: whether it joins in the order of the table that is read first

    def open_engine(self, connections: int) -> "AsyncEngine":
        """Make an engine over a pool of *connections*. It opens none of them yet."""

    async def begin(self, connection: "AsyncConnection") -> Any:
        """Begin a transaction that sees one moment, and return the driver's connection for `interrupt`."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The execution options of its statements, once a transaction has begun."""

    async def interrupt(self, driver: Any) -> None:
        """Interrupt the statement that runs on the driver's connection, if any."""


class Snapshot:
    """The rows of *source* that were committed at one moment."""

    def __init__(self, source: Source, connection: "AsyncConnection") -> None:
        self.keeps_order = source.keeps_order
        self._source = source
        self.connection = connection
        self._turn = asyncio.Lock()  # of those who read different partitions over one connection
        self._driver: Any = None  # the driver's own connection, once there is one
        self._step: asyncio.Task[Any] | None = None  # the work of the driver, at most one at a time
        self._is_stopped = False

    @property
    def is_busy(self) -> bool:
        """Whether the driver is at work."""
        return self._step is not None and not self._step.done()

    async def begin(self) -> None:
        """Open a connection, or take one from the pool, and begin a transaction."""
        await self._take(self._begin())

    async def rows(self, row_type: type[R], statement: Executable, values: Mapping[str, Any]) -> list[R]:
        """Read rows of one class, without corrupt ones. The columns of *statement* are the fields of *row_type*, in their order."""
        return readable(row_type, await self.values(statement, values))

    async def values(self, statement: Executable, values: Mapping[str, Any]) -> list[Any]:
        """Read the result of *statement* with these parameter values.

        Raises:
            Unavailable: the read side is closing.

        """
        return await self.values_in(self._source, statement, values)

    async def values_in(self, source: Source, statement: Executable, values: Mapping[str, Any]) -> list[Any]:
        """Read the result in *source*, which shares its connections with that of the snapshot. Raises as `values`."""
        async with self._turn:
            return await self._take(self._execute(source, statement, values))

    def beside(self, source: Source) -> "Snapshot":
        """Return the rows of *source* at the same moment, over the same connection."""
        return _Beside(self, source)

    async def stop(self) -> None:
        """Interrupt the running statement, refuse further ones, and return when the driver is idle."""
        self._is_stopped = True
        while self.is_busy:
            if self._driver is not None:
                await self._source.interrupt(self._driver)
            assert self._step is not None, "a busy snapshot has a step"
            await asyncio.wait({self._step}, timeout=INTERRUPT_EVERY_S)

    async def end(self) -> None:
        """Stop, and return the connection to the pool."""
        await self.stop()
        if self._step is not None and not self._step.cancelled():
            self._step.exception()  # the caller has left or has it already; asyncio would log it
        if self.connection.sync_connection is None:
            return  # none was opened
        with suppress(*self._source.errors):  # a connection that fails here is replaced
            await self.connection.close()

    async def _take(self, step: Coroutine[Any, Any, T]) -> T:
        """Run *step* to its end, even if the caller leaves: a cancelled driver would first wait for its statement, then be closed."""
        task: asyncio.Task[T] = asyncio.create_task(step)
        self._step = task
        await asyncio.wait({task})
        if self._is_stopped:
            raise stopping()
        return task.result()

    async def _begin(self) -> None:
        await self.connection.start()
        self._driver = await self._source.begin(self.connection)

    async def _execute(self, source: Source, statement: Executable, values: Mapping[str, Any]) -> list[Any]:
        if self._is_stopped:
            return []
        found = await self.connection.execute(statement, values, execution_options=source.options)
        return list(found.all())


class _Beside(Snapshot):
    """The rows of one partition more, at the moment of another snapshot, which alone begins and ends."""

    def __init__(self, snapshot: Snapshot, source: Source) -> None:
        super().__init__(source, snapshot.connection)
        self._snapshot = snapshot

    async def values(self, statement: Executable, values: Mapping[str, Any]) -> list[Any]:
        """Read the result of *statement* with these parameter values. Raises as that of the other one."""
        return await self._snapshot.values_in(self._source, statement, values)


class Connections:
    """The connections to a database, or to one server with all partitions."""

    def __init__(self, source: Source, threads: Executor, number: int) -> None:
        self.free = asyncio.Semaphore(number)
        self.snapshots: set[Snapshot] = set()
        self._source, self._threads, self._number = source, threads, number
        self.engine: AsyncEngine | None = None
        self._opening = asyncio.Lock()
        self.ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def opened(self) -> "AsyncEngine":
        """Return the engine; the first caller makes it."""
        async with self._opening:
            self.check_open()
            if self.engine is None:
                loop = asyncio.get_running_loop()
                self.engine = await loop.run_in_executor(self._threads, self._source.open_engine, self._number)
            return self.engine

    def end(self, snapshot: Snapshot) -> "asyncio.Task[None]":
        """Begin to end *snapshot*."""
        ending = asyncio.create_task(self._end(snapshot))
        self.ending.add(ending)
        ending.add_done_callback(self.ending.discard)
        return ending

    async def _end(self, snapshot: Snapshot) -> None:
        try:
            await snapshot.end()
        finally:
            self.snapshots.discard(snapshot)
            self.free.release()

    def check_open(self) -> None:
        """Refuse whoever asks while they close."""
        if self._is_closed:
            raise stopping()

    async def close(self) -> None:
        """Stop every question and close the connections. Safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        await asyncio.gather(*(snapshot.stop() for snapshot in self.snapshots))
        for _ in range(self._number):  # when all are free, no question is left
            await self.free.acquire()
        if self.engine is not None:
            await self.engine.dispose()


class Database:
    """Gives snapshots of the database *source*. The first question opens it, in one of *threads*."""

    def __init__(self, source: Source, threads: Executor, connections: int = CONNECTIONS) -> None:
        self.source = source
        self.connections = Connections(source, threads, connections)

    def beside(self, source: Source) -> "Database":
        """Return the database of a partition more, which is read over the same connections."""
        other = copy(self)
        other.source = source
        return other

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Wait for a free connection and give a snapshot.

        Raises:
            StoreFailed: the database cannot be opened, or a statement failed. The next question connects anew.
            Overloaded: the process has no file descriptor left for a connection.
            Unavailable: the read side is closing.
            InvalidArgument: a parameter has a NUL character, and the database takes none.

        """
        connections = self.connections
        try:
            engine = await connections.opened()
        except (OSError, ImportError) as error:  # its modules are files too
            raise self._failure(error) from error
        await connections.free.acquire()
        snapshot = Snapshot(self.source, engine.connect())
        connections.snapshots.add(snapshot)
        try:
            connections.check_open()
            await snapshot.begin()
            yield snapshot
        except OSError as error:
            raise self._failure(error) from error
        except self.source.errors as error:
            raise self._failure(error) from error
        finally:
            is_left = snapshot.is_busy
            ending = connections.end(snapshot)
            if not is_left:  # a caller who leaves need not wait until the statement has stopped
                await asyncio.wait({ending})

    async def close(self) -> None:
        """Stop every question and close the connections. Safe to call twice."""
        await self.connections.close()

    def _failure(self, error: Exception) -> OsmiaError:
        """Make the refusal of a question that *error* has stopped."""
        if is_out_of_files():
            return Overloaded(
                "Expected a free file descriptor to read the database, but found none; close connections, or raise the limit of open"
                " files (ulimit -n)"
            )
        if getattr(getattr(error, "orig", None), "sqlstate", "") in self.source.of_nul:
            return InvalidArgument("Expected texts without NUL characters, but found one")
        return StoreFailed(f"Expected the database {self.source.name} to answer, but found: {reason(error)}")


@asynccontextmanager
async def snapshots_of(databases: Sequence[Database]) -> AsyncIterator[list[Snapshot]]:
    """Give a snapshot of each of *databases*; those that share connections are read over one. Raises as `Database.snapshot`."""
    async with AsyncExitStack() as opened:
        found: dict[int, Snapshot] = {}
        for one in databases:
            if id(one.connections) not in found:
                found[id(one.connections)] = await opened.enter_async_context(one.snapshot())
        yield [found[id(one.connections)].beside(one.source) for one in databases]
