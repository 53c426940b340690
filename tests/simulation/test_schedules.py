"""Whatever the order of commands, failures and restarts: acknowledged effects hold, refusals are right, and the rows fit together.

A schedule comes from its seed alone: one event loop, no thread, a store in memory, a clock that the schedule moves. A failing one prints the
calls that it made.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from osmia_broker.base.errors import OsmiaError, Rejection, StoreFailed
from osmia_broker.engine import Budget, commands
from osmia_broker.state.rows import ElementInstance, Incident, Job, JobState
from tests.partition.opened import ONE_INSTANCE, Opened, WatchedStore, deploy, opened
from tests.simulation.books import REPORTABLE, Books, KnownJob
from tests.simulation.defects import played
from tests.simulation.invariants import check

PROCESS = deploy(
    "start > fork:parallel [a:job(type=t) > join:parallel > end"
    " | pick:exclusive [n > 5 -> b:job(type=t) > merge:task > join | else -> c:user > merge]"
    " | inner:sub { start > p:task > d:job(type=t) > end } > q:task > e:job(type=t) > join]"
)
TYPES = ("t", "io.camunda.zeebe:userTask")
STEPS, ROUNDS = 40, 3
LONG_MS = 10**12
BOUNDS = [1, ONE_INSTANCE, 2 * ONE_INSTANCE, 3 * ONE_INSTANCE, 10 * ONE_INSTANCE, 1 << 40]


class Client:
    """Calls one partition at random, keeps the books, and judges every answer by them."""

    def __init__(self, it: Opened, books: Books, chance: random.Random, said: list[str]) -> None:
        self.it, self.books, self.chance, self.said = it, books, chance, said
        self.busy: set[int] = set()  # jobs and instances that a call of this burst is about
        self.unknown = False  # whether a call of this burst failed with the store

    async def step(self) -> None:
        self.busy.clear()
        self.unknown = False
        calls = [self.chance.choice(CALLS)(self) for _ in range(self.chance.randint(1, 8))]
        if self.chance.random() < 0.15:
            self.it.store.fails, self.it.store.fails_after = StoreFailed("simulated"), self.chance.random() < 0.5
        self.said.append("--- a burst")
        await self._play(calls)
        await self.it.settled()
        await self.it.advance(self.chance.choice([0, 1, 50, 400, 20_000]))
        if self.unknown or self.it.heard.opened > 1:
            self.books.learn(self.it.store)
        self.it.heard.opened = 1
        self.note_ends()

    async def _play(self, calls: list[Coroutine[Any, Any, None]]) -> None:
        """Make all calls at once; or some of them while those before are being written."""
        tasks = [asyncio.ensure_future(one) for one in calls]
        if self.chance.random() < 0.4:
            self.it.store.may_write.clear()
            await self.it.turns(self.chance.randint(1, 5))
            tasks.append(asyncio.ensure_future(self.create()))
            tasks.append(asyncio.ensure_future(self.complete()))
            await self.it.turns(2)
            self.it.store.may_write.set()
        await asyncio.gather(*tasks)

    def note_ends(self) -> None:
        """Back-offs that are over, and instances that ended with their last job."""
        for job in self.books.jobs.values():
            if job.state == "backing off" and self.it.store.row(Job, job.key).state is JobState.ACTIVATABLE:
                assert self.it.clock.ms >= job.until_ms, f"{job} can be handed out before its back-off is over"
                job.state = "held"

    # --- calls

    async def create(self) -> None:
        number = {"n": self.chance.choice(["1", "9", '"text"'])}
        answer = await self.call(commands.CreateProcessInstance("process", -1, 0, number), "OK")
        if answer is not None:
            self.books.running.add(answer.process_instance_key)

    async def activate(self) -> None:
        type, timeout_ms = self.chance.choice(TYPES), self.chance.choice([1, 500, 10_000, LONG_MS])
        for job in await self.call(commands.ActivateJobs(type, "w", timeout_ms, self.chance.randint(1, 9)), "OK") or []:
            known = self.books.jobs.setdefault(job.key, KnownJob(job.key, job.process_instance_key, "held"))
            if job.process_instance_key in self.books.cancelled and job.process_instance_key in self.busy:
                known.state = "canceled"  # in the same burst: the job was handed out before the cancellation
                continue
            assert known.state == "held" or job.key in self.busy, f"a job was handed out that is {known.state}"
            assert self.it.clock.ms >= known.until_ms or job.key in self.busy or self.unknown, f"two have {known}"
            known.until_ms = job.deadline_ms

    async def complete(self) -> None:
        if job := self.some_job():
            expected = REPORTABLE[job.state]
            await self.call(commands.CompleteJob(job.key, {"n": "7"}), expected)
            if expected == "OK" and not self.unknown:
                job.state = "completed"

    async def fail(self) -> None:
        if job := self.some_job():
            expected = REPORTABLE[job.state]
            retries, back_off_ms = self.chance.choice([(0, 0), (2, 0), (2, 300), (2, LONG_MS)])
            await self.call(commands.FailJob(job.key, retries, "no", back_off_ms, {}), expected)
            if expected == "OK" and not self.unknown:
                job.state = "parked" if not retries else "backing off" if back_off_ms else "held"
                job.until_ms = self.it.clock.ms + back_off_ms if retries else 0

    async def repair(self) -> None:
        """Give the job of an open incident new retries and resolve it."""
        open_ones = [row for row in self.it.store.living(Incident) if row.job_key and row.job_key not in self.busy]
        open_ones = [row for row in open_ones if row.process_instance_key not in self.busy]
        if open_ones:
            incident = self.chance.choice(open_ones)
            self.busy |= {incident.job_key, incident.process_instance_key}
            await self.call(commands.UpdateJobRetries(incident.job_key, 3), "OK")
            await self.call(commands.ResolveIncident(incident.key), "OK")
            if incident.job_key in self.books.jobs and not self.unknown:
                self.books.jobs[incident.job_key].state = "held"
                self.books.jobs[incident.job_key].until_ms = 0

    async def correct(self) -> None:
        """Set the variable that stopped a gateway, and resolve its incident."""
        open_ones = [row for row in self.it.store.living(Incident) if not row.job_key]
        open_ones = [row for row in open_ones if row.process_instance_key not in self.busy]
        if open_ones:
            incident = self.chance.choice(open_ones)
            self.busy.add(incident.process_instance_key)
            await self.call(commands.SetVariables(incident.process_instance_key, {"n": "3"}, False), "OK")
            await self.call(commands.ResolveIncident(incident.key), "OK")

    async def cancel(self) -> None:
        used = {job.process_instance_key for job in self.books.jobs.values() if job.key in self.busy}
        free = sorted(self.books.running - self.busy - used)  # two calls at a time have no order
        free = [key for key in free if self.lives(key)]
        if free and self.chance.random() < 0.3:
            key = self.chance.choice(free)
            self.busy.add(key)
            self.busy |= {job.key for job in self.books.jobs.values() if job.process_instance_key == key}
            await self.call(commands.CancelProcessInstance(key), "OK")
            if not self.unknown:
                self.books.cancel(key)

    async def call_for_nothing(self) -> None:
        await self.call(commands.CompleteJob((1 << 51) + 40_000_000 + self.chance.randint(0, 9), {}), "NotFound")

    # --- judging

    def lives(self, process_instance_key: int) -> bool:
        return any(row.key == process_instance_key for row in self.it.store.living(ElementInstance))

    def some_job(self) -> KnownJob | None:
        jobs = self.books.jobs.values()
        free = [job for job in jobs if job.key not in self.busy and job.process_instance_key not in self.busy]
        if not free:
            return None
        job = self.chance.choice(sorted(free, key=lambda one: one.key))
        self.busy.add(job.key)
        return job

    async def call(self, command: commands.Command, expected: str) -> Any:
        """The answer (... for one without content); None after a refusal or an unknown outcome."""
        try:
            answer = await self.it.do(command)
        except Rejection as refusal:
            found, answer = type(refusal).__name__, None
        except OsmiaError:
            self.unknown = True
            self.said.append(f"{command} -> unknown")
            return None
        else:
            found = "OK"
        self.said.append(f"{command} -> {found}")
        assert found == expected or self.unknown, f"expected {expected} for {command}, but found {found}"
        return ... if answer is None and found == "OK" else answer


CALLS = [
    Client.create,
    Client.create,
    Client.activate,
    Client.activate,
    Client.activate,
    Client.complete,
    Client.complete,
    Client.complete,
    Client.fail,
    Client.repair,
    Client.correct,
    Client.cancel,
    Client.call_for_nothing,
]


@pytest.mark.parametrize("seed", range(36))
async def test_any_schedule_keeps_its_promises(seed: int):
    await played(play(seed))


async def play(seed: int) -> None:
    """Play the schedule of this seed, and judge it."""
    books, chance, store, said = Books(), random.Random(seed), WatchedStore(), [f"seed {seed}"]
    try:
        for round_number in range(ROUNDS):
            bound = BOUNDS[(seed + round_number) % len(BOUNDS)]
            budget = Budget(chance.choice([1, 3, 10, 1_000]), seconds=60)
            async with opened(store, memory_bytes=bound, budget=budget) as it:
                it.clock.ms += round_number * 10_000_000
                if round_number == 0:
                    await it.do(PROCESS)
                client = Client(it, books, chance, said)
                for _ in range(STEPS):
                    await client.step()
                    check(it.partition, store, bound)
        async with opened(store, memory_bytes=BOUNDS[seed % len(BOUNDS)]) as it:
            it.clock.ms += 2 * LONG_MS
            await bring_to_an_end(it, books)
    except BaseException:
        print("\n".join(said[-60:]))
        raise


async def bring_to_an_end(it: Opened, books: Books) -> None:
    """Repair everything and complete every job: each activatable row is offered, and every instance ends."""
    for _ in range(50):
        await it.advance(1)
        for incident in it.store.living(Incident):
            if incident.job_key:
                await it.do(commands.UpdateJobRetries(incident.job_key, 3))
            else:
                await it.do(commands.SetVariables(incident.process_instance_key, {"n": "3"}, False))
            await it.do(commands.ResolveIncident(incident.key))
        await it.settled()
        waiting = {row.key for row in it.store.living(Job) if row.state is JobState.ACTIVATABLE}
        offered = set()
        for type in TYPES:
            while jobs := await it.do(commands.ActivateJobs(type, "w", 60_000, 7)):
                offered |= {job.key for job in jobs}
        assert offered == waiting, "not every activatable job was offered"
        for job in it.store.living(Job):
            await it.do(commands.CompleteJob(job.key, {"n": "7"}))
        await it.settled()
        if not it.store.living(ElementInstance):
            break
    assert it.store.living(ElementInstance) == []
    assert it.partition.state.residency.total_bytes == 0, "something stayed in memory"
    states = {row.key: row.state for row in it.store.rows(ElementInstance) if row.type == "PROCESS"}
    jobs = {row.key: row.state for row in it.store.rows(Job)}
    assert all(states[key] == "TERMINATED" for key in books.cancelled), "an acknowledged cancellation is lost"
    assert all(states[key] == "COMPLETED" for key in books.running), "an acknowledged instance is lost"
    assert all(jobs[job.key] == "COMPLETED" for job in books.jobs.values() if job.state == "completed")
