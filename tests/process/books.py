"""The books that clients keep while brokers die: what they were told, to compare it afterwards with what a broker has."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import osmia
from osmia_broker.running.child import ChildBroker
from osmia_broker.state.partitioning import partition_of_key
from tests.bpmn import bpmn
from tests.patience import ANSWER_S

LEASE_MS = 600_000  # longer than any test: a job that is handed out twice was handed out wrongly
CALLERS = 3  # of each sort, under load
AWAY = (osmia.Unavailable, osmia.BrokerFailed)


@dataclass
class Books:
    """The answers that this side got."""

    created: set[int] = field(default_factory=set)
    completed: Counter[int] = field(default_factory=Counter)  # by process instance
    completing: set[int] = field(default_factory=set)  # told to complete, and the answer was lost
    handed_out: Counter[int] = field(default_factory=Counter)  # by job
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    _goal: int = 0

    async def create(self, client: osmia.Client, *, idempotency_key: str = "") -> None:
        """Create an instance."""
        key = (await client.create_instance("process", {"n": 1}, idempotency_key=idempotency_key)).key
        assert key not in self.created, "a key was given out twice"
        self.created.add(key)
        if len(self.created) >= self._goal:
            self._enough.set()

    async def create_anywhere(self, client: osmia.Client) -> None:
        """Create an instance in any partition: a creation that may be repeated begins in that of its key."""
        await self.create(client, idempotency_key=str(uuid4()))

    async def work(self, client: osmia.Client) -> None:
        """Complete some jobs."""
        for job in await client.activate_jobs("ask", max_jobs=4, timeout_ms=LEASE_MS, wait_ms=200):
            self.handed_out[job.key] += 1
            self.completing.add(job.process_instance_key)
            await client.complete_job(job.key)
            self.completing.discard(job.process_instance_key)
            self.completed[job.process_instance_key] += 1

    async def more(self, number: int) -> None:
        """Wait until so many more instances have been created."""
        self._goal = len(self.created) + number
        self._enough.clear()
        await asyncio.wait_for(self._enough.wait(), ANSWER_S)

    async def check(self, broker: ChildBroker, *, partitions: int = 1, unanswered: int | None = None) -> None:
        """Compare the books with what *broker* has; *unanswered* is how many creations may have had no answer."""
        there = await all_instances(broker)
        assert self.created <= there, "an acknowledged instance is lost"
        assert {partition_of_key(key) for key in self.created} == set(range(1, partitions + 1))
        if unanswered is not None:
            assert len(there - self.created) <= unanswered, "more instances than calls without an answer"
        done = set(self.completed)  # among them perhaps some whose creation was never answered
        state = await states(broker, self.created | done)
        assert all(state[key] == "COMPLETED" for key in done), "an acknowledged completion is lost"
        assert all(state[key] == "ACTIVE" for key in self.created - done - self.completing), "a job completed by itself"
        assert set(self.completed.values()) <= {1}
        assert set(self.handed_out.values()) == {1}, "a job was handed out twice within its lease"


async def deploy(broker: ChildBroker) -> None:
    """Deploy the process of which the books tell."""
    async with osmia.Client(broker.address) as client:
        await client.deploy(("p.bpmn", bpmn("start > ask:job > end")))


@asynccontextmanager
async def load(brokers: list[ChildBroker], books: Books) -> AsyncIterator[None]:
    """Create instances in all partitions, and complete their jobs, through all *brokers*."""
    addresses = [one.address for one in brokers]
    callers = [
        again(addresses[turn % 2 :] + addresses[: turn % 2], one)
        for one in (books.create_anywhere, books.work)
        for turn in range(CALLERS)
    ]
    tasks = [asyncio.ensure_future(caller) for caller in callers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [one for one in outcomes if not isinstance(one, asyncio.CancelledError)]
    assert not faults, faults


async def again(addresses: list[str], work: Callable[[osmia.Client], Awaitable[None]]) -> None:
    """Do *work* without end, at whichever broker answers; connect again after each failure."""
    turn = 0
    while True:
        turn += 1
        async with osmia.Client(addresses[turn % len(addresses)]) as client:
            with suppress(*AWAY):
                while True:
                    await work(client)


async def states(broker: ChildBroker, keys: set[int]) -> dict[int, str]:
    async with osmia.Client(broker.address) as client:
        return {key: str((await client.get_instance(key)).state) for key in keys}


async def all_instances(broker: ChildBroker) -> set[int]:
    found: set[int] = set()
    async with osmia.Client(broker.address) as client:
        after = ""
        while True:
            page = await client.search_instances(limit=1000, after=after)
            found |= {instance.key for instance in page.items}
            after = page.next
            if not after:
                return found
