"""Brokers that share partitions by their leases, played in one event loop over stores in memory: a test says who shall lead, and real links carry the rest."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from osmia_broker.base.errors import LeaseHeld, StoreFailed
from osmia_broker.links import Links, PeerIdentity, UnixPlace
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import (
    Following,
    FollowingAnywhere,
    FollowingElsewhere,
    MovingPartition,
    OutboxDelivery,
    Partition,
    Peers,
    RemotePartition,
    Router,
    Serving,
)
from osmia_broker.state.rows import Resource
from osmia_broker.state.store_protocol import Changes, Start, Wanted, Written
from tests.clock import FakeClock
from tests.links.wire import CLUSTER
from tests.memory_store import MemoryStore
from tests.partition.opened import compile_now, steps_only
from tests.patience import ANSWER_S


class Lease:
    """Who leads a partition, and since which epoch; the rows are there for whoever that is."""

    def __init__(self) -> None:
        self.rows = MemoryStore()
        self.owner = 0
        self.epoch = 0


class LeasedStore:
    """The store of one partition, and whether the broker *me* leads it, as that broker sees it."""

    when_lost: Callable[[StoreFailed], None] | None = None

    def __init__(self, lease: Lease, me: int) -> None:
        self._lease, self._me = lease, me
        self.epoch = 0
        self.may_lead = True  #: by the own clock

    def leads(self) -> bool:
        return self.epoch != 0 and self.may_lead

    async def open(self) -> Start:
        if self._lease.owner != self._me:
            raise LeaseHeld(f"Expected to lead, but found that broker {self._lease.owner} does")
        self._lease.epoch += 1
        self.epoch, self.may_lead = self._lease.epoch, True
        return await self._lease.rows.open()

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        if changes is not None and self._lease.epoch != self.epoch:
            raise StoreFailed("Expected to lead, but found that another broker has taken it over")
        return await self._lease.rows.write(changes, wanted)

    async def close(self) -> None:
        self.epoch = 0


class Sharer:
    """One broker: all partitions, each here or elsewhere."""

    def __init__(self, number: int, leases: list[Lease], clock: FakeClock, folder: Path) -> None:
        self.number, self._folder = number, folder
        self.serving = Serving()
        self.links = Links(PeerIdentity(CLUSTER, number, 1, len(leases)), self.serving.rpcs())
        self.stores = {n: LeasedStore(lease, number) for n, lease in enumerate(leases, 1)}
        options: dict[str, Any] = {"compiler": compile_now, "budget": steps_only(), "partitions": len(leases)}
        self.own = {
            n: Partition(store, clock, PartitionCounters(n), partition_id=n, leadership=store, **options)
            for n, store in self.stores.items()
        }
        remotes = [RemotePartition(n, 0, self.links) for n in self.own]
        self.parts = [MovingPartition(self.own[one.id], one) for one in remotes]

        async def contents(checksums: Iterable[str]) -> dict[str, bytes]:
            return {checksum: leases[0].rows.values[Resource][checksum,][1] for checksum in checksums}

        here, told = Following(self.own[1], self.parts[1:], clock, contents), FollowingElsewhere(self.own)
        self.following = FollowingAnywhere(self.own[1], here, told)
        self.router = Router(self.parts, self.following, OutboxDelivery(self.own.values(), self.parts, self.following))
        self.serving.begin(self.own.values(), self.router, here)
        self.peers = Peers(self.links, remotes, told)

    def place(self, number: int) -> UnixPlace:
        return UnixPlace(self._folder / f"{number}.sock")

    async def start(self, others: Iterable[int]) -> None:
        await self.links.listen(self.place(self.number))
        for other in others:
            if other > self.number:
                self.links.dial(other, self.place(other))
        self.peers.start()
        for one in self.own.values():
            await one.open()

    async def stop(self) -> None:
        await self.router.close()
        for one in self.own.values():
            await one.close()
        self.serving.end()
        await self.peers.stop()
        await self.links.stop(0)


class Sharers:
    """All brokers. At first, the one with the number `owners[n - 1]` leads partition n."""

    def __init__(self, folder: Path, owners: list[int]) -> None:
        self.clock = FakeClock()
        self.leases = [Lease() for _ in owners]
        for lease, owner in zip(self.leases, owners, strict=True):
            lease.owner = owner
        self.all = {n: Sharer(n, self.leases, self.clock, folder) for n in sorted(set(owners))}

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(ANSWER_S):
            while not holds():
                await asyncio.sleep(0)

    def all_know(self) -> bool:
        """Whether all reach all partitions where they are, and nobody lags."""
        return all(
            one.is_open and (one.is_here or one.elsewhere.process == self.leases[one.id - 1].owner)
            for sharer in self.all.values()
            for one in sharer.parts
        ) and not any(sharer.following.lagging for sharer in self.all.values())

    async def start(self) -> None:
        for number, sharer in self.all.items():
            await sharer.start(other for other in self.all if other != number)
        await self.until(self.all_know)

    async def move(self, partition: int, to: int) -> None:
        """Hand a partition over, as planned."""
        lease = self.leases[partition - 1]
        await self.all[lease.owner].own[partition].hand_over()
        lease.owner = to
        self.all[to].own[partition].look()
        await self.until(self.all_know)

    async def take_over(self, partition: int, to: int) -> None:
        """Let another broker lead, while the former leader does not know of it."""
        self.leases[partition - 1].owner = to
        self.all[to].own[partition].look()
        await self.until(lambda: self.all[to].own[partition].is_open)


@asynccontextmanager
async def sharers(folder: Path, owners: list[int]) -> AsyncIterator[Sharers]:
    it = Sharers(folder, owners)
    await it.start()
    try:
        yield it
    finally:
        for one in it.all.values():
            await one.stop()
