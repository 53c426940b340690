"""`kill -9` again and again under load, with the books kept on the client's side (reliability.md, promises 1 to 5 and 7)."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import osmia
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn

pytestmark = pytest.mark.process

ROUNDS = 4
CREATORS = 4
WORKERS = 3
LEASE_MS = 600_000  # longer than the test: a job that is handed out twice was handed out wrongly


@dataclass
class Books:
    """The answers that this side got."""

    created: set[int] = field(default_factory=set)
    completed: Counter[int] = field(default_factory=Counter)  # by process instance
    completing: set[int] = field(default_factory=set)  # told to complete, and the answer was lost
    handed_out: Counter[int] = field(default_factory=Counter)  # by job
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    goal: int = 0

    def note(self) -> None:
        if len(self.created) >= self.goal:
            self.enough.set()


async def create(client: osmia.Client, books: Books) -> None:
    while True:
        try:
            instance = await client.create_instance("process", {"n": len(books.created)})
        except (osmia.Unavailable, osmia.BrokerFailed):
            return
        assert instance.key not in books.created, "a key was given out twice"
        books.created.add(instance.key)
        books.note()


async def work(client: osmia.Client, books: Books) -> None:
    while True:
        try:
            jobs = await client.activate_jobs("ask", max_jobs=4, timeout_ms=LEASE_MS, wait_ms=200)
        except (osmia.Unavailable, osmia.BrokerFailed):
            return
        for job in jobs:
            books.handed_out[job.key] += 1
            books.completing.add(job.process_instance_key)
            try:
                await client.complete_job(job.key)
            except (osmia.Unavailable, osmia.BrokerFailed):
                return
            books.completing.discard(job.process_instance_key)
            books.completed[job.process_instance_key] += 1


async def one_round(broker: ChildBroker, books: Books) -> None:
    """Load the broker until some more were created, and kill it in the middle of it."""
    books.goal = len(books.created) + 60
    books.enough.clear()
    async with osmia.Client(broker.address) as client:
        callers = [create(client, books) for _ in range(CREATORS)] + [work(client, books) for _ in range(WORKERS)]
        tasks = [asyncio.ensure_future(caller) for caller in callers]
        await asyncio.wait_for(books.enough.wait(), 60)
        await asyncio.to_thread(broker.kill)
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


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


async def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice(tmp_path: Path, grpc_server: str):
    broker, books = ChildBroker(tmp_path / "data", flags=("--grpc-server", grpc_server)), Books()
    await asyncio.to_thread(broker.start)
    async with osmia.Client(broker.address) as client:
        await client.deploy(("p.bpmn", bpmn("start > ask:job > end")))
    for _ in range(ROUNDS):
        await one_round(broker, books)
        await asyncio.to_thread(broker.start)
    try:
        there = await all_instances(broker)
        assert books.created <= there, "an acknowledged instance is lost"
        assert len(there - books.created) <= ROUNDS * CREATORS, "more instances than calls without an answer"
        done = set(books.completed)  # among them perhaps some whose creation was never answered
        state = await states(broker, books.created | done)
        assert all(state[key] == "COMPLETED" for key in done), "an acknowledged completion is lost"
        assert all(state[key] == "ACTIVE" for key in books.created - done - books.completing), (
            "a job completed by itself"
        )
        assert set(books.completed.values()) <= {1}
        assert set(books.handed_out.values()) == {1}, "a job was handed out twice within its lease"
    finally:
        await asyncio.to_thread(broker.stop)
