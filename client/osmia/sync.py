"""The same client and worker for code without an event loop: they run in a loop of their own, in a thread of its own.

    with SyncClient() as client:
        client.deploy("dinner.bpmn")
        client.create_instance("dinner", {"guests": 4})

Any thread may call. The implementation is that of `Client` and `Worker`; this module runs it in a loop of its own.
"""

import asyncio
import concurrent.futures
import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack

import grpc
from grpc import StatusCode

from osmia import errors
from osmia.access import SignIn
from osmia.calls.batches import BatchCalls
from osmia.calls.cluster_variables import ClusterVariableCalls
from osmia.calls.documents import DocumentCalls
from osmia.calls.global_task_listeners import GlobalTaskListenerCalls
from osmia.calls.user_tasks import UserTaskCalls
from osmia.client import CALL_TIMEOUT_MS, Client
from osmia.job import Job, Outcome
from osmia.settings import WorkerOptions
from osmia.worker import STOP_SIGNALS, Worker

log = logging.getLogger("osmia.worker")

ENDING_S = 1.0  # for the calls of other threads, when a client is closed
SIGNAL_S = 0.2  # Python runs the handler of a signal in the main thread, and a signal may come without waking it

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


class LoopThread:
    """An event loop in a daemon thread, started when it is first needed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run *work* in the loop, wait for it in this thread, and return its result. If the wait is interrupted, cancel it.

        Raises:
            Unavailable: another thread closed the client meanwhile. The call may have taken effect.
            RuntimeError: called from the loop's own thread, which would wait for itself.
        """
        loop = self._started()
        if _running_loop() is loop:
            work.close()
            raise RuntimeError(
                "Expected a call from another thread, but found one from an async handler: use its own client"
            )
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            raise errors.Unavailable(StatusCode.CANCELLED, "the client was closed in another thread") from error
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread. Calls of other threads that are under way are cancelled. The next call starts another loop."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop:
            asyncio.run_coroutine_threadsafe(_cancel_others(), loop).add_done_callback(
                lambda _: loop.call_soon_threadsafe(loop.stop)
            )

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=[self._loop], name="osmia-client", daemon=True).start()
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run *loop* until it is stopped. A task that calls `sys.exit` ends neither the loop nor its thread."""
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            # asyncio passes these two on to the loop's caller; here they end nothing.
            log.exception("a task in the client's event loop tried to end the program; the loop goes on")
        else:
            loop.close()
            return


async def _cancel_others() -> None:
    """Cancel all other tasks of this loop, and give them some time to end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=ENDING_S)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _blocking(
    call: Callable[Concatenate[Client, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["SyncClient", P], R]:
    """Return a method that makes the same call of `Client` and waits for its result."""

    @functools.wraps(call)
    def wait(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.loop.run(call(self.asynchronous, *args, **kwargs))

    return wait


def _iterating(
    call: Callable[Concatenate[Client, P], AsyncIterator[R]],
) -> Callable[Concatenate["SyncClient", P], Iterator[R]]:
    """Return a method that iterates over the same stream of `Client` and waits for each item."""

    @functools.wraps(call)
    def iterate(self: "SyncClient", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return _iterated(call(self.asynchronous, *args, **kwargs), self.loop)

    return iterate


def _iterated(stream: AsyncIterator[R], loop: LoopThread) -> Iterator[R]:
    try:
        while True:
            try:
                yield loop.run(_next(stream))
            except StopAsyncIteration:
                return
    finally:
        loop.run(_close(stream))


class _Group(Generic[C]):
    """A group of calls that have a place of their own in the client, from any thread."""

    def __init__(self, calls: C, loop: LoopThread) -> None:
        self._calls = calls
        self._loop = loop


def _blocking_in(
    call: Callable[Concatenate[C, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[_Group[C], P], R]:
    """Return a method that makes the same call of a group and waits for its result."""

    @functools.wraps(call)
    def wait(self: _Group[C], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._loop.run(call(self._calls, *args, **kwargs))

    return wait


def _iterating_in(
    call: Callable[Concatenate[C, P], AsyncIterator[R]],
) -> Callable[Concatenate[_Group[C], P], Iterator[R]]:
    """Return a method that iterates over the same stream of a group and waits for each item."""

    @functools.wraps(call)
    def iterate(self: _Group[C], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return _iterated(call(self._calls, *args, **kwargs), self._loop)

    return iterate


async def _next(stream: AsyncIterator[R]) -> R:
    return await anext(stream)


async def _close(stream: Any) -> None:
    await stream.aclose()


class SyncUserTasks(_Group[UserTaskCalls]):
    """The calls on user tasks, from any thread. The parameters are those of `UserTaskCalls`."""

    follow = _iterating_in(UserTaskCalls.follow)
    search = _blocking_in(UserTaskCalls.search)
    get = _blocking_in(UserTaskCalls.get)
    claim = _blocking_in(UserTaskCalls.claim)
    claim_next = _blocking_in(UserTaskCalls.claim_next)
    unclaim = _blocking_in(UserTaskCalls.unclaim)
    assign = _blocking_in(UserTaskCalls.assign)
    update = _blocking_in(UserTaskCalls.update)
    complete = _blocking_in(UserTaskCalls.complete)
    filters = _blocking_in(UserTaskCalls.filters)
    save_filter = _blocking_in(UserTaskCalls.save_filter)
    delete_filter = _blocking_in(UserTaskCalls.delete_filter)
    undo = _blocking_in(UserTaskCalls.undo)
    propose = _blocking_in(UserTaskCalls.propose)
    proposals = _blocking_in(UserTaskCalls.proposals)
    answer_proposal = _blocking_in(UserTaskCalls.answer_proposal)
    snooze = _blocking_in(UserTaskCalls.snooze)
    wake = _blocking_in(UserTaskCalls.wake)
    snoozed = _blocking_in(UserTaskCalls.snoozed)
    form = _blocking_in(UserTaskCalls.form)
    variables = _blocking_in(UserTaskCalls.variables)
    save_draft = _blocking_in(UserTaskCalls.save_draft)
    draft = _blocking_in(UserTaskCalls.draft)
    comment = _blocking_in(UserTaskCalls.comment)
    comments = _blocking_in(UserTaskCalls.comments)
    history = _blocking_in(UserTaskCalls.history)


class SyncBatches(_Group[BatchCalls]):
    """The calls on batch operations, from any thread. The parameters are those of `BatchCalls`."""

    cancel_instances = _blocking_in(BatchCalls.cancel_instances)
    suspend_instances = _blocking_in(BatchCalls.suspend_instances)
    resume_instances = _blocking_in(BatchCalls.resume_instances)
    delete_instances = _blocking_in(BatchCalls.delete_instances)
    migrate_instances = _blocking_in(BatchCalls.migrate_instances)
    modify_instances = _blocking_in(BatchCalls.modify_instances)
    resolve_incidents = _blocking_in(BatchCalls.resolve_incidents)
    resolve_incidents_of = _blocking_in(BatchCalls.resolve_incidents_of)
    update_jobs = _blocking_in(BatchCalls.update_jobs)
    delete_evaluations = _blocking_in(BatchCalls.delete_evaluations)
    count = _blocking_in(BatchCalls.count)
    get = _blocking_in(BatchCalls.get)
    search = _blocking_in(BatchCalls.search)
    items = _blocking_in(BatchCalls.items)
    follow = _iterating_in(BatchCalls.follow)
    suspend = _blocking_in(BatchCalls.suspend)
    resume = _blocking_in(BatchCalls.resume)
    cancel = _blocking_in(BatchCalls.cancel)


class SyncClusterVariables(_Group[ClusterVariableCalls]):
    """The calls on cluster variables, from any thread. The parameters are those of `ClusterVariableCalls`."""

    create = _blocking_in(ClusterVariableCalls.create)
    update = _blocking_in(ClusterVariableCalls.update)
    delete = _blocking_in(ClusterVariableCalls.delete)
    get = _blocking_in(ClusterVariableCalls.get)
    search = _blocking_in(ClusterVariableCalls.search)


class SyncGlobalTaskListeners(_Group[GlobalTaskListenerCalls]):
    """The calls on global task listeners, from any thread. The parameters are those of `GlobalTaskListenerCalls`."""

    create = _blocking_in(GlobalTaskListenerCalls.create)
    update = _blocking_in(GlobalTaskListenerCalls.update)
    delete = _blocking_in(GlobalTaskListenerCalls.delete)
    get = _blocking_in(GlobalTaskListenerCalls.get)
    search = _blocking_in(GlobalTaskListenerCalls.search)


class SyncDocuments(_Group[DocumentCalls]):
    """The calls on documents, from any thread. The parameters are those of `DocumentCalls`."""

    create = _blocking_in(DocumentCalls.create)
    read = _blocking_in(DocumentCalls.read)
    stream = _iterating_in(DocumentCalls.stream)
    delete = _blocking_in(DocumentCalls.delete)
    link = _blocking_in(DocumentCalls.link)


class SyncClient:
    """Calls a gateway from any thread, with or without an event loop. The parameters are those of `Client`."""

    def __init__(
        self,
        address: str | None = None,
        *,
        call_timeout_ms: int | None = CALL_TIMEOUT_MS,
        sign_in: SignIn | None = None,
        ca_cert: str | Path | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        options: Sequence[tuple[str, Any]] = (),
        idempotent_creations: bool = False,
    ) -> None:
        client = Client(
            address,
            call_timeout_ms=call_timeout_ms,
            sign_in=sign_in,
            ca_cert=ca_cert,
            credentials=credentials,
            metadata=metadata,
            options=options,
            idempotent_creations=idempotent_creations,
        )
        self._call_with(client, LoopThread())

    def _call_with(self, client: Client, loop: LoopThread) -> None:
        """Make all calls with *client* in *loop*: for clients with a connection of another kind."""
        self.asynchronous, self.loop = client, loop
        self.user_tasks = SyncUserTasks(client.user_tasks, loop)
        self.batches = SyncBatches(client.batches, loop)
        self.cluster_variables = SyncClusterVariables(client.cluster_variables, loop)
        self.global_task_listeners = SyncGlobalTaskListeners(client.global_task_listeners, loop)
        self.documents = SyncDocuments(client.documents, loop)

    deploy = _blocking(Client.deploy)
    check_deployment = _blocking(Client.check_deployment)
    deploy_process = _blocking(Client.deploy_process)
    delete_resource = _blocking(Client.delete_resource)
    evaluate_decision = _blocking(Client.evaluate_decision)
    evaluate_expression = _blocking(Client.evaluate_expression)
    deployed_file = _blocking(Client.deployed_file)
    form = _blocking(Client.form)
    start_form = _blocking(Client.start_form)
    delete_evaluation = _blocking(Client.delete_evaluation)
    topology = _blocking(Client.topology)

    create_instance = _blocking(Client.create_instance)
    create_instance_with_result = _blocking(Client.create_instance_with_result)
    cancel_instance = _blocking(Client.cancel_instance)
    suspend_instance = _blocking(Client.suspend_instance)
    resume_instance = _blocking(Client.resume_instance)
    delete_instance = _blocking(Client.delete_instance)
    activate_ad_hoc_elements = _blocking(Client.activate_ad_hoc_elements)
    set_variables = _blocking(Client.set_variables)
    resolve_incident = _blocking(Client.resolve_incident)
    modify_instance = _blocking(Client.modify_instance)
    migrate_instance = _blocking(Client.migrate_instance)
    assign_business_id = _blocking(Client.assign_business_id)

    activate_jobs = _blocking(Client.activate_jobs)
    stream_jobs = _iterating(Client.stream_jobs)
    complete_job = _blocking(Client.complete_job)
    fail_job = _blocking(Client.fail_job)
    throw_error = _blocking(Client.throw_error)
    update_job_retries = _blocking(Client.update_job_retries)
    update_job_timeout = _blocking(Client.update_job_timeout)
    update_job_priority = _blocking(Client.update_job_priority)

    pause_jobs = _blocking(Client.pause_jobs)
    resume_jobs = _blocking(Client.resume_jobs)
    limit_jobs = _blocking(Client.limit_jobs)
    job_flow = _blocking(Client.job_flow)
    workers = _blocking(Client.workers)

    publish_message = _blocking(Client.publish_message)
    correlate_message = _blocking(Client.correlate_message)
    broadcast_signal = _blocking(Client.broadcast_signal)
    evaluate_conditional = _blocking(Client.evaluate_conditional)

    events = _iterating(Client.events)
    event_log = _blocking(Client.event_log)

    search_instances = _blocking(Client.search_instances)
    get_instance = _blocking(Client.get_instance)
    search_jobs = _blocking(Client.search_jobs)
    search_incidents = _blocking(Client.search_incidents)
    search_definitions = _blocking(Client.search_definitions)
    process_xml = _blocking(Client.process_xml)
    search_variables = _blocking(Client.search_variables)
    search_timers = _blocking(Client.search_timers)
    search_subscriptions = _blocking(Client.search_subscriptions)
    search_messages = _blocking(Client.search_messages)
    search_decision_evaluations = _blocking(Client.search_decision_evaluations)
    taken_flows = _blocking(Client.taken_flows)
    search_items = _blocking(Client.search_items)
    get_item = _blocking(Client.get_item)
    status = _blocking(Client.status)

    @property
    def address(self) -> str:
        """The address of the gateway, `host:port`."""
        return self.asynchronous.address

    def close(self) -> None:
        """Close the connection and end the thread. A later call opens both again."""
        self.loop.run(self.asynchronous.close())
        self.loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SyncWorker:
    """A `Worker` for code without an event loop. `job` and `user_task` register handlers as there, async or not."""

    def __init__(self, client: SyncClient, **options: Unpack[WorkerOptions]) -> None:
        """Prepare a worker of *client*; the options are those of `Worker`.

        Raises:
            ValueError: an option is out of its range.
            TypeError: *client* is no `SyncClient`, or an option has no such name or type.
        """
        if not isinstance(client, SyncClient):
            raise TypeError(
                f"Expected a SyncClient, but found {type(client).__name__}; make one with osmia.SyncClient(address), "
                "or use Worker with a Client"
            )
        self._loop = client.loop
        self._worker = Worker(client.asynchronous, **options)
        self.job = self._worker.job
        self.user_task = self._worker.user_task
        self._ended = threading.Event()

    @property
    def name(self) -> str:
        """The name shown in the jobs it holds."""
        return self._worker.name

    @property
    def in_flight(self) -> int:
        """The number of jobs in work now, of all types."""
        return self._worker.in_flight

    def handle(self, job: Job) -> Outcome:
        """Run the handler for *job* and return the outcome without reporting it to the broker.

        Raises:
            LookupError: no handler is registered for it.
        """
        return self._loop.run(self._worker.handle(job))

    def start(self) -> None:
        """Begin to take jobs and return at once."""
        self._ended.clear()
        self._loop.run(self._worker.start())

    def stop(self) -> None:
        """Take no more jobs, wait for those in work up to the grace time, give the rest back with retries unchanged."""
        self._loop.run(self._worker.stop())
        self._ended.set()

    def run(self) -> None:
        """Work until SIGTERM, SIGINT or `stop` from another thread, then stop in good order."""
        self._ended.clear()
        signals: list[bool] = []  # the handler of a signal must not take the lock of the event: this thread may hold it
        with _StoppingSignals(lambda: signals.append(True)):  # from before the first poll: one may come at any moment
            self._loop.run(self._worker.start())
            while not signals and not self._ended.wait(SIGNAL_S):
                pass
        self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _StoppingSignals:
    """While entered, the first SIGTERM or SIGINT calls *stop*; the second has its former effect. This works in the main thread only."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._once) for number in STOP_SIGNALS}

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)

    def _once(self, _number: int, _frame: FrameType | None) -> None:
        self.__exit__()
        self._stop()
