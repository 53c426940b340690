"""A worker: handlers by job type, each type with its own lane, started and stopped together.

For example:

    worker = Worker(client)

    @worker.job("charge-card", timeout_ms=30_000)
    async def charge(amount: int) -> dict[str, str]:
        return {"receipt": await pay(amount)}

    await worker.run()
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from osmia.backoff import RetryPauses
from osmia.client import Client
from osmia.handler import Handler
from osmia.job import USER_TASK_TYPE, Job, Outcome
from osmia.lane import Lane
from osmia.settings import JobOptions, JobSettings, WorkerOptions, WorkerSettings
from osmia.threads import DaemonThreads

Function = TypeVar("Function", bound=Callable[..., Any])

log = logging.getLogger("osmia.worker")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Works on jobs with the handlers that are registered with `job` and `user_task`.

    A handler ends a job by its return value (None, a mapping or a model: the variables for the process) or by an exception:
    `BpmnError`, `JobFailure`, or any other: one retry less and a growing pause. Without retries left the broker raises an
    incident. Variables that do not fit the handler's signature raise an incident at once, as does a result that cannot be
    sent. Each failure is logged by the logger `osmia.worker`, with its traceback.

    At most `max_jobs` jobs of a type are in work here at a time; jobs beyond them are given back at once. A job is worked
    on at least once: if its lease ends before it is done, it is handed out again. This worker does not start it twice while
    it still works on it, and starts no job whose lease has ended. While the broker is away the worker tries to reach it for
    ever.
    """

    def __init__(self, client: Client, **options: Unpack[WorkerOptions]) -> None:
        """Prepare a worker of *client*.

        Args:
            client: the connection to use; a `SyncClient` goes with a `SyncWorker`.
            options:
                name: shown as the worker of the jobs it holds; default host name and process id.
                wait_ms: how long one poll stays open while no job is there; default 10,000.
                threads: how many handlers that are not async run at a time; default 32.
                grace_ms: how long `stop` waits for jobs in work; default 10,000.
                retry_first_ms: the pause after the first failure of a job, which doubles; default 1,000.
                retry_max_ms: the longest such pause; default 60,000.
                timeout_ms, max_jobs, fetch_variables, stream, heartbeat, handler_timeout_ms, tenant_ids, with_lease: as for `job`,
                    for all job types.

        Raises:
            ValueError: an option is out of its range.
            TypeError: *client* is no `Client`, or an option has no such name or type.
        """
        if not isinstance(client, Client):
            raise TypeError(
                f"Expected a Client, but found {type(client).__name__}; make one with osmia.Client(address), "
                "or use SyncWorker with a SyncClient"
            )
        self._client = client
        self._settings = WorkerSettings.of(options)
        self.name = self._settings.name or f"{socket.gethostname()}-{os.getpid()}"
        self._handlers: dict[str, tuple[Handler, JobSettings]] = {}
        self._user_tasks: dict[str, tuple[Handler, JobSettings]] = {}
        self._pauses = RetryPauses(first_ms=self._settings.retry_first_ms, max_ms=self._settings.retry_max_ms)
        self._threads: Executor | None = None
        self._lanes: list[Lane] = []
        self._stop_asked = asyncio.Event()
        self._stopping = asyncio.Lock()

    def job(self, type: str, **options: Unpack[JobOptions]) -> Callable[[Function], Function]:
        """Register the decorated function for jobs of *type*: `@worker.job("charge-card")`.

        Args:
            type: the job type of the task in the model.
            options:
                timeout_ms: how long the lease of a job lasts before another worker may get it; default 60,000.
                max_jobs: how many jobs of the type are in work here at a time; default 32.
                fetch_variables: True: the variables that the signature names, or all if it takes the job or names none;
                    False: all; or a list of names. Default True.
                stream: have new jobs pushed, besides polling for those that wait; default False.
                heartbeat: extend the lease of a job while its handler runs; default False.
                handler_timeout_ms: how long an async handler may work on a job before it is cancelled and the job has
                    failed; default for ever. A handler that is not async cannot be stopped.
                tenant_ids: the tenants to take jobs of; default the default tenant.
                with_lease: take jobs with a lease token, which fences workers that are late; default False.

        Raises:
            ValueError: *type* is blank or has a handler already, or an option is out of its range.
            TypeError: an option has no such name or type, or no variable can be given to a parameter of the function.
        """
        return self._register(self._handlers, "job", type, options)

    def user_task(self, element_or_form_key: str, **options: Unpack[JobOptions]) -> Callable[[Function], Function]:
        """Register the decorated function for user tasks with that element id or form key.

        User tasks of all processes are one job type, so this worker also gets tasks that no handler here is for. It gives
        them back at once, to people and to other workers, and rests a little before it looks again: 0.1 s for each such
        task, 10 s at most. So long may a new task of its own wait while tasks of others are open.

        Args:
            element_or_form_key: the id of the task in the model, or the key of its form.
            options: as for `job`. All user tasks are taken together: of the handlers' values for `timeout_ms` and
                `max_jobs` the largest holds, and one `heartbeat` is for all. They are polled, also with `stream`.

        Raises:
            ValueError: the name is blank or has a handler already, or an option is out of its range.
            TypeError: an option has no such name or type, or no variable can be given to a parameter of the function.
        """
        return self._register(self._user_tasks, "user_task", element_or_form_key, options)

    async def handle(self, job: Job) -> Outcome:
        """Run the handler for *job* and return the outcome without reporting it: for tests, see `osmia.testing`.

        The handler sees the variables that the broker would send it, and no others.

        Raises:
            LookupError: no handler is registered for it.
        """
        entry = self._entry_for(job)
        if entry is None:
            raise LookupError(
                f"Expected a handler for job type '{job.type}' (element '{job.element_id}'), but found none"
            )
        _, names = self._lane_of(job.type)
        handler, settings = entry
        seen = job.with_variables_only(names) if names else job
        return await handler.run(seen, self._pauses, self._threads, limit_ms=settings.handler_timeout_ms)

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or `stop`, then stop in good order. A second signal ends the process at once.

        Raises:
            ValueError: no handler is registered.
        """
        with _stopping_signals(self._stop_asked.set):  # from before the first poll: a signal may come at any moment
            await self.start()
            await self._stop_asked.wait()
        await self.stop()

    async def start(self) -> None:
        """Begin to take jobs.

        Raises:
            ValueError: no handler is registered.
            RuntimeError: the worker has been started already.
        """
        if self._lanes:
            raise RuntimeError(f"Expected worker '{self.name}' to be stopped, but found it working")
        if not self._handlers and not self._user_tasks:
            raise ValueError('Expected at least one handler: decorate a function with @worker.job("type")')
        self._stop_asked.clear()
        self._threads = DaemonThreads(self._settings.threads, f"{self.name}-job")
        self._lanes = [self._lane(type, *self._lane_of(type)) for type in self._types()]
        log.info("worker %s works on %s at %s", self.name, ", ".join(self._types()), self._client.address)
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """Take no more jobs, wait for those in work up to the grace time, give the rest back with retries unchanged.

        A handler that still works then is cancelled if it is async. In a thread it works on until the process ends, which
        does not wait for it, and its result is dropped; meanwhile another worker may start the same job.
        """
        self._stop_asked.set()
        async with self._stopping:  # a second call waits, too
            await asyncio.gather(*(lane.stop(self._settings.grace_ms / 1000) for lane in self._lanes))
            self._lanes = []
            if self._threads:
                self._threads.shutdown(wait=False, cancel_futures=True)
                self._threads = None

    @property
    def types(self) -> list[str]:
        """The job types that it takes."""
        return self._types()

    def takes(self, job: Job) -> bool:
        """Whether a handler is registered for *job*."""
        return self._entry_for(job) is not None

    @property
    def in_flight(self) -> int:
        """The number of jobs in work now, of all types."""
        return sum(lane.in_flight for lane in self._lanes)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _register(
        self, handlers: dict[str, tuple[Handler, JobSettings]], decorator: str, name: str, options: JobOptions
    ) -> Callable[[Function], Function]:
        what = "job type" if decorator == "job" else "element id or form key"
        if not isinstance(name, str):
            raise TypeError(f'Expected @worker.{decorator}("{what}"), but found {name!r} instead of the {what}')
        if not name.strip():
            raise ValueError(f"Expected the {what} of a handler, but found '{name}'")
        if name in handlers:
            raise ValueError(
                f"Expected one handler for {what} '{name}', but found '{handlers[name][0].name}' already there"
            )
        settings = self._settings.for_jobs(options)

        def register(function: Function) -> Function:
            handlers[name] = (Handler(function), settings)
            return function

        return register

    def _types(self) -> list[str]:
        types = list(self._handlers)
        if self._user_tasks and USER_TASK_TYPE not in self._handlers:
            types.append(USER_TASK_TYPE)
        return types

    def _lane_of(self, type: str) -> tuple[JobSettings, list[str]]:
        """Return the settings of a type's lane, and the variables that its handlers ask for together (empty: all)."""
        entries = [self._handlers[type]] if type in self._handlers else []
        if type == USER_TASK_TYPE:
            entries += self._user_tasks.values()
        settings = [each for _, each in entries]
        together = replace(
            settings[0],
            timeout_ms=max(each.timeout_ms for each in settings),
            max_jobs=max(each.max_jobs for each in settings),
            heartbeat=any(each.heartbeat for each in settings),
        )
        names: dict[str, None] = {}
        for handler, each in entries:
            asked = _asked_variables(handler, each)
            if not asked:
                return together, []
            names.update(dict.fromkeys(asked))
        return together, list(names)

    def _lane(self, type: str, settings: JobSettings, fetch_variables: list[str]) -> Lane:
        takes_all = type in self._handlers
        return Lane(
            self._client,
            type,
            settings,
            handle=self._work_on,
            wanted=None if takes_all else lambda job: self._entry_for(job) is not None,
            fetch_variables=fetch_variables,
            worker=self.name,
            wait_ms=self._settings.wait_ms,
        )

    async def _work_on(self, job: Job, is_over: Callable[[], bool]) -> Outcome:
        entry = self._entry_for(job)
        assert entry, f"job {job.key} ({job.type}) was taken without a handler for it"
        handler, settings = entry
        limit_ms = settings.handler_timeout_ms
        return await handler.run(job, self._pauses, self._threads, is_over=is_over, limit_ms=limit_ms)

    def _entry_for(self, job: Job) -> tuple[Handler, JobSettings] | None:
        """Return the handler of a user task's element, else of its form, else that of the job type, with its settings."""
        entry = None
        if job.type == USER_TASK_TYPE and self._user_tasks:
            entry = self._user_tasks.get(job.element_id) or self._user_tasks.get(job.form_key)
        return entry or self._handlers.get(job.type)


def _asked_variables(handler: Handler, settings: JobSettings) -> list[str]:
    if settings.fetch_variables is True:
        return handler.fetch_variables or []
    return list(settings.fetch_variables or [])


@contextlib.contextmanager
def _stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first SIGTERM or SIGINT call *stop*; from then on, and afterwards, they end the process."""
    loop = asyncio.get_running_loop()
    wired: list[signal.Signals] = []

    def unwire() -> None:
        while wired:
            loop.remove_signal_handler(wired.pop())

    def once() -> None:
        unwire()
        stop()

    # Outside the main thread, and on Windows, an event loop cannot listen to signals; then only `stop` ends the worker.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, once)
            wired.append(number)
    try:
        yield
    finally:
        unwire()
