"""The lease of a partition: one broker leads it, in an epoch that every commit names; the others watch whether it lives.

Safety comes from the epoch alone. A broker that takes the lease raises the epoch, and from then on no commit of the broker before it writes
a row. So a lease may be taken at any time without harm, and the watching is only politeness:

- every broker raises its beat once a second
- a watcher calls a leader dead when the beat has stood still for TTL_S of the watcher's own clock, while the watcher could read
- a leader whose address refuses three times in a row is dead at once: its process is gone, and its machine says so

No clock of the database is asked, so neither a failover nor a clock that is put right takes a lease away. After an outage of the database
every watcher begins to count anew.

A leader that was confirmed neither by a commit nor by a beat for TTL_S gives up leading: it answers nothing any more, not even with a
refusal or an empty list, because another broker may lead already.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from osmia_broker.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres.connection import Connection, Server

BEAT_S = 1.0  # between beats of a broker, and between looks of a watcher
TTL_S = (
    5.0  # a leader that has not been confirmed for so long gives up; one that has not been seen for so long is replaced
)
REFUSALS = 3  # of a leader's address, one a look, after which it counts as gone
PROBE_S = 0.3  # how long a look waits for a leader's address

_CLAIM = (
    "UPDATE partition SET epoch = epoch + 1, owner = $2, incarnation = $3 WHERE id = $1 AND epoch = $4"
    " RETURNING epoch, batch, next_key"
)
_RENEW = (
    "UPDATE partition SET epoch = epoch + 1 WHERE id = $1 AND epoch >= $2 AND owner = $3 AND incarnation = $4"
    " RETURNING epoch, batch, next_key"
)
_RELEASE = "UPDATE partition SET epoch = epoch + 1, owner = '' WHERE id = $1 AND epoch = $2"
_LOOK = (
    "SELECT p.epoch, p.owner, p.incarnation, b.beat, b.address, b.incarnation AS living FROM partition p"
    " LEFT JOIN brokers b ON b.id = p.owner WHERE p.id = $1"
)
_BEGIN = (
    "INSERT INTO brokers (id, incarnation, address, beat) VALUES ($1, 1, '', 0)"
    " ON CONFLICT (id) DO UPDATE SET incarnation = brokers.incarnation + 1, address = '', beat = 0 RETURNING incarnation"
)
_BEAT = (
    "WITH mine AS (UPDATE brokers SET beat = beat + 1, address = $3 WHERE id = $1 AND incarnation = $2 RETURNING 1)"
    " SELECT (SELECT count(*) FROM mine) AS beats, (SELECT owner = $1 AND incarnation = $2 FROM partition WHERE id = $4) AS leads"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as the database knew it when it was taken: its epoch, the number of the last commit, the partition's next key."""

    epoch: int
    batch: int
    next_key: int


@dataclass(slots=True)
class _Watch:
    """A leader that somebody else is, and since when it has not moved."""

    life: tuple[str, int, int]  # owner, incarnation, epoch
    beat: int
    since: float
    refusals: int = 0


class Lease:
    """The lease of one partition, from the side of the broker *broker_id*. *clock* is a monotonic clock in seconds."""

    def __init__(
        self,
        server: Server,
        broker_id: str,
        partition_id: int,
        *,
        clock: Callable[[], float] = monotonic,
        ttl_s: float = TTL_S,
        beat_s: float = BEAT_S,
    ) -> None:
        self.address = ""  #: HOST:PORT of the broker, once it is known
        self.when_lost: Callable[[StoreFailed], None] | None = None  #: is called when another broker leads, or may lead
        self._server = server
        self._broker_id, self._partition_id = broker_id, partition_id
        self._clock, self._ttl_s, self._beat_s = clock, ttl_s, beat_s
        self._incarnation = 0  # 0 until the first claim, and after this life was declared dead
        self._epoch = 0
        self._confirmed = 0.0  # when the last statement was sent that proved the lease
        self._watch: _Watch | None = None
        self._beating: asyncio.Task[None] | None = None
        self._connection: Connection | None = None  # for the beats alone, so that they go on during a long commit

    @property
    def epoch(self) -> int:
        """The epoch that this broker leads in; 0 if it does not."""
        return self._epoch

    def leads(self) -> bool:
        """Whether no other broker can lead now, by the own clock."""
        return self._epoch != 0 and self._clock() < self._confirmed + self._ttl_s

    def confirm(self, sent: float) -> None:
        """Take note that a statement that was sent then has proved the lease."""
        self._confirmed = max(self._confirmed, sent)

    def now(self) -> float:
        """Return the time for `confirm`."""
        return self._clock()

    # --- taking

    async def take(self, connection: Connection) -> Held:
        """Take the lease, or look once more whether its holder lives.

        Raises:
            LeaseHeld: another broker leads, and has been seen to live, or not long enough to be dead.

        """
        try:
            return await self._take(connection)
        except LeaseHeld:
            raise
        except Exception:
            self.saw_nothing()
            raise

    def saw_nothing(self) -> None:
        """Begin to watch anew: while the database was away, nobody could see a leader's beats."""
        self._watch = None

    async def _take(self, connection: Connection) -> Held:
        if not self._incarnation:
            self._incarnation = (await connection.row(_BEGIN, self._broker_id))["incarnation"]
        seen = await connection.row(_LOOK, self._partition_id)
        if seen["owner"] not in ("", self._broker_id) and await self._lives(seen):
            raise LeaseHeld(
                f"Expected to lead partition {self._partition_id}, but found that broker '{seen['owner']}' leads it"
                + (f" at {seen['address']}" if seen["address"] else "")
            )
        sent = self._clock()
        row = await connection.row(_CLAIM, self._partition_id, self._broker_id, self._incarnation, seen["epoch"])
        if row is None:
            raise LeaseHeld(
                f"Expected to lead partition {self._partition_id}, but found that another broker was quicker"
            )
        if seen["owner"] not in ("", self._broker_id):
            log.warning("leadership taken over", extra={"partition": self._partition_id, "from": seen["owner"]})
        return self._hold(Held(row["epoch"], row["batch"], row["next_key"]), sent)

    async def renew(self, connection: Connection) -> Held | None:
        """Begin a new epoch of the own lease. Waits for a commit of the old one that is still under way. None if the lease is lost.

        The epoch may be later than the one that is known: the answer of an earlier `renew` may have been lost too.
        """
        sent = self._clock()
        row = await connection.row(_RENEW, self._partition_id, self._epoch, self._broker_id, self._incarnation)
        if row is None:
            self.lose()
            return None
        return self._hold(Held(row["epoch"], row["batch"], row["next_key"]), sent)

    def _hold(self, held: Held, sent: float) -> Held:
        self._epoch, self._watch = held.epoch, None
        self.confirm(sent)
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat_on())
        return held

    async def _lives(self, seen: Mapping[str, Any]) -> bool:
        """Whether the leader may live, as far as this broker has watched it."""
        life, beat = (seen["owner"], seen["incarnation"], seen["epoch"]), seen["beat"] or 0
        if seen["living"] != seen["incarnation"]:
            return False  # that life of the broker has ended, and a later one does not lead
        watch = self._watch
        if watch is None or watch.life != life:
            self._watch = _Watch(life, beat, self._clock())
            return True
        if watch.beat != beat:
            watch.beat, watch.since, watch.refusals = beat, self._clock(), 0
            return True
        watch.refusals = watch.refusals + 1 if seen["address"] and await refuses(seen["address"]) else 0
        return watch.refusals < REFUSALS and self._clock() < watch.since + self._ttl_s

    # --- holding

    async def _beat_on(self) -> None:
        """Raise the own beat again and again, until the lease is lost."""
        try:
            while self._epoch:
                await asyncio.sleep(self._beat_s)
                if self._epoch:
                    await self.beat()
        finally:
            self._drop_connection()

    async def beat(self) -> None:
        """Tell the others that this broker lives, and learn whether it leads; without an answer, the time that is left decides."""
        sent = self._clock()
        try:
            if self._connection is None or not self._connection.is_open:
                self._connection = await self._server.connect()
            row = await self._connection.row(
                _BEAT, self._broker_id, self._incarnation, self.address, self._partition_id
            )
        except Exception as error:  # noqa: BLE001 - the database is away
            log.debug("no beat", extra={"error": str(error)})
            self._drop_connection()
        else:
            self._learn(row, sent)
        self.check()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _learn(self, row: Mapping[str, Any], sent: float) -> None:
        if not row["beats"]:
            self._incarnation = 0
            self._lost("this broker was declared dead")
        elif row["leads"]:
            self.confirm(sent)
        elif self._epoch:
            self._lost("another broker has taken the partition over")

    def check(self) -> None:
        """Give up leading if nothing has confirmed the lease for too long."""
        if self._epoch and not self.leads():
            self._lost(f"nothing has confirmed that for {self._ttl_s:g} s")

    def _lost(self, found: str) -> None:
        self.lose()
        if self.when_lost is not None:
            self.when_lost(StoreFailed(f"Expected to lead partition {self._partition_id}, but found that {found}"))

    def lose(self) -> None:
        """Lead no more. The next `take` begins anew."""
        self._epoch = 0

    async def release(self, connection: Connection | None) -> None:
        """Let another broker lead at once, and stop beating. Whether the database hears of it does not matter."""
        epoch, self._epoch = self._epoch, 0
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
            self._beating = None
        if connection is not None and epoch:
            with suppress(Exception):
                await connection.row(_RELEASE, self._partition_id, epoch)


async def refuses(address: str) -> bool:
    """Whether nobody listens at HOST:PORT, on a machine that is there to say so."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    return False
