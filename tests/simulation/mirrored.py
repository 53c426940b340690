"""Real stores, each with a copy in memory that says what it has to answer, and that a test can look at and let fail."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from osmia_broker.state.rows import INSTANCE_KINDS
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import Changes, Loaded, Start, Store, Wanted, Written
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.partition.opened import WatchedStore


class MirroredStore(WatchedStore):
    """A real store and its copy. A failure comes as if the connection broke: before the commit, or after it."""

    def __init__(self, real: Store) -> None:
        super().__init__()
        self.real = real

    async def open(self) -> Start:
        meant, found = await super().open(), await self.real.open()
        self.next_key = self.next_key or found.next_key  # a new store knows the first key of its partition
        same("the next key", self.next_key, found.next_key)
        for row_type, rows in meant.definitions.items():
            same(row_type.__name__, _sorted(rows), _sorted(found.definitions[row_type]))
        same("the next time", meant.next_due_ms, found.next_due_ms)
        same("the jobs that are held", sorted(meant.held), sorted(found.held))
        return found

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        if changes is None or self.fails is None or self.fails_after:
            written = await self.real.write(changes, wanted)
        meant = await super().write(changes, wanted)
        if meant.loaded is not None:
            assert written.loaded is not None
            self._compare(meant.loaded, written.loaded)
        return written

    async def close(self) -> None:
        await super().close()
        await self.real.close()

    async def check(self) -> None:
        """Check that both have the same living rows."""
        keys = {
            (kind.row_type, row.key)
            for kind in INSTANCE_KINDS
            if "key" in kind.columns
            for row in self.living(kind.row_type)
        }
        if keys:
            await self.real.open()
            self.is_open = True
            await self.write(None, Wanted(frozenset(keys)))
            await self.close()

    def _compare(self, meant: Loaded, found: Loaded) -> None:
        same("unreadable rows", {}, found.unreadable)
        same("the instances", sorted(meant.instances), sorted(found.instances))
        for key, rows in meant.instances.items():
            given = found.instances[key]
            for row_type in {*rows, *given}:
                same(row_type.__name__, _sorted(rows.get(row_type, ())), _sorted(given.get(row_type, ())))
        for name in ("resources", "windows", "due", "matches", "fair_keys"):
            same(name, getattr(meant, name), getattr(found, name))


def same(what: str, meant: Any, found: Any) -> None:
    """Check that a real store says what its copy says."""
    assert meant == found, f"{what}: expected {meant}, but the store has {found}"


def _sorted(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: tuple(getattr(row, name) for name in KINDS[type(row)].primary_key))


@asynccontextmanager
async def mirrored(kind: str, partitions: int) -> AsyncIterator[list[WatchedStore]]:
    """Make the stores of so many partitions: of the kind `memory`, `sqlite` or `postgres`; in the end, judge real ones."""
    if kind == "memory":
        yield [WatchedStore() for _ in range(partitions)]
        return
    numbers = range(1, partitions + 1)
    async with AsyncExitStack() as stack:
        if kind == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            real: list[Store] = [SqliteStore(folder / f"partition-{one}.db", partition_id=one) for one in numbers]
        else:
            url = stack.enter_context(postgres.database(partitions=partitions))
            real = [*postgres.stores(url, partitions=partitions, **postgres.STILL)]
        stores = [MirroredStore(one) for one in real]
        for one in stores:
            stack.push_async_callback(one.close)
        yield [*stores]
        for one in stores:
            await one.check()
