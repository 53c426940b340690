"""What a process instance that waits for a person costs: bytes on disk, time to open beside many, CPU to have it back in memory.

    python -m bench waiting [--instances 100000] [--variables '{"guests": 4}'] [--source examples/dinner.bpmn]

A partition without any door makes the instances of `examples/dinner.bpmn`, each at its first user task. Then it is closed and
opened again, as after a restart, and instances are loaded from all over the file in calls of 1, 32 and 128, as commands for cold
instances do. Medians; the file is in the page cache, as it is after a start.
"""

import argparse
import asyncio
import os
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from osmia_broker.calls.documents import parse_variables
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.loadtest.machine import usage
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition, SystemClock
from osmia_broker.state.rows import Job
from osmia_broker.state.store_protocol import Wanted
from osmia_broker.store.read import Reader
from osmia_broker.store.sqlite import SqliteStore

AT_A_TIME = 128
LOADS = 60
ROOT = Path(__file__).parent.parent


def partition(path: Path) -> Partition:
    return Partition(SqliteStore(path), SystemClock(), PartitionCounters(1))


def memory_mb() -> float:
    return usage(os.getpid()).rss_bytes / 1e6


async def fill(path: Path, model: tuple[str, bytes], variables: str, instances: int) -> tuple[float, int]:
    """Make the instances; seconds it took, and the most bytes the files had meanwhile."""
    made = partition(path)
    await made.open()
    deployed = await made.submit(commands.DeployResources(compile_resources([model])))
    (process,) = deployed.processes
    create = commands.CreateProcessInstance("", -1, process.key, parse_variables(variables))
    begun, most = time.perf_counter(), 0
    for first in range(0, instances, AT_A_TIME):
        await asyncio.gather(*(made.submit(create) for _ in range(min(AT_A_TIME, instances - first))))
        most = max(most, bytes_of(path))
    seconds = time.perf_counter() - begun
    await made.close()
    return seconds, most


def bytes_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


async def opening(path: Path) -> tuple[float, float]:
    """Seconds until a partition on this file is open, and until it has committed something."""
    opened = partition(path)
    begun = time.perf_counter()
    await opened.open()
    open_s = time.perf_counter() - begun
    await opened.submit(commands.ActivateJobs("io.camunda.zeebe:userTask", "bench", 1_000, 1, ()))
    first_s = time.perf_counter() - begun
    await opened.close()
    return open_s, first_s


async def loading(path: Path, at_once: int) -> tuple[float, float]:
    """Microseconds of CPU (of the whole process) and of the wall per instance, loaded by the key of its job."""
    store = SqliteStore(path)
    await store.open()
    with sqlite3.connect(path) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM jobs")]
    db.close()
    cpu, wall = [], []
    chosen = random.Random(1)
    for _ in range(LOADS):
        wanted = Wanted(rows=frozenset((Job, key) for key in chosen.sample(keys, at_once)))
        cpu_from, wall_from = time.process_time(), time.perf_counter()
        loaded = (await store.write(None, wanted)).loaded
        cpu.append((time.process_time() - cpu_from) / at_once)
        wall.append((time.perf_counter() - wall_from) / at_once)
        assert loaded is not None
        assert len(loaded.instances) == at_once
    await store.close()
    return statistics.median(cpu) * 1e6, statistics.median(wall) * 1e6


async def listing(path: Path) -> None:
    reader = Reader(path)
    lists = {
        "active instances": lambda: reader.process_instances(states=["ACTIVE"]),
        "waiting user tasks": lambda: reader.jobs(type="io.camunda.zeebe:userTask", states=["ACTIVATABLE"]),
        "open incidents": lambda: reader.incidents(states=["OPEN"]),
        "status": reader.counts,
    }
    for name, ask in lists.items():
        await ask()
        begun = time.perf_counter()
        await ask()
        print(f"  list {name:<22}{(time.perf_counter() - begun) * 1e3:>8.2f} ms")
    await reader.close()


def by_table(path: Path) -> None:
    """Where the bytes are, if this SQLite can tell."""
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12").fetchall()
    except sqlite3.OperationalError:
        rows = []
    db.close()
    for name, size in rows:
        print(f"  {name:<36}{size / 1e6:>8.1f} MB")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--instances", type=int, default=100_000)
    arguments.add_argument("--variables", default='{"guests": 4}')
    arguments.add_argument("--source", type=Path, default=ROOT / "examples" / "dinner.bpmn")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "partition-1.db"
        model = (given.source.name, given.source.read_bytes())
        seconds, most = asyncio.run(fill(path, model, given.variables, given.instances))
        made = given.instances
        print(f"{made} instances made in {seconds:.1f} s ({made / seconds:.0f}/s); then {memory_mb():.0f} MB in memory")
        print(f"  on disk {bytes_of(path) / made:.0f} bytes each, {most / made:.0f} with the log while they were made")
        by_table(path)
        opened = [asyncio.run(opening(path)) for _ in range(5)]
        open_s, first_s = (statistics.median(one) for one in zip(*opened, strict=True))
        print(f"  open in {open_s * 1e3:.1f} ms, first commit after {first_s * 1e3:.1f} ms")
        for at_once in (1, 32, 128):
            cpu, wall = asyncio.run(loading(path, min(at_once, made)))
            print(f"  load {at_once:>3} at once       {cpu:>8.1f} us CPU, {wall:.1f} us wall each")
        asyncio.run(listing(path))


if __name__ == "__main__":
    main()
