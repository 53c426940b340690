"""The stage of a random model: one partition, or several behind their router, each on a store of its own."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from contextlib import asynccontextmanager
from typing import Any

from osmia_broker.engine import commands
from osmia_broker.partition import Partition
from osmia_broker.state.rows import DEFINITION_TYPES, Job
from osmia_broker.state.tables.definitions import Definitions
from tests.partition.opened import Opened, WatchedStore, opened
from tests.partition.several import Several, several
from tests.simulation.invariants import check_memory, check_rows


class Stage:
    """Partitions with their stores, and one clock."""

    def __init__(self, it: Opened | Several, parts: Sequence[Partition], stores: Sequence[WatchedStore]) -> None:
        self._it, self._parts, self.stores = it, parts, stores
        self.now_ms = it.clock.now_ms

    def do(self, command: commands.Command) -> Any:
        """Send a command where it belongs. Jobs are asked for in the partition that has the oldest."""
        if isinstance(command, commands.ActivateJobs):
            having = (one for one, store in zip(self._parts, self.stores, strict=True) if store.living(Job))
            return next(having, self._parts[0]).submit(command)
        return self._it.do(command)

    @property
    def definitions(self) -> Definitions:
        return self._parts[0].state.definitions

    def living(self, row_type: type) -> list[Any]:
        """The living rows of one kind. Those that all partitions have alike are there once."""
        stores = self.stores[:1] if row_type in DEFINITION_TYPES else self.stores
        return [row for store in stores for row in store.living(row_type)]

    def rows(self, row_type: type) -> list[Any]:
        """All rows of one kind, ended ones too."""
        stores = self.stores[:1] if row_type in DEFINITION_TYPES else self.stores
        return [row for store in stores for row in store.rows(row_type)]

    def row(self, row_type: type, key: int) -> Any:
        """The row with this key, or None."""
        found = (store.row(row_type, key) for store in self.stores)
        return next((row for row in found if row is not None), None)

    async def settled(self) -> None:
        """Wait until all partitions are open and have nothing to do now."""
        while not all(one.is_open for one in self._parts):
            await asyncio.sleep(0)
        await self._it.settled()

    async def advance(self, ms: int) -> None:
        """Move the clock; on return, everything that is due then is done."""
        await self._it.advance(ms)

    def check(self, idle: Container[str]) -> None:
        """Check all rules that hold between two commands. Elements with the ids *idle* may wait for somebody to activate something in them."""
        for partition, store in zip(self._parts, self.stores, strict=True):
            check_rows(store, idle)
            check_memory(partition, store)


@asynccontextmanager
async def staged(stores: Sequence[WatchedStore], **options: Any) -> AsyncIterator[Stage]:
    """Open the partitions on *stores*."""
    if len(stores) == 1:
        async with opened(stores[0], **options) as it:
            yield Stage(it, [it.partition], stores)
    else:
        async with several([*stores], **options) as some:
            yield Stage(some, some.parts, stores)
