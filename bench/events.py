"""What elements and events cost inside the broker: CPU per operation, commits to disk included, no door in between.

    python -m bench events [--operations 2000]

One partition on a real file. Compare figures of one run with each other: the machine decides about the absolute ones.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from osmia_broker.engine import commands
from osmia_broker.engine.resources import compile_resources
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Partition, SystemClock
from osmia_broker.store.sqlite import SqliteStore
from tests.bpmn import bpmn

MODELS = {
    "cycle": "start > a:job(type=cycle) > end",
    "mapped": 'start > a:job(type=mapped, in.x="=n + 1", out.y="=x * 2") > b:job(type=mapped, in.z="=y", out.w="=z") > end',
    "message": 'start > w:catch(message=go, key="=k") > end',
    "signal": "start > w:catch(signal=go) > end",
    "timer": "start > w:catch(timer=PT1S) > a:job(type=timer) > end",
    "sequence": "start > " + " > ".join(f"n{number}:task" for number in range(100)) + " > end",
    "loop": 'start > m:job(type=loop, items="=xs", item=x, results=rs, result="=x") > end',
}
AT_A_TIME = 64
LARGE = 20_000


class Measured:
    """A partition, and what its operations cost."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    async def do(self, command: commands.Command) -> object:
        """Carry a command out, its commit included."""
        return await self._partition.submit(command)

    async def rest(self) -> None:
        """Wait until all follow-ups have been carried out."""
        while not self._partition.is_at_rest:  # noqa: ASYNC110 - a partition has no event for it, and needs none
            await asyncio.sleep(0.001)

    async def many(self, number: int, operation: Callable[[int], Awaitable[object]]) -> None:
        """Run the operation for each number, some at a time, until the partition is at rest."""
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one(place: int) -> None:
            async with gate:
                await operation(place)

        await asyncio.gather(*(one(place) for place in range(number)))
        await self.rest()

    async def costs(
        self, what: str, number: int, operation: Callable[[int], Awaitable[object]], parts: int = 1
    ) -> None:
        """Print the CPU of one of *number* operations, or of one of the *parts* of each."""
        begun = time.process_time()
        await self.many(number, operation)
        show(what, begun, number * parts)

    def create(self, id: str, **variables: str) -> Awaitable[object]:
        """Start an instance of one of the MODELS; variables are JSON texts."""
        return self.do(commands.CreateProcessInstance(id, -1, 0, variables))

    async def work(self, type: str) -> int:
        """Complete the jobs of a type until none is left; return how many there were."""
        done = 0
        while jobs := await self._partition.submit(commands.ActivateJobs(type, "bench", 60_000, 500)):
            await asyncio.gather(*(self.do(commands.CompleteJob(job.key, {})) for job in jobs))
            await self.rest()
            done += len(jobs)
        return done


def show(what: str, begun: float, number: int) -> None:
    """Print the CPU since *begun* for one of *number*."""
    print(f"{what:<44} {(time.process_time() - begun) / number * 1e6:9.0f} µs", flush=True)


@asynccontextmanager
async def opened() -> AsyncIterator[Measured]:
    with tempfile.TemporaryDirectory() as folder:
        partition = Partition(SqliteStore(Path(folder) / "partition-1.db"), SystemClock(), PartitionCounters(1))
        await partition.open()
        try:
            for id, line in MODELS.items():
                resource = (f"{id}.bpmn", bpmn(line, id=id))
                await partition.submit(commands.DeployResources(compile_resources([resource])))
            yield Measured(partition)
        finally:
            await partition.close()


async def measure(number: int) -> None:
    async with opened() as it:
        for id, what in (("cycle", "one task: create, activate, complete"), ("mapped", "two tasks with mappings")):
            begun = time.process_time()
            await it.many(number, partial(_create_numbered, it, id))
            await it.work(id)
            show(what, begun, number)
        await it.costs("create, wait for a message", number, lambda n: it.create("message", k=f'"{n}"'))
        await it.costs(
            "publish a message, correlate it", number, lambda n: it.do(commands.PublishMessage("go", str(n), 0, "", {}))
        )
        await it.many(number, lambda _: it.create("signal"))
        begun = time.process_time()
        await it.do(commands.BroadcastSignal("go", {}))
        await it.rest()
        show("a signal, for each of those that wait", begun, number)
        begun = time.process_time()
        await it.many(number, lambda _: it.create("timer"))
        await asyncio.sleep(1.2)
        await it.rest()
        await it.work("timer")
        show("timer: create, fire, job, complete", begun, number)
        instances = max(number // 20, 1)
        await it.costs("a sequence of 100, for each element", instances, lambda _: it.create("sequence"), parts=100)
        for size in (1_000, LARGE):
            await _loop(it, size)


def _create_numbered(it: Measured, id: str, number: int) -> Awaitable[object]:
    return it.create(id, n=str(number))


async def _loop(it: Measured, size: int) -> None:
    items = "[" + ",".join(map(str, range(size))) + "]"
    begun = time.process_time()
    await it.create("loop", xs=items)
    await it.rest()
    print(f"{f'a parallel loop of {size:,}, created':<44} {(time.process_time() - begun) * 1e3:9.0f} ms", flush=True)
    begun = time.process_time()
    done = await it.work("loop")
    show("completed, for each job", begun, done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=2_000)
    asyncio.run(measure(parser.parse_args().operations))


if __name__ == "__main__":
    main()
