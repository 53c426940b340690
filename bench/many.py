"""One broker with very many process instances that wait: its memory, what a create costs, the way back after `kill -9`.

    python -m bench many [--instances 1000000] [--creates 2048] [--rounds 5]

Half of the instances wait at a user task, a quarter at a timer that is due in a year, a quarter at a message. A partition without any door
makes them; then a broker process opens the file, and an empty one beside it. Both take turns at creating, 64 at a time, so the ratio can be
trusted on a busy machine. The first is killed while it creates, and started again. The limits are 400 MB, 90 % of the rate, 3 seconds.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from osmia import Client
from osmia_broker.child import ChildBroker
from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.loadtest.machine import usage
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition, SystemClock
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn

AT_A_TIME = 128
IN_FLIGHT = 64
MODELS = {
    "task": "start > a:user(name=Decide) > end",
    "timer": "start > w:catch(timer=P365D) > end",
    "message": 'start > w:catch(message=go, key="=k") > end',
}
SHARES = ("task", "timer", "task", "message")
MEMORY_MB_MAX, RATE_MIN, READY_S_MAX = 400, 0.9, 3.0


async def fill(path: Path, instances: int) -> float:
    """Make the instances; return the seconds it took."""
    path.parent.mkdir()
    partition = Partition(SqliteStore(path), SystemClock(), PartitionCounters(1))
    await partition.open()
    resources = [(f"{id}.bpmn", bpmn(line, id=id)) for id, line in MODELS.items()]
    await partition.submit(commands.DeployResources(compile_resources(resources)))
    begun, ids = time.perf_counter(), cycle(SHARES)
    for first in range(0, instances, AT_A_TIME):
        some = islice(ids, min(AT_A_TIME, instances - first))
        creates = (
            commands.CreateProcessInstance(id, -1, 0, {"k": f'"key-{first}-{n}"', "guests": "4"})
            for n, id in enumerate(some)
        )
        await asyncio.gather(*map(partition.submit, creates))
    await partition.close()
    return time.perf_counter() - begun


def memory_mb(broker: ChildBroker) -> float:
    """Return the resident memory of the broker."""
    status = Path(f"/proc/{broker.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1e3


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


async def killed_while_creating(broker: ChildBroker) -> float:
    """Kill the broker while it creates, and start it; return the seconds until it was ready."""
    async with Client(broker.address) as client:
        working = asyncio.ensure_future(create(client, 100 * IN_FLIGHT))
        await asyncio.sleep(1)
        broker.kill()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return broker.start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--creates", type=int, default=2_048)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = folder / "many" / "partition-1.db"
        seconds = asyncio.run(fill(path, given.instances))
        print(
            f"{given.instances} instances made in {seconds:.0f} s; {path.stat().st_size / given.instances:.0f} bytes each"
        )
        brokers = {name: ChildBroker(folder / name) for name in ("many", "empty")}
        try:
            for name, broker in brokers.items():
                print(f"  {name:<6} ready in {broker.start():.2f} s, {memory_mb(broker):.0f} MB", flush=True)
            asyncio.run(creating(brokers, given.creates, given.rounds))
            print(f"  memory {memory_mb(brokers['many']):.0f} MB (at most {MEMORY_MB_MAX})")
            ready_s = asyncio.run(killed_while_creating(brokers["many"]))
            print(f"  kill -9 while it creates: ready again in {ready_s:.2f} s (at most {READY_S_MAX})")
        finally:
            for broker in brokers.values():
                broker.kill()


if __name__ == "__main__":
    main()
