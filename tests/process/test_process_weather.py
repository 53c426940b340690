"""Processes that are killed and stopped under creations, messages, deployments and a stream of events: the books of the clients stay right."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

import osmia
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.patience import ANSWER_S, LOOK_S
from tests.process.processes import FLAGS, all_lead, ended, pid_of, watched

pytestmark = pytest.mark.process

WAITS = 'start > w:catch(message=paid, key="=k") > end'
AWAY = (osmia.Unavailable, osmia.BrokerFailed, osmia.Timeout)


class Books:
    """What the clients were told, by the business id of each instance."""

    def __init__(self) -> None:
        self.created: dict[str, int] = {}
        self.published: set[str] = set()
        self.told: Counter[tuple[str, int]] = Counter()
        self.versions = 0
        self.has_more = asyncio.Event()  # something was created since somebody looked for what is unpublished

    @property
    def unpublished(self) -> list[str]:
        return [id for id in self.created if id not in self.published]


async def repeated(call: Callable[[], Awaitable[int]]) -> int:
    """Call again and again until the broker has answered; the call says how a repetition is known."""
    while True:
        with suppress(*AWAY):
            return await call()
        await asyncio.sleep(0)


async def create(client: osmia.Client, books: Books) -> None:
    while True:
        id = str(uuid4())

        async def once(id: str = id) -> int:
            return (await client.create_instance("waits", {"k": id}, business_id=id, idempotency_key=id)).key

        books.created[id] = await repeated(once)
        books.has_more.set()


async def publish(client: osmia.Client, books: Books) -> None:
    while True:
        books.has_more.clear()
        for id in books.unpublished:

            async def once(id: str = id) -> int:
                try:
                    return int(await client.publish_message("paid", id, time_to_live_ms=3_600_000, message_id=id))
                except osmia.AlreadyExists:  # the first try has arrived, and only its answer was lost
                    return 0

            await repeated(once)
            books.published.add(id)
        await books.has_more.wait()


async def deploy(client: osmia.Client, books: Books) -> None:
    while True:
        text = bpmn(f"start > ask:job(type=t{books.versions}) > end", id="other")
        with suppress(*AWAY):
            await client.deploy(("other.bpmn", text))
            books.versions += 1
        await asyncio.sleep(0)


async def follow(client: osmia.Client, books: Books) -> None:
    async for event in client.events(kinds=["PROCESS_INSTANCE"], bpmn_process_id="waits", from_oldest=True):
        books.told[event.intent, event.key] += 1


async def until(holds: Callable[[], bool], tasks: "list[asyncio.Task[None]]") -> None:
    """Wait until something *holds*; a client that has failed ends the wait."""
    async with asyncio.timeout(ANSWER_S):
        while not holds():
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.result()
            await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ChildBroker]:
    flags = (*FLAGS, "--unique-business-ids", "--event-log", "always")
    with ChildBroker(tmp_path / "data", flags=flags) as broker:
        yield broker


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_each_message_reaches_its_instance_once_and_each_event_is_told_once(
    broker: ChildBroker, how: signal.Signals
):
    books = Books()
    async with osmia.Client(broker.address) as first, osmia.Client(broker.address) as second:
        await first.deploy(("waits.bpmn", bpmn(WAITS, id="waits")))
        creating = [asyncio.ensure_future(create(client, books)) for client in (first, second)]
        others = [
            asyncio.ensure_future(one(client, books))
            for one, client in ((publish, first), (deploy, second), (follow, first), (publish, second))
        ]
        tasks = [*creating, *others]
        try:
            for process in (2, 1):
                goal = len(books.published) + 30
                await until(lambda goal=goal: len(books.published) >= goal, tasks)  # type: ignore[misc]
                gone = watched(pid := pid_of(broker, process))
                os.kill(pid, how)
                await ended(gone)  # one that hangs is killed by the supervisor
                await all_lead(broker)
            goal = len(books.published) + 30
            await until(lambda: len(books.published) >= goal, tasks)
            for task in creating:
                task.cancel()
            keys = [*books.created.values()]
            await until(lambda: not books.unpublished, others)
            await until(lambda: all(books.told["completed", key] for key in keys), others)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert len(set(keys)) == len(keys), "a key was given out twice"
    assert books.versions > 0
    assert set(books.told.values()) == {1}, "an event was told twice"
    told = {key for intent, key in books.told if intent == "created"}
    assert told >= {*keys}
