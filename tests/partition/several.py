"""Several partitions under test behind their router, each on a store in memory that a test can hold up or let fail."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from osmia_broker.base.errors import Overloaded, StoreFailed
from osmia_broker.engine import commands
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Following, OlderIds, OutboxDelivery, Partition, Router
from osmia_broker.state.partitioning import partition_of_text
from osmia_broker.state.rows import BusinessId, Resource
from tests.clock import FakeClock
from tests.partition.opened import WatchedStore, compile_now, steps_only


class CommittedIds:
    """Reads the business ids of stores in memory, as the read side does, and counts the questions."""

    def __init__(self, stores: list[WatchedStore]) -> None:
        self._stores = stores
        self.looks = self.questions = 0
        self.fails = False

    def _misplaced(self, partitions: int) -> list[BusinessId]:
        rows = [(number, row) for number, store in enumerate(self._stores, 1) for row in store.living(BusinessId)]
        return [row for number, row in rows if partition_of_text(row.business_id, partitions) != number]

    async def has_misplaced_ids(self, *, partitions: int) -> bool:
        self.looks += 1
        if self.fails:
            raise Overloaded("Expected a connection, but found none")
        return bool(self._misplaced(partitions))

    async def misplaced_holder(
        self, *, bpmn_process_id: str, process_definition_key: int, business_id: str, partitions: int
    ) -> tuple[str, int] | None:
        del process_definition_key
        self.questions += 1
        wanted = bpmn_process_id, business_id
        found = [one for one in self._misplaced(partitions) if (one.bpmn_process_id, one.business_id) == wanted]
        return (bpmn_process_id, found[0].process_instance_key) if found else None


class Several:
    """The partitions of one broker, with all that they stand on."""

    def __init__(self, stores: list[WatchedStore], **options: Any) -> None:
        self.stores, self.clock = stores, FakeClock()
        options = {"compiler": compile_now, "budget": steps_only(), **options}
        self.parts = [
            Partition(
                store, self.clock, PartitionCounters(number), partition_id=number, partitions=len(stores), **options
            )
            for number, store in enumerate(stores, 1)
        ]
        first, *others = self.parts
        self.following = Following(first, others, self.clock, self._contents)
        self.delivery = OutboxDelivery(self.parts, self.parts, self.following)
        self.ids = CommittedIds(stores)
        older_ids = OlderIds(self.ids, len(stores)) if options.get("unique_business_ids") else None
        self.router = Router(self.parts, self.following, self.delivery, older_ids=older_ids)
        self.do: Callable[[commands.Command], Any] = self.router.submit

    async def _contents(self, checksums: Iterable[str]) -> dict[str, bytes]:
        kept = self.stores[0].values[Resource]
        return {checksum: kept[checksum,][1] for checksum in checksums}

    async def settled(self) -> None:
        """Wait until no partition has anything to do."""
        while not self.router.is_at_rest:
            await asyncio.sleep(0)

    async def advance(self, ms: int) -> None:
        """Move the clock; on return, everything that is due then is done."""
        self.clock.ms += ms
        self.router.check_clock()
        await self.settled()

    def fail_commit(self, nth: int, *, after: bool) -> list[WatchedStore]:
        """Let the *nth* commit of all stores from now on fail; with *after*, it takes effect nevertheless. The list has the store of each commit."""
        commits: list[WatchedStore] = []

        def fail_at(store: WatchedStore) -> None:
            def before_write() -> None:
                commits.append(store)
                if len(commits) == nth:
                    store.fails, store.fails_after = StoreFailed("Expected a disk, but found none"), after

            store.before_write = before_write

        for store in self.stores:
            fail_at(store)
        return commits

    def rows(self, row_type: type) -> list[list[Any]]:
        """The committed rows of one kind, by partition."""
        return [store.rows(row_type) for store in self.stores]


@asynccontextmanager
async def several(stores: list[WatchedStore] | int = 3, **options: Any) -> AsyncIterator[Several]:
    """Open so many partitions, or those on *stores*, which may have rows already."""
    it = Several([WatchedStore() for _ in range(stores)] if isinstance(stores, int) else stores, **options)
    for one in it.parts:
        await one.open()
    await it.router.opened()
    try:
        yield it
    finally:
        for store in it.stores:
            store.may_write.set()
        await it.router.close()
        for one in it.parts:
            await one.close()
