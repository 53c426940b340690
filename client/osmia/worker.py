"""A worker: handlers by job type, each type with its own lane, started and stopped together.

worker = Worker(client)

@worker.job("charge-card", timeout_ms=30_000)
async def charge(amount: int) -> dict[str, str]:
return {"receipt": await pay(amount)}

await worker.run()
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from osmia.backoff import RetryPauses
from osmia.client import Client
from osmia.handler import Handler
from osmia.job import USER_TASK_TYPE, Job, Outcome
from osmia.lane import Lane
from osmia.settings import JobOptions, JobSettings, WorkerOptions, WorkerSettings

Function = TypeVar("Function", bound=Callable[..., Any])

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """Works on jobs with the handlers that are registered with `job` and `user_task`.

    A handler ends a job by what it returns (None, a mapping or a model: the variables for the process) or raises:
    `BpmnError`, `JobFailure`, or anything else: one retry less and a growing pause; no retries left is an incident.
    Variables that do not fit the handler's signature are an incident at once, as is a result that cannot be sent.

    At most `max_jobs` jobs of a type are in work here at a time. A job is worked on at least once: if its time runs out
    it is handed out again, and this worker does not start it twice while it still runs. While the broker is away the
    worker tries to reach it for ever.
    """

    def __init__(self, client: Client, **options: Unpack[WorkerOptions]) -> None:
        """Prepare a worker of *client*; for the options see `WorkerSettings`.

        Raises:
            ValueError: an option is out of its range.
        """
        self._client = client
        self._settings = WorkerSettings(**options)
        self.name = self._settings.name or f"{socket.gethostname()}-{os.getpid()}"
        self._handlers: dict[str, tuple[Handler, JobSettings]] = {}
        self._user_tasks: dict[str, tuple[Handler, JobSettings]] = {}
        self._pauses = RetryPauses(first_ms=self._settings.retry_first_ms, max_ms=self._settings.retry_max_ms)
        self._threads: ThreadPoolExecutor | None = None
        self._lanes: list[Lane] = []
        self._stop_asked = asyncio.Event()
        self._stopping = asyncio.Lock()

    def job(self, type: str, **options: Unpack[JobOptions]) -> Callable[[Function], Function]:
        """Register the decorated function for jobs of *type*; for the options see `JobSettings`.

        Raises:
            ValueError: *type* is blank or has a handler already, or an option is out of its range.
            TypeError: the signature has a parameter that no variable can be given to.
        """
        return self._register(self._handlers, "job type", type, options)

    def user_task(
        self, element_or_form_key: str, *, fetch_variables: bool | list[str] = True
    ) -> Callable[[Function], Function]:
        """Register the decorated function for user tasks with that element id or form key.

        User tasks of all processes are one job type. Those that no handler here is for stay untouched; other workers get
        them when this worker's time for them ends. People can complete them all the while.

        Raises:
            ValueError: the name is blank or has a handler already.
            TypeError: the signature has a parameter that no variable can be given to.
        """
        return self._register(
            self._user_tasks, "user task", element_or_form_key, JobOptions(fetch_variables=fetch_variables)
        )

    async def handle(self, job: Job) -> Outcome:
        """Run the handler for *job* and tell the outcome without telling the broker: for tests, see `osmia.testing`.

        Raises:
            LookupError: no handler is registered for it.
        """
        handler = self._handler_for(job)
        if handler is None:
            raise LookupError(
                f"Expected a handler for job type '{job.type}' (element '{job.element_id}'), but found none"
            )
        return await handler.run(job, self._pauses, self._threads)

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or `stop`, then stop in good order. A second signal ends the process at once.

        Raises:
            ValueError: no handler is registered.
        """
        await self.start()
        with _stopping_signals(self._stop_asked.set):
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
        self._threads = ThreadPoolExecutor(self._settings.threads, thread_name_prefix=f"{self.name}-job")
        self._lanes = [self._lane(type, *self._lane_of(type)) for type in self._types()]
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """Take no more jobs, wait for those in work up to the grace time, give the rest back with retries unchanged.

        A handler that is still at work then is cancelled if it is async; in a thread it runs on, and its result is dropped.
        """
        self._stop_asked.set()
        async with self._stopping:  # who asks second waits, too
            await asyncio.gather(*(lane.stop(self._settings.grace_ms / 1000) for lane in self._lanes))
            self._lanes = []
            if self._threads:
                self._threads.shutdown(wait=False, cancel_futures=True)
                self._threads = None

    @property
    def in_flight(self) -> int:
        """Jobs in work now, of all types."""
        return sum(lane.in_flight for lane in self._lanes)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _register(
        self, handlers: dict[str, tuple[Handler, JobSettings]], what: str, name: str, options: JobOptions
    ) -> Callable[[Function], Function]:
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
        """The settings of a type's lane, and the variables its handlers ask for together (none named: all)."""
        entries = [self._handlers[type]] if type in self._handlers else []
        if type == USER_TASK_TYPE:
            entries += self._user_tasks.values()
        names: dict[str, None] = {}
        for handler, settings in entries:
            asked = _asked_variables(handler, settings)
            if not asked:
                return entries[0][1], []
            names.update(dict.fromkeys(asked))
        return entries[0][1], list(names)

    def _lane(self, type: str, settings: JobSettings, fetch_variables: list[str]) -> Lane:
        return Lane(
            self._client,
            type,
            settings,
            handle=self.handle,
            wanted=lambda job: self._handler_for(job) is not None,
            fetch_variables=fetch_variables,
            worker=self.name,
            wait_ms=self._settings.wait_ms,
        )

    def _handler_for(self, job: Job) -> Handler | None:
        """A user task goes to the handler of its element, else of its form, else of the whole type."""
        entry = None
        if job.type == USER_TASK_TYPE and self._user_tasks:
            entry = self._user_tasks.get(job.element_id) or self._user_tasks.get(job.form_key)
        entry = entry or self._handlers.get(job.type)
        return entry[0] if entry else None


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
