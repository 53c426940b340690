"""The workers of an imagined cluster: they poll or hold streams open, complete and fail jobs, and leave; and the judge of who has a job.

A poll or a stream is one of a broker's own, as its door would have it, so jobs come from all partitions.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from osmia_broker.base.errors import NotFound, OsmiaError, Rejection
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.engine import commands
from osmia_broker.state.rows import Incident, Job
from tests.simulation.clients import Clients, Unknown
from tests.simulation.virtual import WORLD, passing

TYPE = "t"
TIMEOUTS_MS = (100, 1_000, 4_000, 20_000)
POLL_S = 5.0
LEAVES = 0.4  # of all polls, before they are answered
FAILS = 0.2  # of all jobs
RETRIES = (0, 2)
BACK_OFFS_MS = (0, 500)
READING_S = (0.0, 0.3)  # of a stream, each job
STREAM_S = (1.0, 20.0)


@dataclass(frozen=True)
class Hold:
    """A time in which one worker has a job, by the clock of the leader who gave it."""

    worker: str
    from_ms: int
    until_ms: int


@dataclass
class Failure:
    """A report that a job has failed: when it was sent and when its answer came, by a clock that nobody has set."""

    retries: int
    sent_ms: int
    answered_ms: float = inf
    is_acknowledged: bool = False


@dataclass
class KnownJob:
    """A job as its workers know it."""

    key: int
    instance: int
    holds: list[Hold] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    completions: list[str] = field(default_factory=list)  # each that was tried, by its mark
    completed_by: str = ""  # the mark of the one that was acknowledged
    completed_ms: float = inf  # when that was known, by a clock that nobody has set


class Workers:
    """All workers, and what they were told."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.chance = clients, clients.chance
        self.jobs: dict[int, KnownJob] = {}
        self._marks = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._reports: list[asyncio.Task[None]] = []  # of jobs that came over streams

    def begin(self, number: int) -> None:
        """Let so many workers work until `end`, the first of them over streams; and a person resolves incidents.

        Each works at one broker as long as that is up: so jobs of brokers without workers have to be reported to others.
        """
        for place in range(number):
            work = self._stream if place == 0 else self._poll
            self._tasks.append(asyncio.ensure_future(work(f"w{place}", self.chance.choice(self.clients.cluster.names))))
        self._tasks.append(asyncio.ensure_future(self._resolve()))

    def raise_faults(self) -> None:
        """Raise what a worker has found to be wrong."""
        for task in [*self._tasks, *self._reports]:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Let nobody work any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- polls

    async def _poll(self, worker: str, name: str) -> None:
        while True:
            with suppress(Unknown, Rejection):
                await self._take_jobs(worker, name)
            await self.clients.pause()

    async def _take_jobs(self, worker: str, name: str) -> None:
        command = commands.ActivateJobs(TYPE, worker, self.chance.choice(TIMEOUTS_MS), self.chance.randint(1, 3))
        leaves_s = self.chance.uniform(0, POLL_S) if self.chance.random() < LEAVES else POLL_S + 10
        asked_ms = self.clients.now_ms
        jobs = await self.clients.ask(
            lambda broker: Poll(broker.dispatcher, command, waits=True).jobs(POLL_S), leaves_s=leaves_s, name=name
        )
        for job in jobs:
            known = self._note_activation(job, worker, command.timeout_ms, asked_ms)
            await self._report(known)

    # --- streams

    async def _stream(self, worker: str, name: str) -> None:
        while True:
            with suppress(Unknown):
                await self._read(worker, name)
            await self.clients.pause()

    async def _read(self, worker: str, name: str) -> None:
        """Hold a stream open for a while; a job has arrived when its write has ended."""
        broker = await self.clients.some_broker(name)
        command = commands.ActivateJobs(TYPE, worker, self.chance.choice(TIMEOUTS_MS), 0)

        async def read() -> None:
            with suppress(OsmiaError), JobStream(broker.dispatcher, command) as stream:
                async for job in stream:
                    await passing(self.chance.uniform(*READING_S))
                    known = self._note_activation(job, worker, command.timeout_ms, 0)
                    self._reports.append(self.clients.cluster.loop.create_task(self._report(known), context=WORLD))

        reading = broker.do(read())
        until_s = self.clients.now_s + self.chance.uniform(*STREAM_S)
        while self.clients.now_s < until_s and not reading.done():
            await passing(0.5)
        reading.cancel()

    # --- reports

    def _note_activation(self, job: Any, worker: str, timeout_ms: int, asked_ms: int) -> KnownJob:
        """Judge that nobody else has the job at that time. Answers may come late, and so in any order.

        The clocks of two leaders may be apart, if some were set.
        """
        hold = Hold(worker, job.deadline_ms - timeout_ms, job.deadline_ms)
        self.clients.say(f"{worker} gets job {job.key} from {hold.from_ms} until {hold.until_ms}")
        known = self.jobs.setdefault(job.key, KnownJob(job.key, job.process_instance_key))
        ahead_ms = self.clients.cluster.ahead_ms_max
        assert max(asked_ms, hold.from_ms - ahead_ms) <= known.completed_ms, (
            f"job {job.key} is given out after {known.completed_by} has completed it"
        )
        for other in known.holds:
            earlier, later = sorted([other, hold], key=lambda one: one.from_ms)
            assert earlier.until_ms <= later.from_ms + 2 * ahead_ms or _may_have_failed(
                known, earlier, later, ahead_ms
            ), f"two have job {job.key} at a time: {earlier}, {later}"
        known.holds.append(hold)
        return known

    async def _report(self, job: KnownJob) -> None:
        chosen = self.chance.random()
        if chosen < FAILS:
            return  # the worker forgets it
        await passing(self.chance.choice([0.0, 0.2, 2.0]))
        with suppress(Unknown):
            await (self._fail(job) if chosen < 2 * FAILS else self._complete(job))

    async def _fail(self, job: KnownJob) -> None:
        failure = Failure(self.chance.choice(RETRIES), self.clients.now_ms)
        job.failures.append(failure)
        command = commands.FailJob(job.key, failure.retries, "no", self.chance.choice(BACK_OFFS_MS), {})
        try:
            await self.clients.send(command)
        except Rejection:
            failure.retries = -1  # nothing has changed
        else:
            failure.is_acknowledged = True
            self.clients.say(f"job {job.key} has failed, with {failure.retries} retries left")
            assert self.clients.now_ms >= failure.sent_ms
        failure.answered_ms = self.clients.now_ms

    async def _complete(self, job: KnownJob) -> None:
        self._marks += 1
        mark = f"c{self._marks}"
        job.completions.append(mark)
        try:
            await self.clients.send(commands.CompleteJob(job.key, {"by": f'"{mark}"'}))
        except NotFound:
            assert len(job.completions) > 1, f"job {job.key} is lost: nobody has completed it"
        except Rejection:  # it has failed, and waits for a person
            assert job.failures, f"job {job.key} cannot be completed, and nobody has reported that it failed"
        else:
            assert not job.completed_by, f"job {job.key} is completed by {job.completed_by}, and then by {mark}"
            self.clients.say(f"job {job.key} is completed by {mark}")
            job.completed_by, job.completed_ms = mark, self.clients.now_ms

    async def _resolve(self) -> None:
        """Give jobs without retries new ones, and resolve their incidents."""
        while True:
            for incident in self.clients.living(Incident):
                with suppress(Unknown, Rejection):
                    await self.clients.send(commands.UpdateJobRetries(incident.job_key, 3))
                    await self.clients.send(commands.ResolveIncident(incident.key))
            await self.clients.pause()

    # --- the verdict

    def judge(self, completed_by: dict[int, str]) -> None:
        """Judge the end: *completed_by* are the marks that process instances have, by their key."""
        assert not self.clients.living(Incident), f"found {self.clients.living(Incident)[0]}"
        completed = {row.key for row in self.clients.rows(Job) if row.state == "COMPLETED"}
        incidents: dict[int, int] = {}
        for row in self.clients.rows(Incident):
            incidents[row.job_key] = incidents.get(row.job_key, 0) + 1
        for job in self.jobs.values():
            by = completed_by[job.instance]
            assert job.key in completed, f"job {job.key} was not completed"
            assert by in job.completions, f"job {job.key} is completed by {by}, but only {job.completions} tried"
            assert job.completed_by in ("", by), f"{job.completed_by} was acknowledged, but {by} completed {job.key}"
            stops = [one for one in job.failures if one.retries == 0]
            acknowledged = sum(one.is_acknowledged for one in stops)
            assert acknowledged <= incidents.get(job.key, 0) <= len(stops), (
                f"job {job.key} has {incidents.get(job.key, 0)} incidents after {acknowledged} to {len(stops)} failures without retries"
            )


def _may_have_failed(job: KnownJob, earlier: Hold, later: Hold, ahead_ms: int) -> bool:
    """Whether a report of a failure may have ended a hold before a later one began."""
    return any(
        one.retries >= 0 and one.sent_ms <= later.from_ms + ahead_ms and one.answered_ms >= earlier.from_ms - ahead_ms
        for one in job.failures
    )
