"""The database of imagined machines: the statements of leases and lives as PostgreSQL carries them out, and the rows of each partition in memory.

A statement that was sent is carried out later, at one moment, even if its machine is dead by then; its answer may be lost. `test_database.py` asks the
real server the same.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import msgspec

from osmia_broker.base.errors import StoreFailed
from osmia_broker.state.store_protocol import PARTITION_BITS, Changes, Loaded, Start, Wanted
from osmia_broker.store.postgres import creation, lease, life, sharing
from osmia_broker.store.postgres.connection import ANSWER_S, CONNECT_S
from osmia_broker.store.postgres.lease import Held
from osmia_broker.store.postgres.store import PostgresStore
from tests.memory_store import MemoryStore
from tests.simulation.virtual import WORLD, Machine, VirtualLoop, machine_here, passing

WAY_S = (0.0001, 0.003)  # of a statement to the server, and of its answer back
LOCK_S = 4.0  # that a statement waits for a lock
SILENT_S = 7.0  # after which the server gives up a connection whose machine has vanished


@dataclass(frozen=True)
class LeaseRow:
    epoch: int = 0
    owner: str = ""
    incarnation: int = 0
    batch: int = 0
    next_key: int = 0


@dataclass(frozen=True)
class BrokerRow:
    process: int = 0
    incarnation: int = 1
    beat: int = 0
    address: str = ""
    links: str = ""


@dataclass
class Tables:
    """The tables that all partitions share, and the statements on them."""

    leases: dict[int, LeaseRow]
    brokers: dict[str, BrokerRow] = field(default_factory=dict)

    @classmethod
    def of(cls, partitions: int) -> "Tables":
        """Return the tables of a new database: keys carry their partition, and begin at 1."""
        numbers = range(1, partitions + 1)
        return cls({number: LeaseRow(next_key=(number << PARTITION_BITS) + 1) for number in numbers})

    def run(self, text: str, values: tuple[Any, ...]) -> Any:
        """Carry a statement out; return its first row, or None."""
        return _STATEMENTS[text](self, *values)

    def begin(self, id: str) -> Any:
        before = self.brokers.get(id)
        self.brokers[id] = (
            BrokerRow()
            if before is None
            else replace(before, incarnation=before.incarnation + 1, address="", links="", beat=0)
        )
        return {"incarnation": self.brokers[id].incarnation}

    def number(self, id: str, wanted: int) -> Any:
        row = self.brokers.get(id)
        if row is None:
            return None
        taken = {one.process for one in self.brokers.values()}
        process = row.process or (wanted if wanted not in taken else 0) or max(taken) + 1
        self.brokers[id] = replace(row, process=process)
        return {"process": process}

    def beat(self, id: str, incarnation: int, address: str, links: str) -> Any:
        before, row = dict(self.brokers), self.brokers.get(id)
        beats = row is not None and row.incarnation == incarnation
        if row is not None and beats:
            self.brokers[id] = replace(row, beat=row.beat + 1, address=address, links=links)
        census = sorted(
            (one.process, name, one.incarnation, one.beat, one.links, one.address) for name, one in before.items()
        )
        brokers = [(name, process, *rest) for process, name, *rest in census]
        led = [n for n, one in self.leases.items() if (one.owner, one.incarnation) == (id, incarnation)]
        leases = [(n, one.owner, one.incarnation, one.epoch) for n, one in sorted(self.leases.items())]
        return {"beats": int(beats), "led": led, "brokers": _json(brokers), "leases": _json(leases)}

    def claim(self, partition: int, id: str, incarnation: int, epoch: int) -> Any:
        row = self.leases[partition]
        if row.epoch != epoch:
            return None
        return self._led(partition, replace(row, epoch=epoch + 1, owner=id, incarnation=incarnation))

    def renew(self, partition: int, epoch: int, id: str, incarnation: int) -> Any:
        row = self.leases[partition]
        if row.epoch < epoch or (row.owner, row.incarnation) != (id, incarnation):
            return None
        return self._led(partition, replace(row, epoch=row.epoch + 1))

    def release(self, partition: int, epoch: int) -> Any:
        row = self.leases[partition]
        if row.epoch == epoch:
            self.leases[partition] = replace(row, epoch=epoch + 1, owner="")

    def oldest(self, _transactions: int) -> Any:
        return None  # nobody holds a snapshot

    def _led(self, partition: int, row: LeaseRow) -> Any:
        self.leases[partition] = row
        return {"epoch": row.epoch, "batch": row.batch, "next_key": row.next_key, "place": (0, partition)}


def _json(rows: list[Any]) -> str | None:
    return msgspec.json.encode(rows).decode() if rows else None


def _text(statement: str) -> str:
    return statement.format(leases="partition", brokers="brokers")


_STATEMENTS: dict[str, Callable[..., Any]] = {
    _text(life._BEGIN): Tables.begin,
    _text(sharing._NUMBER): Tables.number,
    _text(sharing._BEAT): Tables.beat,
    life._OLDEST: Tables.oldest,
    _text(lease.CLAIM): Tables.claim,
    _text(lease._RENEW): Tables.renew,
    _text(lease._RELEASE): Tables.release,
}


class Database:
    """The server. *chance* decides how long things take, and which answers are lost."""

    def __init__(self, loop: VirtualLoop, chance: random.Random, partitions: int) -> None:
        self.loop, self.chance = loop, chance
        self.tables = Tables.of(partitions)
        self.rows = {number: MemoryStore() for number in self.tables.leases}
        self.commits = 0
        self.faults: list[str] = []  # of those who commit
        self.lost = 0  # answers that never came
        self.losing = 0.0  # the share of answers that are lost
        self.is_away = self.is_stuck = False
        self.cut_off: set[str] = (
            set()
        )  # the names of machines from which nothing comes, and to which no connection is made
        self._connections: dict[MemoryConnection, None] = {}
        self._locked_by: MemoryConnection | None = None
        self._lock_waits: deque[asyncio.Future[None]] = deque()

    def way_s(self) -> float:
        """Return how long a statement, or its answer, is under way."""
        return self.chance.uniform(*WAY_S)

    # --- weather

    def go_away(self) -> None:
        """Break all connections, and take none."""
        self.is_away = True
        for one in [*self._connections]:
            one.drop()

    def come_back(self) -> None:
        self.is_away = False

    def lose(self, machine: Machine, *, is_silent: bool) -> None:
        """Notice, sooner or later, that a machine is dead."""
        for one in [one for one in self._connections if one.machine is machine]:
            self.loop.call_later(SILENT_S if is_silent else 0.001, one.drop, context=WORLD)

    # --- statements

    def run(self, connection: "MemoryConnection", text: str, values: tuple[Any, ...]) -> Any:
        """Carry a statement out now."""
        if text == COMMIT:
            return self._commit(*values)
        if text == START:
            return self._start(*values)
        if text == LOAD:
            return self._load(*values)
        return (connection.within or self.tables).run(text, values)

    def _commit(self, changes: Changes, partition: int, epoch: int, batch: int) -> bool:
        row = self.tables.leases[partition]
        if row.epoch != epoch:
            return False
        if batch != row.batch + 1:
            self.faults.append(f"commit {batch} of partition {partition} came after {row.batch}")
        self.tables.leases[partition] = replace(row, batch=batch, next_key=changes.next_key)
        self.rows[partition]._commit(changes)
        self.commits += 1
        return True

    def _start(self, partition: int) -> Start:
        return _at_once(self.rows[partition].open())

    def _load(self, partition: int, wanted: Wanted) -> Loaded:
        return self.rows[partition]._load(wanted)

    # --- connections

    def add(self, connection: "MemoryConnection") -> None:
        self._connections[connection] = None

    def forget(self, connection: "MemoryConnection") -> None:
        self._connections.pop(connection, None)
        self.unlock(connection)

    async def lock(self, connection: "MemoryConnection") -> None:
        """Wait for the one lock of this database."""
        while self._locked_by is not None:
            turn: asyncio.Future[None] = self.loop.create_future()
            self._lock_waits.append(turn)
            async with asyncio.timeout(LOCK_S):
                await turn
        if connection.is_open:
            self._locked_by = connection

    def unlock(self, connection: "MemoryConnection") -> None:
        if self._locked_by is connection:
            self._locked_by = None
            while self._lock_waits:
                turn = self._lock_waits.popleft()
                if not turn.done():
                    turn.set_result(None)


def _at_once(work: Any) -> Any:
    """Return the result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


COMMIT, START, LOAD = "commit", "start", "load"


class MemoryServer:
    """The face of `Server`."""

    url, schema = "postgresql://memory/osmia", ""

    def __init__(self, database: Database) -> None:
        self._database = database

    def table(self, name: str) -> str:
        return name

    async def connect(self, partition: int = 1) -> "MemoryConnection":
        database, machine = self._database, machine_here()
        await passing(database.way_s() + database.way_s())
        if machine is not None and machine.name in database.cut_off:
            await passing(CONNECT_S)
            raise StoreFailed("Expected to reach the database, but found no answer")
        if database.is_away:
            raise StoreFailed("Expected to reach the database, but found that it is away")
        return MemoryConnection(database, machine_here())


class MemoryConnection:
    """The face of `Connection`."""

    def __init__(self, database: Database, machine: Machine | None) -> None:
        self.machine = machine
        self.within: Tables | None = None  # as a transaction sees them
        self.before: dict[str, BrokerRow] = {}  # when it began
        self._database, self._loop = database, database.loop
        self._is_open = True
        self._answers: set[asyncio.Future[Any]] = set()
        database.add(self)

    @property
    def is_open(self) -> bool:
        return self._is_open

    async def row(self, text: str, *values: Any) -> Any:
        """Send a statement, and wait for its answer."""
        if not self._is_open:
            raise ConnectionResetError("the connection is closed")
        assert not self._answers, "one statement at a time"
        if text == creation.LOCK:
            await self._database.lock(self)
            self.begin()
            return None
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._answers.add(answer)
        self._loop.call_later(self._database.way_s(), self._arrive, text, values, answer, context=WORLD)
        patience = self._loop.call_later(ANSWER_S, self.drop)
        try:
            return await answer
        finally:
            self._answers.discard(answer)
            patience.cancel()

    slow_row = row

    def begin(self) -> None:
        """See the tables as they are now, and what is written from here on beside them."""
        tables = self._database.tables
        self.before = dict(tables.brokers)
        self.within = Tables(tables.leases, dict(tables.brokers))

    def _arrive(self, text: str, values: tuple[Any, ...], answer: "asyncio.Future[Any]") -> None:
        """Carry the statement out, on the server. It may have been on its way when the connection broke."""
        database = self._database
        if database.is_stuck or (self.machine is not None and self.machine.name in database.cut_off):
            self._loop.call_later(1.0, self._arrive, text, values, answer, context=WORLD)
            return
        if database.is_away or (not self._is_open and database.chance.random() < 0.5):
            self.drop()
            return
        result = database.run(self, text, values)
        if database.chance.random() < database.losing:
            database.lost += 1
            self.drop()
            return
        self._loop.call_later(database.way_s(), _answered, answer, result, context=WORLD)

    def transaction(self) -> "_Transaction":
        return _Transaction(self, self._database)

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Break the connection, from whichever side. What was sent may still arrive."""
        if not self._is_open:
            return
        self._is_open = False
        self.within = None
        self._database.forget(self)
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(ConnectionResetError("the connection is broken"))


def _answered(answer: "asyncio.Future[Any]", result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


class _Transaction:
    """Statements of one connection that take effect together, for the table of brokers."""

    def __init__(self, connection: MemoryConnection, database: Database) -> None:
        self._connection, self._database = connection, database

    async def __aenter__(self) -> None:
        self._connection.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await passing(self._database.way_s())
        within, self._connection.within = self._connection.within, None
        try:
            if kind is None:
                if within is None or not self._connection.is_open:
                    raise ConnectionResetError("the connection broke before the end of the transaction")
                changed = {id: row for id, row in within.brokers.items() if self._connection.before.get(id) != row}
                self._database.tables.brokers.update(changed)
        finally:
            self._database.unlock(self._connection)


class SimulatedStore(PostgresStore):
    """The store of a partition, as it is but for the text of its statements on rows."""

    async def _bring_up_to_date(self, connection: Any) -> None:
        """The tables are there."""

    async def _read_start(self, connection: Any, held: Held) -> Start:
        start: Start = await connection.slow_row(START, self._partition_id)
        return replace(start, next_key=held.next_key)

    async def _send(self, changes: Changes) -> bool:
        return bool(await self._opened().row(COMMIT, changes, self._partition_id, self.lease.epoch, self._batch + 1))

    async def _load(self, wanted: Wanted) -> Loaded:
        return await self._opened().row(LOAD, self._partition_id, wanted)  # type: ignore[no-any-return]
