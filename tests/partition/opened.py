"""A partition under test, on a store in memory that a test can hold up or let fail, with a clock that stands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from osmia_broker.base.errors import StoreFailed, ValueRefused
from osmia_broker.engine import Budget, commands
from osmia_broker.engine.resources import compile_resource, compile_resources
from osmia_broker.engine.turn import STEPS_PER_TURN
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition import Listener, Partition
from osmia_broker.state.store_protocol import Changes, Start, Wanted, Written
from tests.bpmn import bpmn
from tests.clock import FakeClock
from tests.memory_store import MemoryStore

ONE_INSTANCE = 3_500  #: bytes of an instance that waits at one job


class WatchedStore(MemoryStore):
    """A store in memory that a test can hold up."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.may_open = True

    async def open(self) -> Start:
        if not self.may_open:
            raise StoreFailed("Expected a disk, but found none")
        return await super().open()

    async def write(self, changes: Changes | None, wanted: Wanted | None) -> Written:
        await self.may_write.wait()
        return await super().write(changes, wanted)


class PickyStore(WatchedStore):
    """Refuses every commit that holds the text `poison`, as a database refuses a value that it cannot keep."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    def _commit(self, changes: Changes) -> None:
        if any("poison" in str(values) for rows in changes.written.values() for values in rows):
            self.is_open = False
            self.refused += 1
            raise ValueRefused("Expected a value that can be stored, but found a bad one")
        super()._commit(changes)


class Heard(Listener):
    """Writes down everything that a listener is notified of."""

    def __init__(self) -> None:
        self.results: dict[int, str] = {}
        self.lost: list[int] = []
        self.opened = 0
        self.events: list[tuple[str, str]] = []
        self.activatable: list[int] = []

    def jobs_activatable(self, keys: Any) -> None:
        self.activatable += [key for some in keys.values() for key in some]

    def result_ready(self, ticket: int, variables: str) -> None:
        self.results[ticket] = variables

    def result_lost(self, ticket: int, error: Any) -> None:
        self.lost.append(ticket)

    def partition_opened(self) -> None:
        self.opened += 1

    def events_committed(self, events: Any) -> None:
        self.events += [(event.intent, event.name) for event in events]


class Opened:
    """A partition with all that it stands on."""

    def __init__(
        self, partition: Partition, store: WatchedStore, clock: FakeClock, counters: PartitionCounters
    ) -> None:
        self.partition, self.store, self.clock, self.counters = partition, store, clock, counters
        self.do: Callable[[commands.Command], Any] = partition.submit
        self.heard = Heard()
        partition.add_listener(self.heard)

    async def wait_open(self) -> None:
        while not self.partition.is_open:
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until the partition has nothing to do now."""
        while not self.partition.is_at_rest:
            await asyncio.sleep(0)

    async def advance(self, ms: int) -> None:
        """Move the clock; on return, everything that is due then is done."""
        self.clock.ms += ms
        self.partition.check_clock()
        await self.settled()

    async def turns(self, number: int = 50) -> None:
        """Let the event loop go round."""
        for _ in range(number):
            await asyncio.sleep(0)


def steps_only(steps_max: int = STEPS_PER_TURN, **bounds: Any) -> Budget:
    """A budget of steps alone. Its clock stands: on a busy machine any step may seem slow, and its process would go on as due work."""
    return Budget(steps_max, time=lambda: 0.0, cpu=lambda: 0.0, **bounds)


async def compile_now(name: str, content: bytes) -> Any:
    """Compile a stored model on the event loop, so that a test needs no thread."""
    return compile_resource(name, content).compiled


@asynccontextmanager
async def opened(store: WatchedStore | None = None, **options: Any) -> AsyncIterator[Opened]:
    store = store or WatchedStore()
    clock, counters = FakeClock(), PartitionCounters(1)
    options = {"compiler": compile_now, "budget": steps_only(), **options}
    partition = Partition(store, clock, counters, **options)
    it = Opened(partition, store, clock, counters)
    await partition.open()
    try:
        yield it
    finally:
        store.may_write.set()
        await partition.close()


def deploy(model: str, id: str = "process") -> commands.DeployResources:
    """The command that deploys a process in the notation of `bpmn`."""
    return commands.DeployResources(compile_resources([(f"{id}.bpmn", bpmn(model, id=id))]))


def create(id: str = "process", ticket: int = 0, **variables: str) -> commands.CreateProcessInstance:
    """The command that starts an instance; values are JSON texts."""
    return commands.CreateProcessInstance(id, -1, 0, variables, result_ticket=ticket)


def activate(type: str = "ask", max_jobs: int = 1_000, timeout_ms: int = 60_000) -> commands.ActivateJobs:
    """The command that activates jobs."""
    return commands.ActivateJobs(type, "w", timeout_ms, max_jobs)


def complete(job: Any, **variables: str) -> commands.CompleteJob:
    """The command that completes a job."""
    return commands.CompleteJob(job.key, variables)
