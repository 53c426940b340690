"""A partition's rows in a PostgreSQL database: one statement a commit, one a load, on one connection of the event loop.

Every commit is fenced by the epoch of the partition's lease, and has a number. If its answer is lost, its outcome is found out rather than
guessed: on a new connection the store raises its own epoch, which waits for the lost commit to end and keeps it from coming later; then
the number in the database tells whether it took effect. If it did not, it is sent again.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from time import perf_counter
from typing import Any, TypeVar

from osmia_broker.base.addresses import without_password
from osmia_broker.base.errors import LeaseHeld, StoreFailed, StoreFull, ValueRefused
from osmia_broker.state.memory.filter import Filter
from osmia_broker.state.rows import DEFINITION_TYPES
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import Changes, Loaded, Start, Wanted, Written
from osmia_broker.store import statements
from osmia_broker.store.assemble import NEXT_DUE, READERS, CorruptRow, due_of
from osmia_broker.store.postgres import load
from osmia_broker.store.postgres.commit import commit
from osmia_broker.store.postgres.connection import Connection, Outcome, Server, outcome_of, reason
from osmia_broker.store.postgres.creation import bring_up_to_date
from osmia_broker.store.postgres.dialect import embedded
from osmia_broker.store.postgres.lease import Held, Lease, Place
from osmia_broker.store.refused import largest_value, refused_value

RESOLVE_S = 10.0  # how long the outcome of a lost commit is looked for, before its callers are refused
PAUSE_S = 0.1  # between tries to reach the server meanwhile
TRIES_MAX = 5  # of a commit that the server asks to repeat

_KEPT_MESSAGES = embedded(statements.KEPT_MESSAGES)
_START = load.text_of((*(load.all_of(KINDS[row_type]) for row_type in DEFINITION_TYPES), load.HELD, load.DueForm()))

log = logging.getLogger(__name__)

T = TypeVar("T")


class PostgresStore:
    """The `Store` of one of *partitions* in the database of *server*, as long as this broker holds its *lease*."""

    def __init__(self, server: Server, lease: Lease, *, partitions: int = 1, resolve_s: float = RESOLVE_S) -> None:
        self.lease = lease
        self._server, self._partition_id, self._partitions = server, lease.partition_id, partitions
        self._is_closing = False
        self._is_up_to_date = False  # the tables are there and of the newest version
        self._resolve_s = resolve_s
        self._connection: Connection | None = None
        self._batch = 0  # the number of the last commit
        self._place: Place = (0, 0)  # of the row of the lease
        self._turn: asyncio.Future[Any] | None = None  # the last call; the next one waits for it
        self._connecting: asyncio.Future[Connection] | None = None  # for an opening

    def open(self) -> "asyncio.Future[Start]":
        """Connect, take the lease, and read the little that a start needs.

        Raises:
            LeaseHeld: another broker leads the partition.
            StoreFailed: the database cannot be reached or used, or a newer version of Osmia made it.

        """
        return self._in_turn(self._guarded(self._open()))

    async def prepare(self) -> None:
        """Make the tables or bring them up to date, without taking the lease. Raises StoreFailed as `open`."""
        connection = await self._server.connect(self._partition_id)
        try:
            await self._guarded(self._bring_up_to_date(connection))
        finally:
            await connection.close()

    def write(self, changes: Changes | None, wanted: Wanted | None) -> "asyncio.Future[Written]":
        """Write *changes* in one statement, then read the rows that are *wanted* in another. Raises as `Store.write`."""
        return self._in_turn(self._guarded(self._write(changes, wanted)))

    def close(self) -> "asyncio.Future[None]":
        """Give lease and connection back, after the calls that were made before. Safe to call twice.

        An opening that waits is ended: for its turn, or for a server that does not answer.
        """
        self._is_closing = True
        self.lease.stop_waiting()
        if self._connecting is not None:
            self._connecting.cancel()
        return self._in_turn(self._close())

    # --- one call at a time

    def _in_turn(self, call: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
        """Make *call* after those before it, to its end even if nobody waits for it any longer."""
        before = self._turn

        async def made() -> T:
            if before is not None and not before.done():
                await asyncio.wait({before})
            return await call

        turn = asyncio.ensure_future(made())
        # Read, though its asker may have gone.
        turn.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._turn = turn
        return asyncio.shield(turn)

    async def _guarded(self, call: Coroutine[Any, Any, T]) -> T:
        """Make *call*. After any failure the store must be opened again."""
        try:
            return await call
        except StoreFailed:
            self._drop()
            raise
        except Exception as error:
            self._drop()
            is_full = outcome_of(error) is Outcome.FULL
            raise (StoreFull if is_full else StoreFailed)(
                f"Expected to use the database {without_password(self._server.url)}, but found: {reason(error)}"
            ) from error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _opened(self) -> Connection:
        if self._connection is None:
            raise StoreFailed(
                f"Expected the database {without_password(self._server.url)} to be open, but it is closed"
            )
        return self._connection

    # --- opening and closing

    async def _open(self) -> Start:
        if self._is_up_to_date and not self._is_closing:  # even a broker that only waits makes or migrates all tables
            await self.lease.wait_for_turn()
        if self._is_closing:
            raise self._not_needed()
        connection = self._connection
        if connection is None or not connection.is_open:
            self._drop()
            try:
                self._connection = connection = await self._connected()
            except StoreFailed:
                self.lease.saw_nothing()
                raise
            try:
                await self._bring_up_to_date(connection)
            except StoreFailed:
                # A newer broker has changed the tables: it can lead, unless this one holds the lease.
                await self.lease.release(connection)
                raise
            self._is_up_to_date = True
        held = await self._take(connection)
        self._batch, self._place = held.batch, held.place
        start = await self._read_start(connection, held)
        self.lease.serve()
        return start

    async def _connected(self) -> Connection:
        """Connect, unless the store is closed meanwhile."""
        self._connecting = asyncio.ensure_future(self._server.connect(self._partition_id))
        try:
            return await self._connecting
        except asyncio.CancelledError:
            if self._is_closing:
                raise self._not_needed() from None
            raise
        finally:
            self._connecting = None

    def _not_needed(self) -> StoreFailed:
        return StoreFailed(
            f"Expected to open the database {without_password(self._server.url)}, but found that it is closed meanwhile"
        )

    async def _bring_up_to_date(self, connection: Connection) -> None:
        await bring_up_to_date(connection, self._server, self._partition_id, self._partitions)

    async def _read_start(self, connection: Connection, held: Held) -> Start:
        answer = iter(await connection.slow_row(_START, *statements.due_values(NEXT_DUE).values()))
        definitions = {row_type: self._definitions(row_type, answer) for row_type in DEFINITION_TYPES}
        holders: list[Any] = load.rows_in(answer)
        next_due_ms = due_of(load.rows_in(answer), NEXT_DUE).next_ms
        kept = Filter()
        await connection.pairs(_KEPT_MESSAGES, lambda found: kept.add_all((row[0], row[1]) for row in found))
        return Start(held.next_key, definitions, next_due_ms, holders, kept)

    async def _take(self, connection: Connection) -> Held:
        try:
            return await self.lease.take(connection)
        except LeaseHeld:
            self._connection = None  # not dropped: a watcher looks again every second
            await connection.close()
            raise

    def _definitions(self, row_type: type, answer: Iterator[str | None]) -> list[Any]:
        try:
            return [READERS[row_type].row(values) for values in load.rows_in(answer)]
        except CorruptRow as fault:
            raise StoreFailed(
                f"Expected the database {without_password(self._server.url)} to be readable, but found {fault}"
            ) from None

    async def _close(self) -> None:
        self._is_closing = False
        connection, self._connection = self._connection, None
        await self.lease.release(connection if connection is not None and connection.is_open else None)
        if connection is not None:
            await connection.close()

    # --- writing

    async def _write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        self._opened()
        written = Written()
        if changes is not None:
            begun = perf_counter()
            await self._commit(changes)
            written.commit_s = perf_counter() - begun
        if wanted:
            written.loaded = await self._load(wanted)
        return written

    async def _commit(self, changes: Changes) -> None:
        for _ in range(TRIES_MAX):
            sent = self.lease.now()
            try:
                is_leading = await self._send(changes)
            except Exception as error:  # noqa: BLE001 - what it means is found out
                if await self._is_committed_after(error, changes):
                    break
                continue
            if not is_leading:
                self.lease.lose()
                raise self._fenced()
            self.lease.confirm(sent)
            break
        else:
            raise StoreFailed(f"Expected a commit to succeed within {TRIES_MAX} tries, but found that it did not")
        self._batch += 1

    async def _send(self, changes: Changes) -> bool:
        """Send a commit; return whether it was written. If not, a later epoch has begun.

        The row of the lease is in another place if somebody has written its table anew (`VACUUM FULL`).
        """
        place: Place | None = self._place
        while place is not None:
            text, values = commit(
                changes,
                leases=self._server.table("partition"),
                place=place,
                partition=self._partition_id,
                epoch=self.lease.epoch,
                batch=self._batch + 1,
            )
            row = await self._opened().row(text, *values)
            if row["place"] is not None:
                self._place = row["place"]
                return True
            place = await self.lease.find(self._opened())
        return False

    async def _is_committed_after(self, error: Exception, changes: Changes) -> bool:
        """Return whether a commit that met *error* took effect; if not, it may be sent again. Raises the error if it may not."""
        match outcome_of(error):
            case Outcome.AGAIN:
                return False
            case Outcome.UNKNOWN | Outcome.READ_ONLY:
                log.warning("outcome of a commit is unknown", extra={"error": reason(error)})
                return await self._resolve()
            case Outcome.VALUE:
                raise self._value_refused(changes, error) from error
            case _:
                raise error

    async def _resolve(self) -> bool:
        """Find out whether the commit whose answer was lost took effect, and lead on in a new epoch.

        Raises:
            StoreFailed: the server does not answer in time, another broker leads, or the server has lost commits.

        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._resolve_s
        while True:
            self._drop()
            try:
                connection = await self._server.connect(self._partition_id)
                self._connection = connection
                held = await self.lease.renew(connection)
                break
            except Exception as error:
                if loop.time() > until:
                    raise StoreFailed(
                        f"Expected the outcome of a commit within {self._resolve_s:g} s, but found: {reason(error)}"
                    ) from error
            await asyncio.sleep(PAUSE_S)
        if held is None:
            raise self._fenced()
        self._place = held.place
        log.info(
            "outcome of a commit resolved", extra={"batch": self._batch + 1, "committed": held.batch > self._batch}
        )
        if held.batch not in (self._batch, self._batch + 1):
            log.critical("the database has lost commits", extra={"expected": self._batch, "found": held.batch})
            raise StoreFailed(
                f"Expected commit {self._batch} to be the last, but found {held.batch}: the database lost some"
            )
        return held.batch == self._batch + 1

    def _fenced(self) -> StoreFailed:
        return StoreFailed(
            f"Expected to lead partition {self._partition_id}, but found that another broker has taken it over"
        )

    def _value_refused(self, changes: Changes, error: Exception) -> Exception:
        """Return `ValueRefused` if one value made the commit fail, else the *error* itself."""
        found = refused_value(changes, refuses_nul=True)
        if found is None and str(getattr(error, "sqlstate", "")).startswith("54"):  # too long for an index
            found = largest_value(changes)
        if found is None:
            return error
        return ValueRefused(
            f"Expected values that the database {without_password(self._server.url)} can store, but found {found}"
        )

    # --- reading

    async def _load(self, wanted: Wanted) -> Loaded:
        question = load.Question(wanted)
        if not question.forms:
            return question.read(iter(()))
        text = load.text_of(tuple(question.forms))
        return question.read(iter(await self._opened().row(text, *question.values)))
