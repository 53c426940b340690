"""`osmia demo --cluster`: two brokers on one database, a load, and the death of the one that leads. The books are kept by the client, and checked at the end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from osmia_broker.cli.demo_broker import PROCESS, print_step, write
from osmia_broker.cli.failures import Exit, Failure, from_child

if TYPE_CHECKING:
    from osmia import Client
    from osmia_broker.child import ChildBroker

CREATORS, WORKERS = 4, 2
TASKS = 2  # of an instance
INSTANCES = 100  # acknowledged before the death, and as many after it
LEASE_MS = 10_000  # a job whose answer is lost with a broker is handed out again after this time
STEP_S = 120.0  # for each part of the load; a part takes a few seconds
PAUSE_S = 0.05  # between two tries to reach a broker
TASK_TYPE = "io.camunda.zeebe:userTask"


@dataclass
class Books:
    """What the brokers have acknowledged."""

    created: set[int] = field(default_factory=set)
    completed: Counter[tuple[int, int]] = field(default_factory=Counter)  # by instance and job
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self) -> None:
        """Let those who wait look again."""
        self.changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of the books.

        Raises:
            Failure: it takes too long.
        """
        try:
            async with asyncio.timeout(STEP_S):
                while not holds():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise Failure(
                Exit.DEFECT,
                f"Expected {INSTANCES} more instances in {STEP_S:g} s, but found {len(self.created)} in all.",
                code="UNEXPECTED",
            ) from None


class ClusterDemo:
    """One run. *brokers* are two that share a database; neither runs yet."""

    def __init__(self, brokers: "dict[str, ChildBroker]") -> None:
        self._brokers = brokers
        self._living = dict(brokers)

    def play(self) -> None:
        """Play it.

        Raises:
            Failure: something was lost, or done twice; or a broker does not start.
        """
        names = [*self._brokers]
        self._start(*names)
        self._show_leaders("before")
        asyncio.run(self._load(*names))

    def stop(self) -> None:
        """End the brokers."""
        for broker in self._living.values():
            broker.stop()

    def _start(self, leading: str, waiting: str) -> None:
        from osmia_broker.child import NotStarted

        try:
            took = self._brokers[leading].start()
            print_step("started", f"broker {leading} in {took:.1f} s: it leads")
            other = self._brokers[waiting]
            other.launch()
            other.wait_until(other.has_doors)
            print_step("started", f"broker {waiting} on the same database: it waits for its turn")
        except NotStarted as error:
            raise from_child(error.exit_code, str(error)) from error

    def _show_leaders(self, when: str) -> None:
        """Print who leads, as each broker says."""
        from osmia import SyncClient

        write(f"\n  Who leads {when}\n    {'broker':<8}{'process':<10}{'partition 1':<14}")
        for name, broker in self._brokers.items():
            if name not in self._living:
                write(f"    {name:<8}{'-':<10}{'dead':<14}")
                continue
            with SyncClient(broker.address) as client:
                (partition,) = client.status().partitions
            write(f"    {name:<8}{broker.pid:<10}{'leads' if partition.role == 'LEADER' else 'waits':<14}")
        write("")

    # --- the load

    async def _load(self, first: str, second: str) -> None:
        await self._deploy(first)
        books = Books()
        work = [*[self._create] * CREATORS, *[self._complete] * WORKERS]
        tasks = [asyncio.ensure_future(self._again(one, books)) for one in work]
        try:
            print_step(
                "load", f"{CREATORS} clients start instances of {PROCESS}, {WORKERS} workers complete their tasks"
            )
            await books.until(lambda: len(books.created) >= INSTANCES)
            self._brokers[first].kill()
            del self._living[first]
            dead_s, before = monotonic(), len(books.created)
            print_step("killed", f"broker {first} with SIGKILL, {before} instances after the beginning")
            await books.until(lambda: len(books.created) > before)
            print_step("goes on", f"broker {second} has acknowledged an instance {monotonic() - dead_s:.1f} s later")
            await books.until(lambda: len(books.created) >= before + INSTANCES)
            for task in tasks[:CREATORS]:
                task.cancel()
            await asyncio.to_thread(self._show_leaders, "after")
            await self._check(second, books)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deploy(self, broker: str) -> None:
        from osmia import Client

        model = resources.files("osmia_broker.cli").joinpath("dinner.bpmn").read_bytes()
        async with Client(self._brokers[broker].address) as client:
            await client.deploy(("dinner.bpmn", model))

    async def _again(self, work: "Callable[[Client, Books], Awaitable[None]]", books: Books) -> None:
        """Do *work* without end, at whichever broker answers."""
        from osmia import BrokerFailed, Client, Unavailable

        turn = 0
        while True:
            living = [*self._living.values()]
            turn += 1
            async with Client(living[turn % len(living)].address) as client:
                with suppress(Unavailable, BrokerFailed):
                    while True:
                        await work(client, books)
            await asyncio.sleep(PAUSE_S)

    async def _create(self, client: "Client", books: Books) -> None:
        created = await client.create_instance(PROCESS)
        books.created.add(created.key)
        books.note()

    async def _complete(self, client: "Client", books: Books) -> None:
        for job in await client.activate_jobs(TASK_TYPE, worker="demo", max_jobs=8, timeout_ms=LEASE_MS, wait_ms=500):
            with suppress(_not_found()):  # its answer was lost: it had been completed
                await client.complete_job(job.key, {"dinner": "pizza"})
                books.completed[job.process_instance_key, job.key] += 1

    # --- the end

    async def _check(self, broker: str, books: Books) -> None:
        """Wait until all instances have ended, and compare the books with what the broker has.

        Raises:
            Failure: they differ.
        """
        from osmia import Client

        async with Client(self._brokers[broker].address) as client:
            async with asyncio.timeout(STEP_S):
                while (await client.status()).open_process_instances:  # noqa: ASYNC110 - another process ends them
                    await asyncio.sleep(PAUSE_S)
            there = {key: str((await client.get_instance(key)).state) for key in books.created}
        lost = [key for key, state in there.items() if state != "COMPLETED"]
        twice = [key for key, number in books.completed.items() if number > 1]
        tasks, known = TASKS * len(there), sum(instance in there for instance, _ in books.completed)
        print_step("books", f"{len(there)} instances were acknowledged, {len(there) - len(lost)} have completed")
        print_step("", f"{known} of their {tasks} tasks were acknowledged as completed, {len(twice)} of them twice")
        if known < tasks:
            print_step("", f"(of {tasks - known}, the acknowledgement was lost with the broker)")
        if lost or twice:
            raise Failure(
                Exit.DEFECT,
                f"Expected nothing lost and nothing twice, but found {len(lost)} lost and {len(twice)} twice.",
                code="UNEXPECTED",
            )
        write(f"\n  Done: a broker died under load. Lost: 0. Done twice: 0. Broker {broker} went on by itself.")


def brokers_on(url: str, folder: Path) -> "dict[str, ChildBroker]":
    """Make two brokers on the database *url*, with their data directories in *folder*."""
    from osmia_broker.child import ChildBroker

    return {name: ChildBroker(folder / name, flags=("--database-url", url)) for name in ("one", "two")}


def _not_found() -> type[Exception]:
    from osmia import NotFound

    return NotFound
