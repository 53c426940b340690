"""`osmia demo --cluster`: two brokers that share the partitions of one database, a load, and the death of one.

The client keeps the books, and checks them at the end.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from osmia_broker.base import private_files
from osmia_broker.base.counted import counted
from osmia_broker.cli.demo.broker import PROCESS, print_step, write
from osmia_broker.cli.failures import Exit, Failure, from_child

if TYPE_CHECKING:
    from osmia import Client
    from osmia_broker.running.child import ChildBroker

PARTITIONS = 4
CREATORS, WORKERS = 4, 2
TASKS = 2  # of an instance
INSTANCES = 100  # acknowledged before the death, and as many after it
LEASE_MS = 10_000  # a job whose answer is lost with a broker is handed out again after this time
STEP_S = 120.0  # for each part of the load; a part takes a few seconds
PAUSE_S = 0.05  # between two tries to reach a broker
TASK_TYPE = "io.camunda.zeebe:userTask"


@dataclass
class Books:
    """The work that the brokers have acknowledged."""

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
    """One run. *brokers* are two that share the partitions of a database; neither runs yet."""

    def __init__(self, brokers: "dict[str, ChildBroker]") -> None:
        self._brokers = brokers
        self._living = dict(brokers)

    def play(self) -> None:
        """Play it.

        Raises:
            Failure: something was lost, or done twice; or a broker does not start.
        """
        names = [*self._brokers]
        for name in names:
            self._start(name)
        asyncio.run(self._load(*names))

    def stop(self) -> None:
        """End the brokers."""
        for broker in self._living.values():
            broker.stop()

    def _start(self, name: str) -> None:
        from osmia_broker.running.child import NotStarted

        try:
            took = self._brokers[name].start()
            print_step("started", f"broker {name} in {took:.1f} s")
        except NotStarted as error:
            raise from_child(error.exit_code, str(error)) from error

    async def _shares(self, asked: str, *, are_even: bool = False) -> dict[str, list[int]]:
        """Wait until all partitions are led, and equally if *are_even*; return who leads what, by address, as the broker *asked* says.

        Raises:
            Failure: it takes too long.
        """
        from osmia import Client

        try:
            async with asyncio.timeout(STEP_S), Client(self._brokers[asked].address) as client:
                return await self._led_shares(client, are_even=are_even)
        except TimeoutError:
            raise Failure(
                Exit.DEFECT,
                f"Expected {PARTITIONS} partitions to be led in {STEP_S:g} s, but found less.",
                code="UNEXPECTED",
            ) from None

    async def _led_shares(self, client: "Client", *, are_even: bool) -> dict[str, list[int]]:
        while True:
            topology = await client.topology()
            found = {one.address: sorted(one.roles) for one in topology.brokers}
            counts = [len(one) for one in found.values()]
            is_even = max(counts, default=0) <= -(-PARTITIONS // len(self._living))
            if sum(counts) == PARTITIONS and (is_even or not are_even):
                return found
            await asyncio.sleep(PAUSE_S)

    def _show_leaders(self, when: str, led: dict[str, list[int]]) -> None:
        """Print who leads which partitions."""
        write(f"\n  Who leads {when}\n    {'broker':<8}{'process':<10}partitions")
        for name, broker in self._brokers.items():
            if name not in self._living:
                write(f"    {name:<8}{'-':<10}dead")
            else:
                partitions = ", ".join(map(str, led.get(broker.address, ()))) or "none"
                write(f"    {name:<8}{broker.pid:<10}{partitions}")
        write("")

    # --- the load

    async def _load(self, first: str, second: str) -> None:
        self._show_leaders("before", await self._shares(first, are_even=True))
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
            print_step("killed", f"broker {first} with SIGKILL, after {before} instances")
            led = await self._shares(second)
            print_step("goes on", f"broker {second} leads all partitions {monotonic() - dead_s:.1f} s later")
            await books.until(lambda: len(books.created) >= before + INSTANCES)
            for task in tasks[:CREATORS]:
                task.cancel()
            self._show_leaders("after", led)
            await self._check(second, books)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deploy(self, broker: str) -> None:
        from osmia import Client

        model = resources.files("osmia_broker.cli.demo").joinpath("dinner.bpmn").read_bytes()
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
                    await _without_end(work, client, books)
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
        print_step(
            "books",
            f"{counted(len(there), 'instance was', 'instances were')} acknowledged, {len(there) - len(lost)} have completed",
        )
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
    """Make two brokers that share the partitions of the database *url*, with their data directories, and the secret of their links, in *folder*."""
    from osmia_broker.running.child import ChildBroker

    secret = folder / "links-secret"
    private_files.replace(secret, secrets.token_hex(32).encode())
    flags = ("--database-url", url, "--partitions", str(PARTITIONS), "--links-secret-file", str(secret))
    return {name: ChildBroker(folder / name, flags=flags) for name in ("one", "two")}


def _not_found() -> type[Exception]:
    from osmia import NotFound

    return NotFound


async def _without_end(work: "Callable[[Client, Books], Awaitable[None]]", client: "Client", books: Books) -> None:
    while True:
        await work(client, books)
