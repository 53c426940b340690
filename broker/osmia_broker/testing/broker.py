"""A broker for tests: in this process, with a clock that the test moves.

    async with Broker() as broker:
        await broker.deploy("dinner.bpmn")
        instance = await broker.start("dinner", {"guests": 4})
        instance.waits_at("decide")
        await instance.complete_task("decide", {"dinner": "Pasta"})
        instance.passed("hungry", "decide").has_variables(dinner="Pasta")

Every call returns when the broker is quiet and the workers under test have done all that they can.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from osmia import BpmnError, Client, Worker, reporting
from osmia.errors import NotFound
from osmia.job import AdHocResult, Job, TaskListenerResult
from osmia.results import Deployment
from osmia.settings import WorkerOptions
from osmia.variables import is_object
from osmia_broker.base.edits import did_you_mean, nearest
from osmia_broker.state import rows
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store.memory import MemoryStore
from osmia_broker.store.sqlite import SqliteStore
from osmia_broker.testing.cases import Case, play
from osmia_broker.testing.clock import TestClock
from osmia_broker.testing.instance import Instance
from osmia_broker.testing.running import DATABASE, InProcess, Running, WithPorts
from osmia_broker.testing.story import story
from osmia_broker.testing.view import View

MOMENTS_MAX = 10_000  # at which something fires within one `advance`
JOBS_MAX = 10_000  # that workers under test take before the broker is quiet
LEASE_MS = 3_600_000  # of a job that a worker under test holds; the clock stands meanwhile
ANY_WORKER = "test"
LOOK_S = 0.002  # between two looks at a call that waits for the job of a listener; nobody reports that it waits

T = TypeVar("T")

Resource = str | Path | tuple[str, bytes]


class Broker:
    """A broker under test; it is started when it is made. `client` is the SDK's client of it, for all that has no method here."""

    def __init__(self, *, data_dir: Path | str | None = None, ports: bool = False, **settings: Any) -> None:
        """Start a broker in memory, without a port.

        Args:
            data_dir: keep the data in a file in this directory.
            ports: open the doors of a real broker at free ports, for clients in other processes: see `address`.
            settings: of the broker, as in `osmia.toml`; only together with *ports*.

        """
        if settings and not ports:
            raise TypeError(f"Expected settings only together with ports=True, but found {', '.join(settings)}")
        self.clock = TestClock()
        self._own_dir = tempfile.TemporaryDirectory() if ports and data_dir is None else None
        directory = self._own_dir.name if self._own_dir is not None else data_dir
        self._data_dir = Path(directory) if directory else None
        self._memory = MemoryStore() if self._data_dir is None else None
        self._settings = settings if ports else None
        self._workers: list[Worker] = []
        self._running: Running | None = self._started()
        self.view = View(self._running.database, self._settle_now, self._has_handler)

    def _started(self) -> Running:
        if self._memory is not None:
            return InProcess(self.clock, self._memory, self._memory.path)
        assert self._data_dir is not None, "a broker that is not in memory has a directory"
        if self._settings is None:
            path = self._data_dir / DATABASE
            return InProcess(self.clock, SqliteStore(path), path)
        return WithPorts(self.clock, self._data_dir, **self._settings)

    # --- life

    @property
    def running(self) -> Running:
        """The parts of the broker.

        Raises:
            RuntimeError: it is closed.

        """
        if self._running is None:
            raise RuntimeError("Expected a broker that runs, but found one that is closed")
        return self._running

    @property
    def is_running(self) -> bool:
        """Whether it has not been closed."""
        return self._running is not None

    @property
    def client(self) -> Client:
        """The SDK's client of this broker."""
        return self.running.client

    @property
    def address(self) -> str:
        """The HOST:PORT of the gRPC door; empty without ports."""
        return self.running.address

    @property
    def now(self) -> datetime:
        """The present moment of the broker, in UTC."""
        return self.clock.now

    def close(self) -> None:
        """Stop the broker. Safe to call twice."""
        running, self._running = self._running, None
        if running is not None:
            running.close()
        if self._own_dir is not None:
            self._own_dir.cleanup()

    async def restart(self) -> None:
        """Stop the broker and start it again on its data. Its clock goes on; a client from before does not."""
        running, self._running = self.running, None
        running.close()
        self._running = self._started()
        await self.settle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()
        self.close()

    def _settle_now(self) -> None:
        self.running.settle_now()

    # --- processes

    async def deploy(self, *resources: Resource) -> Deployment:
        """Deploy files, given by their path or as (name, content)."""
        return await self.client.deploy(*resources)

    async def start(self, process_id: str, variables: object = None, **options: Any) -> Instance:
        """Start an instance of a process; *options* are those of `Client.create_instance`.

        Raises:
            NotFound: no such process is deployed; the text names the nearest.
        """
        __tracebackhide__ = True
        try:
            created = await self.client.create_instance(process_id, variables, **options)
        except NotFound as error:
            ids = {one.bpmn_process_id for one in self.view.definitions()}
            raise NotFound(error.code, f"{error.sentence}{did_you_mean(process_id, ids)}") from None
        await self.settle()
        return Instance(self, created.key)

    def instances(self, process_id: str = "") -> list[Instance]:
        """Return all instances, or those of one process, running and ended, oldest first."""
        return [Instance(self, row.key) for row in self.view.instances(process_id)]

    def instance(self, process_id: str) -> Instance:
        """Return the newest instance of a process.

        Raises:
            AssertionError: there is none.

        """
        __tracebackhide__ = True
        found = self.instances(process_id)
        if not found:
            others = ", ".join(sorted({one.process_id for one in self.instances()})) or "none at all"
            raise AssertionError(f"Expected an instance of '{process_id}', but found {others}")
        return found[-1]

    # --- time

    async def advance(self, span: timedelta | None = None, /, **parts: float) -> None:
        """Let time pass: `advance(days=2)`. Timers, deadlines and back-offs on the way fire in order, each at its own moment.

        *parts* are those of a `timedelta`: weeks, days, hours, minutes, seconds, milliseconds.

        Raises:
            TypeError: a part has no such name; the text names the nearest.
            ValueError: the span is negative.
            AssertionError: more than MOMENTS_MAX moments fire on the way.

        """
        __tracebackhide__ = True
        span = (span or timedelta()) + _span(parts)
        if span < timedelta():
            raise ValueError(f"Expected a span of time from now on, but found {span}")
        await self.set_time(self.now + span)

    async def set_time(self, moment: datetime) -> None:
        """Let time pass until *moment*, which has a zone.

        Raises: as `advance`.

        """
        __tracebackhide__ = True
        if not isinstance(moment, datetime):
            raise TypeError(f"Expected a moment as a datetime with a zone, but found {moment!r}")
        until_ms = int(moment.astimezone(UTC).timestamp() * 1000)
        if moment.tzinfo is None or until_ms < self.clock.ms:
            raise ValueError(f"Expected a moment with a zone, not before {self.now.isoformat()}, but found {moment}")
        for _ in range(MOMENTS_MAX):
            await self.settle()
            if await self.running.advance(until_ms):
                await self.settle()
                return
        raise AssertionError(
            f"Expected at most {MOMENTS_MAX} moments until {moment.isoformat()}, but it is only {self.now.isoformat()};"
            " advance in smaller spans"
        )

    async def settle(self) -> None:
        """Wait until the broker is quiet and the workers under test find no more jobs.

        Raises:
            AssertionError: they took more than JOBS_MAX jobs.

        """
        __tracebackhide__ = True
        taken = 0
        while True:
            await self.running.settle()
            did = 0
            for worker in self._workers:
                did += await self._let_work(worker)
            if not did:
                return
            taken += did
            if taken > JOBS_MAX:
                raise AssertionError(f"Expected the workers to become idle, but they took more than {JOBS_MAX} jobs")

    async def wait_for(self, call: Awaitable[T]) -> T:
        """Await a call of the client while the workers under test work: it may wait for them, as a task with listeners does.

        For example: `await broker.wait_for(broker.client.user_tasks.update(key, {"priority": 9}))`.
        """
        answer = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait([answer], timeout=LOOK_S))[0]:
                await self.settle()
            await self.settle()
            return answer.result()
        finally:
            answer.cancel()

    # --- workers under test

    def worker(self, **options: Unpack[WorkerOptions]) -> Worker:
        """Make a worker under test. Register its handlers as usual, but do not start it: it works whenever the broker would be quiet."""
        worker = Worker(self.client, **options)
        self.add_worker(worker)
        return worker

    def add_worker(self, worker: Worker) -> None:
        """Let a worker of the program work here: register it before the jobs come."""
        self._workers.append(worker)

    def stub_job(
        self,
        type: str,
        variables: object | Callable[[Job], object] = None,
        *,
        error_code: str = "",
        error_message: str = "",
    ) -> None:
        """Complete all jobs of *type* from now on, or throw the error *error_code* for them.

        *variables* go with it; a function makes them of the job.

        Raises:
            TypeError: *variables* are neither.
        """
        known = is_object(variables) or isinstance(variables, AdHocResult | TaskListenerResult | None)
        if not (known or callable(variables)):
            text = f"Expected variables to be a mapping, a model, or a function of the job, but found {variables!r}"
            raise TypeError(text)

        async def stub(job: Job) -> object:
            given = variables(job) if callable(variables) else variables
            if error_code:
                raise BpmnError(error_code, error_message, given)
            return given

        worker = Worker(self.client, name=ANY_WORKER)
        worker.job(type)(stub)
        self._workers = [one for one in self._workers if one.name != ANY_WORKER or type not in one.types]
        self.add_worker(worker)

    def _has_handler(self, job: rows.Job) -> bool:
        return any(worker.takes(_seen(job)) for worker in self._workers)

    async def _let_work(self, worker: Worker) -> int:
        """Let *worker* handle what waits for it; return how many jobs that were."""
        done = 0
        for type in worker.types:
            waiting = self.view.jobs(type=type, state=rows.JobState.ACTIVATABLE)
            if any(worker.takes(_seen(job)) for job in waiting):
                taken = await self.client.activate_jobs(
                    type, max_jobs=len(waiting), timeout_ms=LEASE_MS, wait_ms=0, worker=worker.name
                )
                for job in taken:
                    await self._handle(worker, job)
                done += len(taken)
        return done

    async def _handle(self, worker: Worker, job: Job) -> None:
        if worker.takes(job):
            outcome = await worker.handle(job)
            await reporting.report(self.client, job, outcome, is_over=lambda: True)
        else:  # a user task for somebody else
            await self.client.update_job_timeout(job.key, 0)

    # --- what workers and people do

    async def complete_job(self, name: str, variables: object = None, *, instance: Instance | None = None) -> None:
        """Complete the oldest open job of a type or an element, named *name*."""
        __tracebackhide__ = True
        await self.client.complete_job(self._job(name, instance).key, variables)
        await self.settle()

    async def fail_job(
        self,
        name: str,
        message: str = "",
        *,
        retries: int | None = None,
        back_off_ms: int = 0,
        variables: object = None,
        instance: Instance | None = None,
    ) -> None:
        """Fail the oldest open job of a type or an element. Without *retries* it has one less than before."""
        __tracebackhide__ = True
        job = self._job(name, instance)
        left = max(job.retries - 1, 0) if retries is None else retries
        await self.client.fail_job(job.key, retries=left, message=message, back_off_ms=back_off_ms, variables=variables)
        await self.settle()

    async def throw_error(
        self, name: str, code: str, message: str = "", variables: object = None, *, instance: Instance | None = None
    ) -> None:
        """Throw a BPMN error from the oldest open job of a type or an element."""
        __tracebackhide__ = True
        await self.client.throw_error(self._job(name, instance).key, code, message=message, variables=variables)
        await self.settle()

    async def complete_task(
        self, name: str, variables: object = None, *, user: str = "", instance: Instance | None = None
    ) -> None:
        """Complete the oldest open user task of an element, named by id or name, as *user*."""
        __tracebackhide__ = True
        await self.wait_for(self.client.user_tasks.complete(self.task(name, instance).key, variables, user=user))

    async def claim_task(
        self, name: str, user: str, *, groups: Sequence[str] = (), instance: Instance | None = None
    ) -> None:
        """Claim the oldest open user task of an element for *user*, who is in these *groups*."""
        __tracebackhide__ = True
        await self.wait_for(self.client.user_tasks.claim(self.task(name, instance).key, user=user, groups=groups))

    def task(self, name: str, instance: Instance | None = None) -> UserTask:
        """Return the oldest open user task of an element, named by id or name, as it is stored.

        Raises:
            AssertionError: there is none.

        """
        __tracebackhide__ = True
        where = {"process_instance_key": instance.key} if instance is not None else {}
        tasks = self.view.tasks(**where)
        for task in tasks:
            if name in (task.element_id, task.name):
                return task
        words = {word: None for task in tasks for word in (task.element_id, task.name) if word}
        found = ", ".join(f"'{task.element_id}'" for task in tasks) or "none"
        raise AssertionError(
            f"Expected an open user task '{name}', but found {found}{did_you_mean(name, words)}\n{self._told(instance)}"
        )

    async def publish(
        self,
        name: str,
        correlation_key: str = "",
        variables: object = None,
        *,
        time_to_live: timedelta = timedelta(),
        message_id: str = "",
    ) -> None:
        """Publish a message."""
        time_to_live_ms = int(time_to_live.total_seconds() * 1000)
        await self.client.publish_message(
            name, correlation_key, variables, time_to_live_ms=time_to_live_ms, message_id=message_id
        )
        await self.settle()

    async def broadcast(self, name: str, variables: object = None) -> None:
        """Broadcast a signal."""
        await self.client.broadcast_signal(name, variables)
        await self.settle()

    async def set_variables(self, key: int, variables: object, *, local: bool = False) -> None:
        """Set variables at an instance or an element instance."""
        await self.client.set_variables(key, variables, local=local)
        await self.settle()

    async def resolve_incident(self, key: int) -> None:
        """Resolve an incident; if its job has no retries left, it gets one."""
        [incident] = self.view.rows(rows.Incident, key=key)
        for job in self.view.jobs(key=incident.job_key) if incident.job_key else []:
            if job.retries < 1:
                await self.client.update_job_retries(job.key, 1)
        await self.client.resolve_incident(key)
        await self.settle()

    async def play(self, case: Case) -> None:
        """Play a test case of Camunda Process Test: see `read_cases`.

        Raises:
            AssertionError: an instruction fails; the text names it.

        """
        __tracebackhide__ = True
        await play(self, case)

    def _job(self, name: str, instance: Instance | None) -> rows.Job:
        """Return the oldest open job that *name* means."""
        __tracebackhide__ = True
        where = {"process_instance_key": instance.key} if instance is not None else {}
        jobs = self.view.jobs(**where)
        named = [job for job in jobs if name in (job.type, job.element_id) or self._name_of(job) == name]
        open_ones = [job for job in named if job.state in (rows.JobState.ACTIVATABLE, rows.JobState.ACTIVATED)]
        if open_ones:
            return open_ones[0]
        raise AssertionError(self._no_job(name, jobs, named, instance))

    def _no_job(self, name: str, jobs: Sequence[rows.Job], named: Sequence[rows.Job], instance: Instance | None) -> str:
        if named:
            return (
                f"Expected a job '{name}' that can be worked on, but found it {named[0].state}\n{self._told(instance)}"
            )
        words = {word: None for job in jobs for word in (job.element_id, job.type)}
        found = ", ".join(f"'{job.element_id}'" for job in jobs) or "none"
        return f"Expected an open job '{name}', but found {found}{did_you_mean(name, words)}\n{self._told(instance)}"

    def _told(self, instance: Instance | None) -> str:
        """Return the story of *instance*, or of the newest instances."""
        if instance is not None:
            return story(self.view, instance.row)
        told = (
            f"process instance {row.key} of {row.element_id}\n{story(self.view, row)}" for row in self.view.instances()
        )
        return "\n".join(list(told)[-3:])

    def _name_of(self, job: rows.Job) -> str:
        """Return the name of the element of a job."""
        for definition in self.view.definitions():
            if definition.key == job.process_definition_key:
                return self.view.model(definition).elements[job.element_id].name
        return ""


def _seen(job: rows.Job) -> Job:
    """Return a stored job as its worker would see it, as far as that decides who takes it."""
    return Job(
        key=job.key,
        type=job.type,
        process_instance_key=job.process_instance_key,
        element_instance_key=job.element_instance_key,
        element_id=job.element_id,
        headers_json=job.headers,
    )


PARTS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")  # of a span of time


def _span(parts: dict[str, float]) -> timedelta:
    for name, value in parts.items():
        if name not in PARTS:
            near = nearest(name, PARTS)
            meant = f"; did you mean {near}={value}?" if near else ""
            raise TypeError(f"Expected a span in {', '.join(PARTS[:-1])}, but found {name}={value}{meant}")
    return timedelta(**parts)
