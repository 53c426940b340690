"""A broker's life in a database: its number, its beats, and the leases that it holds meanwhile.

The leases of all partitions share it, so a broker beats once a second, however many partitions it leads, on a connection of its own: beats
go on during a long commit.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from osmia_broker.store.held import HeldSnapshot
from osmia_broker.store.postgres.connection import Connection, Server

if TYPE_CHECKING:
    from osmia_broker.store.postgres.lease import Lease

BEAT_S = 1.0  # between beats of a broker, and between looks of a watcher
# A leader that has not been confirmed for so long gives up; one that has not been seen for so long is replaced.
TTL_S = 5.0
PATIENCE_S = 10.0  # how long a partition waits for the lease of the first one, before it says that it has none

_BEGIN = (
    "INSERT INTO {brokers} AS b (id, incarnation, address, beat) VALUES ($1, 1, '', 0)"
    " ON CONFLICT (id) DO UPDATE SET incarnation = b.incarnation + 1, address = '', links = '', beat = 0"
    " RETURNING incarnation"
)
_BEAT = (
    "WITH mine AS (UPDATE {brokers} SET beat = beat + 1, address = $3 WHERE id = $1 AND incarnation = $2 RETURNING 1)"
    " SELECT (SELECT count(*) FROM mine) AS beats, ARRAY(SELECT id FROM {leases} WHERE owner = $1 AND incarnation = $2) AS led"
)

# Whoever holds the oldest snapshot of the database, once so many transactions have begun since: a session, a standby or a slot for one, a
# transaction that was prepared. A session of another role shows that, and little more.
_OLDEST = (
    "SELECT pid, reader, snapshot, transactions FROM ("
    "SELECT pid, concat_ws(' ', usename, application_name) AS reader, backend_xmin::text AS snapshot, age(backend_xmin) AS transactions"
    " FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)"
    " UNION ALL SELECT COALESCE(active_pid, 0), slot_name, xmin::text, age(xmin) FROM pg_replication_slots WHERE xmin IS NOT NULL"
    " UNION ALL SELECT 0, gid, transaction::text, age(transaction) FROM pg_prepared_xacts WHERE database = current_database()"
    ") AS held WHERE transactions >= $1 ORDER BY transactions DESC, pid LIMIT 1"
)
HELD_TRANSACTIONS = 1_000  # fewer do no harm
LOOK_S = 10.0  # between looks for a snapshot that is held

log = logging.getLogger(__name__)


class Life:
    """The life of the broker *broker_id* in the database of *server*. *clock* is a monotonic clock in seconds."""

    def __init__(
        self,
        server: Server,
        broker_id: str,
        *,
        clock: Callable[[], float] = monotonic,
        ttl_s: float = TTL_S,
        beat_s: float = BEAT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.address = ""  #: HOST:PORT of the broker, once it is known
        self.broker_id = broker_id
        self.number = 0  #: how many lives the broker has had, with this one; 0 until the first claim, and after this one was declared dead
        self.clock, self.ttl_s, self.patience_s = clock, ttl_s, patience_s
        self.leases: list[Lease] = []  #: those that it may hold; each adds itself
        self.held = HeldSnapshot(clock)  #: by anybody in the database
        self._look_s = 0.0
        self._server = server
        self._beat_s = beat_s
        self._beating: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    def statement(self, text: str) -> str:
        """Return *text* with the names of the tables that all partitions share."""
        return text.format(leases=self._server.table("partition"), brokers=self._server.table("brokers"))

    async def begin(self, connection: Connection) -> None:
        """Begin a life, unless there is one."""
        if not self.number:
            self.number = (await connection.row(self.statement(_BEGIN), self.broker_id))["incarnation"]

    def beat_on(self) -> None:
        """Beat every second from now on, as long as a lease is held."""
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat_on())

    async def stop(self) -> None:
        """Beat no more, unless a lease is still held."""
        if self._beating is not None and not self._holds():
            self._beating.cancel()
            await asyncio.wait({self._beating})
            self._beating = None

    def _holds(self) -> bool:
        return any(lease.epoch for lease in self.leases)

    async def _beat_on(self) -> None:
        try:
            while self._holds():
                await asyncio.sleep(self._beat_s)
                if self._holds():
                    await self.beat()
        finally:
            self._drop_connection()

    async def beat(self) -> None:
        """Notify the others that this broker lives, and learn what it leads; without an answer, the time that is left decides."""
        sent = self.clock()
        try:
            row = await self._ask(await self._connected())
        except Exception as error:  # noqa: BLE001 - the database is away
            log.debug("no beat", extra={"error": str(error)})
            self._drop_connection()
        else:
            self.learn(row, sent)
        self.check()
        await self._look_for_snapshot()

    async def _look_for_snapshot(self) -> None:
        """Look who holds the oldest snapshot, now and then."""
        connection = self._connection
        if connection is None or self.clock() < self._look_s:
            return
        self._look_s = self.clock() + LOOK_S
        try:
            async with asyncio.timeout(self._beat_s):  # a beat matters more
                row = await connection.row(_OLDEST, HELD_TRANSACTIONS)
        except Exception as error:  # noqa: BLE001 - or the database is away
            log.debug("no look at snapshots", extra={"error": str(error)})
            self._drop_connection()
        else:
            found = {} if row is None else {name: row[name] for name in ("pid", "reader", "transactions")}
            self.held.see(None if row is None else (row["pid"], row["snapshot"]), **found)

    async def _connected(self) -> Connection:
        if self._connection is None or not self._connection.is_open:
            self._connection = await self._server.connect()
        return self._connection

    async def _ask(self, connection: Connection) -> Any:
        """Send a beat, and return the answer."""
        return await connection.row(self.statement(_BEAT), self.broker_id, self.number, self.address)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def learn(self, row: Mapping[str, Any], sent: float) -> None:
        """Take what the database said to a beat that was sent then."""
        if not row["beats"]:
            self.number = 0
        for lease in self.leases:
            if not row["beats"]:
                lease.lost("this broker was declared dead")
            elif lease.partition_id in row["led"]:
                lease.confirm(sent)
            elif lease.was_held(sent):
                lease.lost("another broker has taken the partition over")

    def check(self) -> None:
        """Give up every lease that nothing has confirmed for too long."""
        for lease in self.leases:
            lease.check()
