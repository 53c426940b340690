"""One broker with very many process instances that wait: its memory, what a create costs, the way back after `kill -9`.

    python -m bench many [--instances 1000000] [--creates 2048] [--rounds 5]

Half of the instances wait at a user task, a quarter at a timer that is due in a year, a quarter at a message. A partition without any door
makes the first 1,000, whose rows are copied until there are enough; then a broker process opens the file, and an empty one beside it. Both take turns at creating, 64 at a time, so the ratio can be
trusted on a busy machine. The first is killed while it creates, and started again. The limits are 400 MB, 90 % of the rate, 3 seconds. Beside the
seconds of a start stand those of CPU, which are no more on a busy machine.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from osmia import Client
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.loadtest.machine import usage
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition, SystemClock
from osmia_broker.running.child import ChildBroker
from osmia_broker.store import schema
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn

AT_FIRST = 1_000
IN_FLIGHT = 64
MODELS = {
    "task": "start > a:user(name=Decide) > end",
    "timer": "start > w:catch(timer=P365D) > end",
    "message": 'start > w:catch(message=go, key="=k") > end',
}
SHARES = ("task", "timer", "task", "message")
MEMORY_MB_MAX, RATE_MIN, READY_S_MAX = 400, 0.9, 3.0


async def fill(path: Path, instances: int) -> int:
    """Make the instances: some by commands, then copies of their rows; return how many there are."""
    path.parent.mkdir()
    store = SqliteStore(path)
    partition = Partition(store, SystemClock(), PartitionCounters(1))
    await partition.open()
    resources = [(f"{id}.bpmn", bpmn(line, id=id)) for id, line in MODELS.items()]
    await partition.submit(commands.DeployResources(compile_resources(resources)))
    first_key = partition.key_counter
    creates = (
        commands.CreateProcessInstance(id, -1, 0, {"k": f'"key-{n}"', "guests": "4"})
        for n, id in enumerate(islice(cycle(SHARES), AT_FIRST))
    )
    await asyncio.gather(*map(partition.submit, creates))
    await partition.close()
    made = AT_FIRST
    with sqlite3.connect(path) as db:
        while made < instances:
            double(db, first_key)
            made *= 2
    db.close()
    return made


def double(db: sqlite3.Connection, first_key: int) -> None:
    """Add a copy of every process instance to the file. Their keys are those above all that there are."""
    [(low, next_key)] = db.execute("SELECT (next_key >> 51 << 51) + ?, next_key FROM partition", (first_key + 1,))
    offset = next_key - low
    for table in [*schema.TABLES.values()]:
        names = [column.name for column in table.columns]
        if "process_instance_key" not in names:
            continue
        values = [
            f"CASE WHEN {name} >= {low} THEN {name} + {offset} ELSE {name} END" if is_key(name) else name
            for name in names
        ]
        db.execute(f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table.name}"
                   f" WHERE process_instance_key >= {low}")  # fmt: skip
    db.execute("UPDATE partition SET next_key = next_key + ?", (offset,))
    db.commit()


def is_key(column: str) -> bool:
    """Whether a column holds a key that is different in each instance."""
    return column == "key" or (column.endswith("_key") and column not in ("correlation_key", "fair_key"))


def memory_mb(broker: ChildBroker) -> float:
    """Return the resident memory of the broker."""
    return usage(broker.pid).rss_bytes / 1e6


async def create(client: Client, number: int) -> None:
    """Create instances, some at a time."""
    for _ in range(number // IN_FLIGHT):
        await asyncio.gather(*(client.create_instance("task", {"guests": 4}) for _ in range(IN_FLIGHT)))


async def creating(brokers: dict[str, ChildBroker], creates: int, rounds: int) -> None:
    """Let the brokers take turns at creating; print what it costs in each, and the ratio."""
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in brokers}
    for turn in range(-1, rounds):
        for name, broker in sorted(brokers.items(), reverse=turn % 2 == 1):
            async with Client(broker.address) as client:
                if turn < 0:
                    await client.deploy(("task.bpmn", bpmn(MODELS["task"], id="task")))
                cpu_s, begun = usage(broker.pid).cpu_s, time.perf_counter()
                await create(client, creates)
                if turn >= 0:
                    took_s = time.perf_counter() - begun
                    costs[name].append((creates / took_s, (usage(broker.pid).cpu_s - cpu_s) / creates * 1e3))
    median = {name: [statistics.median(one) for one in zip(*rows, strict=True)] for name, rows in costs.items()}
    for name, (rate, cpu) in median.items():
        print(f"  create, {name:<10}{rate:>8.0f}/s{cpu:>8.3f} ms CPU   {memory_mb(brokers[name]):>5.0f} MB")
    ratio = median["many"][0] / median["empty"][0]
    print(f"  rate {ratio:.2f} x that of the empty broker (at least {RATE_MIN}), "
          f"CPU {median['many'][1] / median['empty'][1]:.2f} x")  # fmt: skip


def started(broker: ChildBroker) -> str:
    """Start the broker, and say how long it took until it was ready."""
    seconds = broker.start()
    return f"{seconds:.2f} s ({usage(broker.pid).cpu_s:.2f} s of CPU)"


async def killed_while_creating(broker: ChildBroker) -> None:
    """Kill the broker while it creates."""
    async with Client(broker.address) as client:
        working = asyncio.ensure_future(create(client, 100 * IN_FLIGHT))
        await asyncio.sleep(1)
        broker.kill()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--creates", type=int, default=2_048)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = folder / "many" / "partition-1.db"
        made = asyncio.run(fill(path, given.instances))
        print(f"{made} instances, {path.stat().st_size / made:.0f} bytes each", flush=True)
        brokers = {name: ChildBroker(folder / name) for name in ("many", "empty")}
        try:
            for name, broker in brokers.items():
                print(f"  {name:<6} ready in {started(broker)}, {memory_mb(broker):.0f} MB", flush=True)
            asyncio.run(creating(brokers, given.creates, given.rounds))
            print(f"  memory {memory_mb(brokers['many']):.0f} MB (at most {MEMORY_MB_MAX})")
            for name, broker in brokers.items():
                asyncio.run(killed_while_creating(broker))
                print(
                    f"  {name:<6} after kill -9 while it creates: ready in {started(broker)} (at most {READY_S_MAX} s)"
                )
        finally:
            for broker in brokers.values():
                broker.kill()


if __name__ == "__main__":
    main()
