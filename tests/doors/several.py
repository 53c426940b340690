"""Doors into several partitions in memory, led by one process or by two."""

from pathlib import Path
from typing import Any

from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Following, OutboxDelivery, Partition, Router
from osmia_broker.state.rows import Resource
from osmia_broker.state.tables.definitions import Definitions
from tests.doors.engine import EngineDoor
from tests.doors.seen import SeenJob
from tests.memory_store import MemoryStore
from tests.partition.processes import Processes
from tests.patience import settle


class SeveralDoor(EngineDoor):
    """So many partitions behind their router, in memory."""

    def __init__(self, partitions: int) -> None:
        self._stores = [MemoryStore() for _ in range(partitions)]
        super().__init__(self._stores[0])

    def _opened(self) -> Any:
        async def contents(checksums: Any) -> dict[str, bytes]:
            return {checksum: self._stores[0].values[Resource][checksum,][1] for checksum in checksums}

        async def opened() -> Router:
            parts = [
                Partition(
                    store,
                    self.clock,
                    PartitionCounters(number),
                    partition_id=number,
                    partitions=len(self._stores),
                )
                for number, store in enumerate(self._stores, 1)
            ]
            following = Following(parts[0], parts[1:], self.clock, contents)
            router = Router(parts, following, OutboxDelivery(parts, parts, following))
            for one in parts:
                await one.open()
            await settle(router)
            return router

        return self.runner.run(opened())

    def close(self) -> None:
        async def closed() -> None:
            await self.partition.close()
            for one in self.partition.parts:
                await one.close()

        self.runner.run(closed())
        self.runner.close()

    @property
    def definitions(self) -> Definitions:
        return self.partition.parts[0].state.definitions

    def activate(self, type: str, max_jobs: int, timeout_ms: int, names: tuple[str, ...] = ()) -> list[SeenJob]:
        router, found = self.partition, []
        for one in router.parts:
            self.partition = one
            found += super().activate(type, max_jobs - len(found), timeout_ms, names) if len(found) < max_jobs else []
        self.partition = router
        return found

    def rows(self, row_type: type) -> list[Any]:
        return [row for store in self._stores for row in store.living(row_type)]


class ProcessesDoor(SeveralDoor):
    """Three partitions that two processes lead; commands reach them through the second process, which does not lead the first partition."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(3)

    def _opened(self) -> Any:
        async def opened() -> Processes:
            made = Processes(self._folder, self._stores, self.clock, number=2, front=2)
            await made.start()
            return made

        return self.runner.run(opened())

    def close(self) -> None:
        self.runner.run(self.partition.close())
        self.runner.close()

    @property
    def definitions(self) -> Definitions:
        return self.partition.led[0].state.definitions
