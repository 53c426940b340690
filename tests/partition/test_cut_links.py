"""Links between processes are cut at random, while instances begin and callers wait for jobs, complete them and leave.

The clock stands, so no lease ends: a job that one caller has been given may be given to nobody else, and every job is given in the end. A schedule is
made of its seed; what the event loop does between is its own.
"""

import asyncio
import random
from pathlib import Path

import pytest

from osmia_broker.base.errors import NotFound, Unavailable
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine.answers import ActivatedJob
from osmia_broker.state.rows import ElementInstance, FollowUp
from tests.clock import FakeClock
from tests.partition.opened import WatchedStore, activate, compile_now, complete, create, deploy, steps_only
from tests.partition.processes import Processes, processes
from tests.patience import ANSWER_S

SEEDS, STEPS = 12, 60
PROCESSES = 3
WAIT_S = 60.0
TIMEOUT_MS = 10_000_000  # longer than any job is held


class Clients:
    """Callers at all processes, and the books of what they were given."""

    def __init__(self, it: Processes, chance: random.Random) -> None:
        self.it, self.chance = it, chance
        self.waiting = [Dispatcher(one.parts) for one in it.all]
        for one in it.all:
            one.serving.offer_jobs()
        self.polls: list[asyncio.Task[list[ActivatedJob]]] = []
        self.readers: list[asyncio.Task[None]] = []
        self.creating: list[asyncio.Task[None]] = []
        self.given: dict[int, str] = {}
        self.held: list[ActivatedJob] = []
        self.created: set[int] = set()

    def take(self, job: ActivatedJob, by: str) -> None:
        assert job.key not in self.given, f"job {job.key} was given to {self.given[job.key]}, and then to {by}"
        self.given[job.key] = by
        self.held.append(job)

    async def step(self) -> None:
        act = self.chance.choice(
            [
                self.create,
                self.create,
                self.create,
                self.poll,
                self.poll,
                self.leave,
                self.cut,
                self.complete,
                self.read,
            ]
        )
        act()
        for _ in range(self.chance.choice((0, 0, 1, 2, 5, 20))):
            await asyncio.sleep(0)
        self.collect()

    def collect(self) -> None:
        for task in [one for one in self.polls if one.done()]:
            self.polls.remove(task)
            if not task.cancelled() and task.exception() is None:
                for job in task.result():
                    self.take(job, "a poll")

    # --- what clients do

    def create(self) -> None:
        async def created(process: int) -> None:
            try:
                answer = await self.it.all[process].router.submit(create())
                self.created.add(answer.process_instance_key)
            except Unavailable:  # unknown to the caller, as it says
                pass

        self.creating.append(asyncio.ensure_future(created(self.chance.randrange(PROCESSES))))

    def poll(self) -> None:
        waiting = self.chance.choice(self.waiting)
        poll = Poll(waiting, activate("ask", self.chance.randint(1, 3)), waits=True)
        self.polls.append(asyncio.ensure_future(poll.jobs(WAIT_S)))

    def leave(self) -> None:
        if self.polls:
            self.chance.choice(self.polls).cancel()

    def read(self) -> None:
        """Read a stream for a few jobs, then leave it. A job has been written when the next one is read; the last one comes back."""

        async def taken(waiting: Dispatcher, number: int) -> None:
            with JobStream(waiting, activate(max_jobs=32)) as stream:
                job = await anext(stream)
                for _ in range(number):
                    self.take(job, "a stream")
                    job = await anext(stream)

        self.readers.append(asyncio.ensure_future(taken(self.chance.choice(self.waiting), self.chance.randint(1, 4))))

    def cut(self) -> None:
        one, other = self.chance.sample(range(PROCESSES), 2)
        try:
            link = self.it.all[one].links.to(other + 1)
        except Exception:  # noqa: BLE001 - it is cut already
            return
        link.cut("the schedule cuts it")

    def complete(self) -> None:
        if not self.held:
            return
        job = self.held.pop(self.chance.randrange(len(self.held)))

        async def completed() -> None:
            try:
                await self.chance.choice(self.it.all).router.submit(complete(job))
            except (Unavailable, NotFound):  # unknown: it is done again at the end
                self.held.append(job)

        self.creating.append(asyncio.ensure_future(completed()))

    async def end(self) -> None:
        """Let everything come to rest, and give out and complete what is left."""
        while not all(part.is_open for one in self.it.all for part in one.parts):
            await asyncio.sleep(0)
        await asyncio.gather(*self.creating)
        for task in (*self.polls, *self.readers):
            task.cancel()
        for found in await asyncio.gather(*self.polls, return_exceptions=True):
            for job in found if isinstance(found, list) else ():
                self.take(job, "a poll")
        for failure in await asyncio.gather(*self.readers, return_exceptions=True):
            assert not isinstance(failure, AssertionError), failure
        await self.it.settled()


async def played(seed: int, folder: Path) -> None:
    stores = [WatchedStore() for _ in range(PROCESSES)]
    options = {"compiler": compile_now, "budget": steps_only()}
    clock = FakeClock()
    async with processes(folder, stores, clock, number=PROCESSES, front=2, **options) as it:
        await it.submit(deploy("start > ask:job > end"))
        await it.settled()
        clients = Clients(it, random.Random(seed))
        for _ in range(STEPS):
            await clients.step()
        async with asyncio.timeout(ANSWER_S):
            await clients.end()
            for one in it.led:
                while found := await one.submit(activate("ask", 100)):
                    for job in found:
                        clients.take(job, "the end")
            clock.ms += TIMEOUT_MS  # an answer that was on its way when its link was cut is known to nobody
            it.check_clock()
            await it.settled()
            found = [job.process_instance_key for one in it.led for job in await one.submit(activate("ask", 1_000))]
        instances = [row for store in stores for row in store.rows(ElementInstance) if row.type == "PROCESS"]
        assert {row.key for row in instances} >= clients.created
        assert sorted(found) == sorted(row.key for row in instances if not row.ended_ms)
        assert [store.living(FollowUp) for store in stores] == [[], [], []]


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_job_is_given_twice_while_links_are_cut(seed: int, tmp_path: Path):
    await played(seed, tmp_path)
