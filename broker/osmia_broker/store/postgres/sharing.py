"""Brokers that lead a part of the partitions each: what a life and a lease are among them.

They need links, because each reaches through the others what those lead. The database says who is there, who leads what, and where each takes links;
every broker reads that with its beat, and decides by the same rule what to take and what to give up (`balance.py`). As between brokers without
links, safety comes from the epoch alone, and whoever decides wrongly only causes a move.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres.census import Broker, Census, Led
from osmia_broker.store.postgres.connection import Connection, Server, reason
from osmia_broker.store.postgres.creation import LOCK
from osmia_broker.store.postgres.lease import CLAIM, Held, Lease
from osmia_broker.store.postgres.life import Life

PROCESS_MAX = 32_767  # the upper bits of a ticket have no more room

_NUMBER = (
    "UPDATE {brokers} SET process = CASE WHEN process > 0 THEN process"
    " WHEN $2::bigint > 0 AND NOT EXISTS (SELECT FROM {brokers} AS other WHERE other.process = $2) THEN $2"
    " ELSE (SELECT max(process) + 1 FROM {brokers}) END WHERE id = $1 RETURNING process"
)
_BEAT = (
    "WITH mine AS (UPDATE {brokers} SET beat = beat + 1, address = $3, links = $4 WHERE id = $1 AND incarnation = $2 RETURNING 1)"
    " SELECT (SELECT count(*) FROM mine) AS beats,"
    " ARRAY(SELECT id FROM {leases} WHERE owner = $1 AND incarnation = $2) AS led,"
    " (SELECT json_agg(json_build_array(id, process, incarnation, beat, links, address) ORDER BY process) FROM {brokers})::text"
    " AS brokers,"
    " (SELECT json_agg(json_build_array(id, owner, incarnation, epoch) ORDER BY id) FROM {leases})::text AS leases"
)

log = logging.getLogger(__name__)

_brokers = msgspec.json.Decoder(list[Broker])
_leases = msgspec.json.Decoder(list[Led])


class SharedLife(Life):
    """The life of a broker that leads a part. It beats when it is told to (`Sharing`), whether it leads something or not."""

    def __init__(self, server: Server, broker_id: str, **options: Any) -> None:
        super().__init__(server, broker_id, **options)
        self.links = ""  #: HOST:PORT at which this broker takes links
        self.process = 0  #: the number by which the others know it; 0 until `begin`
        self.census = Census((), ())  #: as the last beat has found it
        self.counted = 0  #: how many there were
        self._one_beat = asyncio.Lock()  # the last one may come beside one of every second, and there is one connection
        self._is_replaced = False  # another broker has the number

    async def join(self) -> None:
        """Begin a life before the first beat; the tables are there.

        Raises:
            StoreFailed: the database cannot be used.

        """
        connection = await self._connected()
        try:
            await self.begin(connection)
        except StoreFailed:
            raise
        except Exception as error:
            self._drop_connection()
            raise StoreFailed(f"Expected to join the brokers of the database, but found: {reason(error)}") from error

    async def begin(self, connection: Connection) -> None:
        """Begin a life, unless there is one, and get a number that no other broker has."""
        if self.number:
            return
        try:
            async with connection.transaction():
                await connection.row(LOCK)
                await super().begin(connection)
                self.process = await self._numbered(connection)
        except BaseException:
            self.number = 0
            raise

    async def _numbered(self, connection: Connection) -> int:
        found = int((await connection.row(self.statement(_NUMBER), self.broker_id, self.process))["process"])
        if self.process not in (0, found):  # links and tickets name this broker by its number until it stops
            if not self._is_replaced:
                log.error("another broker has the number of this one; start it again", extra={"number": self.process})
            self._is_replaced = True
            raise StoreFailed(
                f"Expected this broker to be number {self.process} still, but found that its row was deleted and another broker"
                " has the number; start this one again"
            )
        if found > PROCESS_MAX:
            raise StoreFailed(
                f"Expected at most {PROCESS_MAX} brokers that have ever used the database, but found more;"
                " delete the rows of those that are gone from the table brokers"
            )
        return found

    async def beat(self) -> None:
        """Beat, after a beat that is under way."""
        async with self._one_beat:
            await super().beat()

    def beat_on(self) -> None:
        """Do nothing: it beats anyway."""

    async def _ask(self, connection: Connection) -> Any:
        """Beat, and take a census. A broker that was declared dead begins a new life first."""
        await self.begin(connection)
        return await connection.row(self.statement(_BEAT), self.broker_id, self.number, self.address, self.links)

    def learn(self, row: Mapping[str, Any], sent: float) -> None:
        """Take what the database said to a beat that was sent then."""
        super().learn(row, sent)
        self.census = Census(_brokers.decode(row["brokers"] or "[]"), _leases.decode(row["leases"] or "[]"))
        self.counted += 1

    def leave(self) -> None:
        """Beat no more."""
        self._drop_connection()


class SharedLease(Lease):
    """The lease of one partition, which this broker takes when `want` says so."""

    def __init__(self, life: SharedLife, partition_id: int) -> None:
        super().__init__(life, partition_id)
        self.life: SharedLife = life
        self._turn: int | None = None  # the epoch from which the lease shall be taken

    def want(self, epoch: int) -> None:
        """Take the lease from this *epoch*: nobody holds it, or whoever does is gone."""
        self._turn = epoch
        self.stop_waiting()

    async def wait_for_turn(self) -> None:
        """Wait for a while until the lease is wanted. One that is held, and whose store has failed, is there for the taking.

        Raises:
            LeaseHeld: it is not.

        """
        if self._turn is None and not self.epoch:
            await self._hear_news()
        if self._turn is None and not self.epoch:
            raise self._refused()

    async def _take(self, connection: Connection) -> Held:
        if self.epoch:
            held = await self.renew(connection)
            if held is None:
                raise self._refused()
            return held
        turn, self._turn = self._turn, None
        if turn is None:
            raise self._refused()
        return await self._claimed(connection, CLAIM, turn, self.leader)

    def _refused(self) -> LeaseHeld:
        found = f"{self.leader} leads it" if self.leader else "it is not this broker's turn"
        return LeaseHeld(f"Expected to lead partition {self.partition_id}, but found that {found}")

    def _hold(self, row: Mapping[str, Any], sent: float) -> Held:
        self._turn = None  # wanted twice, it is taken once
        return super()._hold(row, sent)

    def lose(self) -> None:
        """Lead no more. The next `take` waits for a turn."""
        super().lose()
        self._turn = None
