"""What a snapshot that somebody holds does to commits: a reader begins a transaction, and stays in it while thousands of commits come.

    python -m bench held [--commits 30000] [--every 5000]

Each store commits instances that wait at a job, and then that their jobs are done. Two stores of each kind take turns, one of which has the reader. What is
told are medians of single commits, and their ratio, after so many commits; at the end the reader leaves, and once more is told.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench._postgres import newest
from osmia_broker.state.rows import JobState
from osmia_broker.state.store_protocol import Store
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows

COUNTED = 300  # commits of each store that are measured at a time


class Writing:
    """A store that is written, and the number of its last commit."""

    def __init__(self, store: Store) -> None:
        self._store, self._number = store, 0

    async def open(self) -> None:
        """Open the store."""
        await self._store.open()
        await self._store.write(rows.changes(*rows.DEPLOYED), None)

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def commit(self) -> float:
        """Commit a new instance, or that one has ended; return the milliseconds that it took."""
        self._number += 1
        number, is_end = (self._number + 1) // 2, self._number % 2 == 0
        some: Any = rows.instance(number)
        if is_end:
            some = [replace(one, ended_ms=99) for one in some if hasattr(one, "ended_ms")]
            some[-1] = replace(some[-1], state=JobState.COMPLETED)
        changes = rows.changes(*some, next_key=rows.BASE + (number + 1) * 1_000)
        begun = time.perf_counter()
        await self._store.write(changes, None)
        return (time.perf_counter() - begun) * 1e3


async def measured(name: str, after: int, pair: list[Writing]) -> None:
    taken: list[list[float]] = [[], []]
    for _ in range(COUNTED):
        for place, one in enumerate(pair):
            taken[place].append(await one.commit())
    free, held = map(statistics.median, taken)
    print(f"{name:<12}{after:>8}{free:>9.3f}{held:>9.3f}{held / free:>7.2f}", flush=True)


async def measure(name: str, pair: list[Writing], commits: int, every: int, hold: Any, leave: Any) -> None:
    for one in pair:
        await one.open()
        for _ in range(COUNTED):
            await one.commit()
    await hold()
    for after in range(0, commits + 1, every):
        await measured(name, after, pair)
        for _ in range(every - COUNTED if after < commits else 0):
            await pair[1].commit()
            await pair[0].commit()
    await leave()
    await measured(name, -1, pair)
    for one in pair:
        await one.close()


async def on_sqlite(folder: Path, commits: int, every: int) -> None:
    paths = [folder / "free.db", folder / "held.db"]
    reader: list[sqlite3.Connection] = []

    async def hold() -> None:
        reader.append(sqlite3.connect(paths[1], isolation_level=None))
        reader[0].execute("BEGIN")
        reader[0].execute("SELECT count(*) FROM jobs").fetchone()

    async def leave() -> None:
        print(f"{'':<12}{paths[1].with_name('held.db-wal').stat().st_size / 1e6:.0f} MB of log")
        reader.pop().close()

    await measure("sqlite", [Writing(SqliteStore(path)) for path in paths], commits, every, hold, leave)
    print(f"{'':<12}{(folder / 'free.db').stat().st_size / 1e6:.0f} MB")


async def on_postgres(commits: int, every: int) -> None:
    server = newest()
    try:
        urls = [server.new_database() for _ in range(2)]
        reader: list[Any] = []

        async def hold() -> None:
            reader.append(await postgres.connected(urls[1]))
            await reader[0].execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await reader[0].fetch("SELECT count(*) FROM jobs")

        async def leave() -> None:
            await reader.pop().close()

        pair = [Writing(postgres.store(url)) for url in urls]
        await measure("postgresql", pair, commits, every, hold, leave)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=30_000)
    parser.add_argument("--every", type=int, default=5_000)
    options = parser.parse_args()
    print(f"{'':<12}{'after':>8}{'free ms':>9}{'held ms':>9}{'ratio':>7}")
    with tempfile.TemporaryDirectory(prefix="osmia-") as folder:
        asyncio.run(on_sqlite(Path(folder), options.commits, options.every))
    asyncio.run(on_postgres(options.commits, options.every))


if __name__ == "__main__":
    main()
