"""Run one client process of a load test: it creates instances, completes their jobs, and keeps its own books.

The latency of an instance runs from the moment it was due (in the closed loop: from the create call) to the acknowledgement
of its job's completion. So a stall of the broker shows, although it also delays the calls behind it.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from osmia import Client, Job
from osmia.errors import OsmiaError, Overloaded, Timeout, Unavailable
from osmia_broker.loadtest.plan import Books, Plan, WorkerMode

IN_FLIGHT_MAX = 5_000  # of one lane in the open loop; with more, this process would be measured instead of the broker
LOCK_MS = 300_000  # longer than the test: a job that is handed out twice is a fault
POLL_MS = 1_000
DRAIN_S = 60.0  # for the instances that are unfinished when the load ends
BUSY_FIRST_S, BUSY_MAX_S = 0.005, 1.0
REPORT_S = 0.2

Answer = TypeVar("Answer")


def main(plan: Plan, lane: int, pipe: Connection) -> None:
    """Run a lane: connect, report ready, wait for the start, make the load, and send the books. *pipe* leads to `run`."""
    asyncio.run(Lane(plan, lane, pipe).run())


class Lane:
    """One lane at work. An instance is open from its creation to its completion."""

    def __init__(self, plan: Plan, lane: int, pipe: Connection) -> None:
        self._plan = plan
        self._lane = lane
        self._pipe = pipe
        self._books = Books()
        self._open: dict[int, asyncio.Future[None]] = {}
        self._early: set[int] = set()  # completed before the answer to their creation was read
        self._held: set[int] = set()  # jobs that were handed out, ever
        self._random = random.Random(plan.seed * 1_000 + lane)  # noqa: S311 - the same load for the same seed
        self._ends = 0.0

    async def run(self) -> None:
        """Report ready, wait for the start, make the load, work it off, and send the books."""
        async with Client(self._plan.address) as client:
            await client.topology()
            self._pipe.send("ready")
            await asyncio.to_thread(self._pipe.recv)
            self._ends = time.monotonic() + self._plan.seconds
            workers = [
                asyncio.create_task(self._work(client, number)) for number in range(self._plan.lane_workers(self._lane))
            ]
            reporter = asyncio.create_task(self._report())
            await (self._open_loop(client) if self._plan.rate else self._closed_loop(client))
            await self._drained()
            await _end([*workers, reporter])
        self._pipe.send(self._books)

    async def _closed_loop(self, client: Client) -> None:
        async def keep_one_open() -> None:
            while time.monotonic() < self._ends:
                await self._instance(client, time.monotonic())

        await asyncio.gather(*(keep_one_open() for _ in range(self._plan.share(self._lane))))

    async def _open_loop(self, client: Client) -> None:
        """Create instances at independent random moments (Poisson). No answer of the broker shifts a later moment."""
        running: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while due < self._ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(running) >= IN_FLIGHT_MAX:
                self._books.shed += 1
            else:
                task = asyncio.create_task(self._instance(client, due))
                running.add(task)
                task.add_done_callback(running.discard)
            due += self._random.expovariate(self._plan.rate / self._plan.lanes)
        await asyncio.wait(running, timeout=DRAIN_S) if running else None

    async def _instance(self, client: Client, due: float) -> None:
        """Create an instance, and wait until its job is completed."""
        process_id = self._plan.process_id(self._lane)
        try:
            created = await self._patiently(lambda: client.create_instance(process_id, {"due": due}))
        except (Unavailable, Timeout) as error:
            self._books.unknown_creates += 1
            self._note(error)
            return
        except OsmiaError as error:
            self._note(error)
            return
        self._books.created.append(created.key)
        if created.key in self._early:
            self._early.discard(created.key)
            return
        done = self._open[created.key] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(done, max(self._ends - time.monotonic(), 0) + DRAIN_S)
        except TimeoutError:
            self._note_text("an instance was not completed in time")

    async def _work(self, client: Client, number: int) -> None:
        """Complete all jobs that arrive, up to a batch at a time, for as long as the lane runs."""
        name = f"{self._plan.process_id(self._lane)}-{number}"
        slots = asyncio.Semaphore(self._plan.batch)
        async with asyncio.TaskGroup() as completions:
            while True:
                await self._take_jobs(client, name, slots, completions)

    async def _take_jobs(
        self, client: Client, name: str, slots: asyncio.Semaphore, completions: asyncio.TaskGroup
    ) -> None:
        try:
            async for job in self._jobs(client, name):
                await slots.acquire()
                completions.create_task(self._complete(client, job, slots))
        except OsmiaError as error:
            self._note(error)
            await asyncio.sleep(BUSY_FIRST_S)

    async def _jobs(self, client: Client, name: str) -> AsyncIterator[Job]:
        type = self._plan.process_id(self._lane)
        if self._plan.mode is WorkerMode.STREAM:
            async for job in client.stream_jobs(type, worker=name, timeout_ms=LOCK_MS):
                yield job
            return
        while True:
            for job in await client.activate_jobs(
                type, worker=name, timeout_ms=LOCK_MS, max_jobs=self._plan.batch, wait_ms=POLL_MS
            ):
                yield job

    async def _complete(self, client: Client, job: Job, slots: asyncio.Semaphore) -> None:
        try:
            if job.key in self._held:
                self._books.twice += 1
                return
            self._held.add(job.key)
            await self._patiently(lambda: client.complete_job(job.key))
            self._completed(job.process_instance_key, float(job.variables["due"]))
        except OsmiaError as error:
            self._note(error)
        finally:
            slots.release()

    def _completed(self, key: int, due: float) -> None:
        now = time.monotonic()
        self._books.completed.append(key)
        self._books.latencies.append(now - due)
        self._books.in_time += now < self._ends
        waiting = self._open.pop(key, None)
        if waiting is None:
            self._early.add(key)
        elif not waiting.done():
            waiting.set_result(None)

    async def _patiently(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Repeat a call that the broker turned away, after a growing pause. The broker did nothing, so this is safe."""
        pause = BUSY_FIRST_S
        while True:
            try:
                return await call()
            except Overloaded:
                self._books.busy += 1
                await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
                pause = min(pause * 2, BUSY_MAX_S)

    async def _drained(self) -> None:
        """Wait until no acknowledged instance is open, at most `DRAIN_S`."""
        if self._open:
            await asyncio.wait(self._open.values(), timeout=DRAIN_S)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._pipe.send(len(self._books.completed))

    def _note(self, error: OsmiaError) -> None:
        self._note_text(str(error)[:200])

    def _note_text(self, text: str) -> None:
        self._books.errors[text] = self._books.errors.get(text, 0) + 1


async def _end(tasks: "list[asyncio.Task[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
