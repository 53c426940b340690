"""The lease of a partition: one broker leads it, in an epoch that every commit names; the others watch whether it lives.

Each partition has one. Brokers without links go by the rule of this module: who leads partition 1 leads all, takes the others after the first, and
gives them up with it. So of several that start at once, one leads everything. The others are taken without watching, because whoever still holds one
of them has lost the first, or is dead. Brokers with links lead a part each (`sharing.py`).

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
from typing import Any

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.store.postgres.connection import Connection
from osmia_broker.store.postgres.life import Life
from osmia_broker.store.postgres.probe import REFUSALS, Found, probe

CLAIM = (
    "UPDATE {leases} SET epoch = epoch + 1, owner = $2, incarnation = $3 WHERE id = $1 AND epoch = $4"
    " RETURNING epoch, batch, next_key, ctid AS place"
)
_CLAIM_BESIDE_FIRST = (
    "UPDATE {leases} SET epoch = epoch + 1, owner = $2, incarnation = $3 WHERE id = $1 AND epoch = $4"
    " AND EXISTS (SELECT FROM {leases} AS first WHERE first.id = 1 AND first.owner = $2 AND first.incarnation = $3)"
    " RETURNING epoch, batch, next_key, ctid AS place"
)
_RENEW = (
    "UPDATE {leases} SET epoch = epoch + 1 WHERE id = $1 AND epoch >= $2 AND owner = $3 AND incarnation = $4"
    " RETURNING epoch, batch, next_key, ctid AS place"
)
_FIND = "SELECT ctid AS place FROM {leases} WHERE id = $1 AND epoch = $2"
_RELEASE = "UPDATE {leases} SET epoch = epoch + 1, owner = '' WHERE id = $1 AND epoch = $2"
_LOOK = (
    "SELECT p.epoch, p.owner, p.incarnation, b.beat, b.address, b.incarnation AS living FROM {leases} p"
    " LEFT JOIN {brokers} b ON b.id = p.owner WHERE p.id = $1"
)

#: The place of a row in its table: the page, and the number there. Each change gives the row another one.
Place = tuple[int, int]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as the database knew it when it was taken.

    That is its epoch, the number of the last commit, the partition's next key, and the place of the lease's row.
    """

    epoch: int
    batch: int
    next_key: int
    place: Place


@dataclass(slots=True)
class _Watch:
    """A leader that somebody else is, and since when it has not moved."""

    life: tuple[str, int, int]  # owner, incarnation, epoch
    beat: int
    since: float
    refusals: int = 0


class Lease:
    """The lease of one partition, from the side of the broker that lives this *life*; *first* is that of partition 1, for all others."""

    def __init__(self, life: Life, partition_id: int = 1, first: "Lease | None" = None) -> None:
        self.life = life
        self.partition_id = partition_id
        self.when_lost: Callable[[StoreFailed], None] | None = None  #: is called when another broker leads, or may lead
        self.leader = ""  #: who was seen to lead instead, for people
        self._first = first
        self._others: list[Lease] = []  # of a first one: those that go with it
        self._epoch = 0
        self._is_serving = False  # the partition has been read since the lease was taken
        self._taken = 0.0  # when the last claim was answered
        self._confirmed = 0.0  # when the last statement was sent that proved the lease
        self._watch: _Watch | None = None
        self._news = asyncio.Event()  # the turn may have come, or nobody waits for it any longer
        life.leases.append(self)
        if first is not None:
            first._others.append(self)  # noqa: SLF001 - of its own kind

    @property
    def epoch(self) -> int:
        """The epoch that this broker leads in; 0 if it does not."""
        return self._epoch

    def leads(self) -> bool:
        """Whether no other broker can lead now, by the own clock."""
        return self._epoch != 0 and self.now() < self._confirmed + self.life.ttl_s

    def confirm(self, sent: float) -> None:
        """Take note that a statement that was sent then has proved the lease."""
        self._confirmed = max(self._confirmed, sent)

    def now(self) -> float:
        """Return the time for `confirm`."""
        return self.life.clock()

    def was_held(self, sent: float) -> bool:
        """Whether it is held, and was when a statement was sent then: the statement must have seen it."""
        return self._epoch != 0 and self._taken <= sent

    # --- taking

    async def take(self, connection: Connection) -> Held:
        """Take the lease, or look once more whether its holder lives.

        Raises:
            LeaseHeld: another broker leads, and has been seen to live, or not long enough to be dead; or it leads partition 1.

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

    async def wait_for_turn(self) -> None:
        """Wait for a while until this broker may lead: until partition 1 is led here, and its rows are read.

        Raises:
            LeaseHeld: it is not.

        """
        if self._first is None or self._first.is_serving:
            return
        await self._hear_news()
        self._refuse_without_first()

    async def _hear_news(self) -> None:
        """Wait for `stop_waiting`, for a while."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.life.patience_s):
                await self._news.wait()

    def stop_waiting(self) -> None:
        """Let nobody wait for the turn of this broker any longer."""
        self._news.set()

    @property
    def is_serving(self) -> bool:
        """Whether the lease is held, and the partition was read since it was taken."""
        return self._epoch != 0 and self._is_serving

    def serve(self) -> None:
        """Take note that the partition has been read: the others may be led here, too."""
        self._is_serving = True
        for other in self._others:
            other.stop_waiting()

    def _refuse_without_first(self) -> None:
        if self._first is None or self._first.is_serving:
            return
        found = (
            f"{self._first.leader} leads partition 1" if self._first.leader else "this one does not lead partition 1"
        )
        raise LeaseHeld(
            f"Expected to lead partition {self.partition_id} beside partition 1, as one broker leads all, but found that {found}"
        )

    async def _take(self, connection: Connection) -> Held:
        self._refuse_without_first()
        if self._first is None:
            await self.life.begin(connection)
        seen = await connection.row(self.life.statement(_LOOK), self.partition_id)
        is_of_another = seen["owner"] not in ("", self.life.broker_id)
        if is_of_another and self._first is None and await self._lives(seen):
            self.leader = f"broker '{seen['owner']}'" + (f" at {seen['address']}" if seen["address"] else "")
            raise LeaseHeld(f"Expected to lead partition {self.partition_id}, but found that {self.leader} leads it")
        claim = CLAIM if self._first is None else _CLAIM_BESIDE_FIRST
        return await self._claimed(connection, claim, seen["epoch"], seen["owner"] if is_of_another else "")

    async def _claimed(self, connection: Connection, claim: str, epoch: int, from_broker: str) -> Held:
        """Begin the epoch after *epoch*, unless another broker has done that."""
        sent, life = self.now(), self.life
        row = await connection.row(life.statement(claim), self.partition_id, life.broker_id, life.number, epoch)
        if row is None:
            raise LeaseHeld(
                f"Expected to lead partition {self.partition_id}, but found that another broker was quicker"
            )
        self._refuse_without_first()  # it may have been lost meanwhile; then nobody minds this claim
        if from_broker:
            log.warning("leadership taken over", extra={"partition": self.partition_id, "from": from_broker})
        return self._hold(row, sent)

    async def renew(self, connection: Connection) -> Held | None:
        """Begin a new epoch of the own lease. Waits for a commit of the old one that is still under way. None if the lease is lost.

        The epoch may be later than the one that is known: the answer of an earlier `renew` may have been lost too.
        """
        sent = self.now()
        life = self.life
        row = await connection.row(life.statement(_RENEW), self.partition_id, self._epoch, life.broker_id, life.number)
        if row is None or (self._first is not None and not self._first.epoch):
            self.lose()
            return None
        return self._hold(row, sent)

    async def find(self, connection: Connection) -> Place | None:
        """Return where the row of the own lease is now; None if a later epoch has begun."""
        row = await connection.row(self.life.statement(_FIND), self.partition_id, self._epoch)
        return None if row is None else row["place"]

    def _hold(self, row: Mapping[str, Any], sent: float) -> Held:
        held = Held(row["epoch"], row["batch"], row["next_key"], row["place"])
        self._epoch, self._watch, self.leader, self._taken = held.epoch, None, "", self.now()
        self.confirm(sent)
        self.life.beat_on()
        return held

    async def _lives(self, seen: Mapping[str, Any]) -> bool:
        """Whether the leader may live, as far as this broker has watched it."""
        life, beat = (seen["owner"], seen["incarnation"], seen["epoch"]), seen["beat"] or 0
        if seen["living"] != seen["incarnation"]:
            return False  # that life of the broker has ended, and a later one does not lead
        watch = self._watch
        if watch is None or watch.life != life:
            self._watch = _Watch(life, beat, self.now())
            return True
        if watch.beat != beat:
            watch.beat, watch.since, watch.refusals = beat, self.now(), 0
            return True
        watch.refusals = watch.refusals + 1 if seen["address"] and await probe(seen["address"]) is Found.REFUSES else 0
        return watch.refusals < REFUSALS and self.now() < watch.since + self.life.ttl_s

    # --- holding

    def check(self) -> None:
        """Give up leading if nothing has confirmed the lease for too long."""
        if not self.leads():
            self.lost(f"nothing has confirmed that for {self.life.ttl_s:g} s")

    def lost(self, found: str) -> None:
        """Lead no more, if it does, and say so: *found* is the reason."""
        if self._epoch:
            self.lose()
            if self.when_lost is not None:
                self.when_lost(StoreFailed(f"Expected to lead partition {self.partition_id}, but found that {found}"))

    def lose(self) -> None:
        """Lead no more. The next `take` begins anew. Who does not lead partition 1 leads no other one."""
        self._epoch, self._is_serving = 0, False
        for other in self._others:
            other.lost("this broker does not lead partition 1 any more")

    async def release(self, connection: Connection | None) -> None:
        """Let another broker lead at once, and stop beating. Whether the database hears of it does not matter."""
        epoch, self._epoch, self._is_serving = self._epoch, 0, False
        await self.life.stop()
        if connection is not None and epoch:
            with suppress(Exception):
                await connection.row(self.life.statement(_RELEASE), self.partition_id, epoch)
