"""Several processes of one broker, played in one event loop: each leads every N-th partition, and reaches the others over real links."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from osmia_broker.links import Links, PeerIdentity, UnixPlace
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import (
    AnyPartition,
    Clock,
    Following,
    FollowingElsewhere,
    OutboxDelivery,
    Partition,
    Peers,
    RemotePartition,
    Router,
    Serving,
)
from osmia_broker.running.share import Share
from osmia_broker.state.rows import Resource
from osmia_broker.state.store_protocol import Store
from tests.links.wire import CLUSTER
from tests.patience import ANSWER_S


class Process:
    """One process: what it leads, and its ways to the others. *kept* are the values of the store of partition 1."""

    def __init__(self, share: Share, stores: Sequence[Any], clock: Clock, folder: Path, **options: Any) -> None:
        self.share, self._folder = share, folder
        self.serving = Serving()
        self.links = Links(PeerIdentity(CLUSTER, share.process, 1, len(stores)), self.serving.rpcs())
        self.own = {
            number: Partition(
                store, clock, PartitionCounters(number), partition_id=number, partitions=len(stores), **options
            )
            for number, store in enumerate(stores, 1)
            if share.leads(number)
        }
        self.remotes = {
            number: RemotePartition(number, share.process_of(number), self.links)
            for number in range(1, len(stores) + 1)
            if number not in self.own
        }
        self.parts: list[AnyPartition] = [
            self.own.get(number) or self.remotes[number] for number in range(1, len(stores) + 1)
        ]

        async def contents(checksums: Iterable[str]) -> dict[str, bytes]:
            return {checksum: stores[0].values[Resource][checksum,][1] for checksum in checksums}

        leading = Following(self.own[1], self.parts[1:], clock, contents) if 1 in self.own else None
        self.following = leading or FollowingElsewhere(self.own)
        self.router = Router(self.parts, self.following, OutboxDelivery(self.own.values(), self.parts, self.following))
        self.serving.begin(self.own.values(), self.router, leading)
        told = self.following if isinstance(self.following, FollowingElsewhere) else None
        self.peers = Peers(self.links, self.remotes.values(), told)

    def _place(self, process: int) -> UnixPlace:
        return UnixPlace(self._folder / f"{process}.sock")

    async def start(self) -> None:
        await self.links.listen(self._place(self.share.process))
        for other in self.share.others():
            if other > self.share.process:
                self.links.dial(other, self._place(other))
        self.peers.start()
        for one in self.own.values():
            await one.open()

    async def stop(self) -> None:
        await self.router.close()
        for one in self.own.values():
            await one.close()
        await self.peers.stop()
        await self.links.stop(0)


class Processes:
    """All processes of a broker, as if they were one: commands are given to *front*, the number of one of them."""

    def __init__(
        self, folder: Path, stores: Sequence[Store], clock: Clock, *, number: int, front: int, **options: Any
    ) -> None:
        self.all = [Process(Share(n, number), stores, clock, folder, **options) for n in range(1, number + 1)]
        self.front = self.all[front - 1]
        self.submit = self.front.router.submit
        self.add_listener = self.front.router.add_listener
        self.forget_result = self.front.router.forget_result

    @property
    def parts(self) -> Sequence[AnyPartition]:
        """The partitions, as the front sees them."""
        return self.front.parts

    @property
    def led(self) -> list[Partition]:
        """The partitions themselves, in order of their numbers."""
        return [partition for _, partition in sorted({n: p for one in self.all for n, p in one.own.items()}.items())]

    def check_clock(self) -> int | None:
        moments = [one.check_clock() for one in self.led]
        return min((ms for ms in moments if ms is not None), default=None)

    @property
    def is_at_rest(self) -> bool:
        return all(one.router.is_at_rest for one in self.all)

    async def start(self) -> None:
        """Start all; on return each can use all partitions."""
        for one in self.all:
            await one.start()
        async with asyncio.timeout(ANSWER_S):
            while not (self.is_at_rest and all(part.is_open for one in self.all for part in one.parts)):
                await asyncio.sleep(0)

    async def settled(self) -> None:
        async with asyncio.timeout(ANSWER_S):
            while not self.is_at_rest:
                await asyncio.sleep(0)

    async def close(self) -> None:
        for one in reversed(self.all):
            await one.stop()


@asynccontextmanager
async def processes(
    folder: Path, stores: Sequence[Any], clock: Clock, *, number: int = 2, front: int = 2, **options: Any
) -> AsyncIterator[Processes]:
    """Play *number* processes over *stores*, one store for each partition."""
    it = Processes(folder, stores, clock, number=number, front=front, **options)
    await it.start()
    try:
        yield it
    finally:
        await it.close()
