"""The calls that every door offers, each with its checks: plain values in, plain values out, refusals as `OsmiaError`.

A call that only submits a command returns the future of the partitions, so that a door waits for it without another coroutine.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidArgument, InvalidState, NotFound, OsmiaError, Rejection, TimedOut
from osmia_broker.calls import checks
from osmia_broker.calls.base import seconds
from osmia_broker.calls.batches.items import history_of
from osmia_broker.calls.batches.operations import BatchBegun, BatchCalls
from osmia_broker.calls.broker_identity import Member
from osmia_broker.calls.by_person import PartitionsByPerson
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.cluster_variables import ClusterVariableCalls
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.jobs.dispatcher import Dispatcher
from osmia_broker.calls.jobs.flow import JobFlowCalls
from osmia_broker.calls.jobs.poll import Poll
from osmia_broker.calls.jobs.reports import JobReports
from osmia_broker.calls.jobs.stream import JobStream
from osmia_broker.calls.jobs.workers import Asks, Workers
from osmia_broker.calls.processes.evaluation import Evaluations
from osmia_broker.calls.processes.instances import InstanceCalls
from osmia_broker.calls.processes.new_instance import NewInstance
from osmia_broker.calls.processes.outside_events import EventCalls
from osmia_broker.calls.processes.results import Results
from osmia_broker.calls.tasks.global_listeners import GlobalTaskListenerCalls
from osmia_broker.calls.tasks.user_tasks import UserTaskCalls, done_by
from osmia_broker.engine.answers import ActivatedJob, Created, Deployed, EvaluatedDecision
from osmia_broker.engine.commands import (
    ActivateJobs,
    DeleteResource,
    DeployResources,
    EvaluateDecision,
    NewResource,
    SetVariables,
)
from osmia_broker.engine.commands.tasks import TaskPolicy
from osmia_broker.engine.resources import compile_resources, warnings_of
from osmia_broker.partition import Clock, Partitions, SystemClock
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import PROCESS_DEFINITIONS
from osmia_broker.store.read.instances.results import result_of
from osmia_broker.store.read.search.search import get

log = logging.getLogger(__name__)

WARNINGS_LOGGED_MAX = 10  # of one deployment; `osmia lint` gives all
FILES_LOGGED_MAX = 5  # of a deployment, by name
WORKER_CHARACTERS = 4_096  # of a worker's name: each job that it is handed has it
LONG_POLL_S = 10.0  #: for a poll without a time
RESULT_WAIT_S = 15.0  #: for the result of an instance without a time
# A long poll ends early by this share of its time, so that the answer arrives before the client's deadline.
EARLY_SHARE = 0.05
EARLY_S = 0.25  # but by no more than this


class Calls(BatchCalls, ClusterVariableCalls, EventCalls, GlobalTaskListenerCalls, InstanceCalls, JobReports):
    """All calls of one broker; *others* returns the other brokers of the cluster.

    They end their waits at `stop`; calls that are being decided are still answered.
    """

    def __init__(
        self,
        partitions: Partitions,
        task_policy: TaskPolicy = TaskPolicy.OPEN,
        clock: Clock | None = None,
        reader: Reader | None = None,
        *,
        process: int = 0,
        others: Callable[[], Sequence[Member]] | None = None,
    ) -> None:
        super().__init__(partitions)
        self._reader = reader
        self.clock = clock or SystemClock()
        self.workers = Workers(self.clock.now_ms)
        self.evaluations = Evaluations(partitions)
        self.job_flow = JobFlowCalls(partitions, self.workers)
        self._dispatcher = Dispatcher(partitions.parts)
        self._results = Results(partitions, process)
        self.user_tasks = UserTaskCalls(partitions, self._results, task_policy)
        self._node, self._others = process if others is not None else 0, others or tuple
        self._by_nobody = self._by("")

    def stop(self, reason: OsmiaError) -> None:
        """End every idle wait with *reason* at once: parked polls, open streams, awaited results. Refuse new ones."""
        self._dispatcher.stop(reason)
        self._results.stop(reason)

    def by(self, caller: Caller) -> "Calls":
        """Return the same calls for a person: their operations go into the audit log."""
        user = caller.user
        return self._by(user) if user else self._by_nobody  # each creation comes here, most of them of nobody

    def _by(self, user: str) -> "Calls":
        calls = object.__new__(type(self))
        calls.__dict__.update(self.__dict__)
        calls._partitions = PartitionsByPerson(self._partitions, user)
        return calls

    def leaders(self) -> list[int]:
        """Return the ids of the partitions that take commands now."""
        return [one.id for one in self._partitions.parts if one.is_open]

    def members(self, address: tuple[str, int]) -> list[Member]:
        """Return the brokers of the cluster with the partitions that each leads; this one, and what it reaches by itself, is at *address*."""
        others = self._others()
        elsewhere = {partition for one in others for partition in one.partitions}
        own = Member(self._node, *address, [one for one in self.leaders() if one not in elsewhere])
        return sorted((own, *others), key=lambda one: one.node)

    @property
    def partitions_count(self) -> int:
        """The number of partitions of the cluster."""
        return len(self._partitions.parts)

    # --- definitions

    async def deploy(self, files: Sequence[tuple[str, bytes]]) -> Deployed:
        """Deploy files, given as (name, content): all, or none."""
        deployed, _ = await self.deploy_with_warnings(files)
        return deployed

    async def deploy_with_warnings(self, files: Sequence[tuple[str, bytes]]) -> tuple[Deployed, list[str]]:
        """Deploy files as `deploy` does; return also what is deployed and probably does not do what its author meant."""
        for name, _ in files:
            checks.storable("name", name)
        resources, warnings = await asyncio.to_thread(_compiled, list(files))
        deployed: Deployed = await self._partitions.submit(DeployResources(resources))
        names = ", ".join(name for name, _ in files[:FILES_LOGGED_MAX])
        log.info("deployed", extra={"key": deployed.key, "files": len(files), "names": names})
        for warning in warnings[:WARNINGS_LOGGED_MAX]:
            log.warning("a deployed model may not do what it should", extra={"model": warning})
        return deployed, warnings

    async def delete_resource(
        self, resource_key: int, *, deletes_history: bool = False, user: str = ""
    ) -> BatchBegun | None:
        """Delete a process definition, a graph of decisions or a form; of a process, only once its last instance has ended.

        With *deletes_history*, a batch operation of *user* also deletes its process instances that have ended before the definition is deleted,
        or the evaluations of its decisions. It is returned.

        A process that is deleted may be deleted again: while its instances run, that changes nothing; later, *deletes_history* is for what is left.

        Raises:
            InvalidArgument: they are more than a batch operation may have. Nothing is deleted.
            InvalidState: *deletes_history*, but the process is deleted and its instances still run.
            NotFound: there is no such definition, or it is deleted and none of the above.
        """
        command = DeleteResource(checks.int64("resourceKey", resource_key))
        state = await self._state_of_process(resource_key)
        if state == "DRAINING" and deletes_history:
            raise InvalidState(
                f"Expected to delete the history of process definition with key '{resource_key}', but it is deleted and its instances still run"
            )
        if state == "DRAINING":
            return None
        if state == "DELETED" and deletes_history:
            assert self._reader is not None, "it knows the state"
            return await self.create_batch(*await history_of(self._reader, resource_key), user=user)
        if not deletes_history:
            await self._partitions.submit(command)
            return None
        assert self._reader is not None, "a broker has a read side"
        found = await history_of(self._reader, resource_key)
        await self._partitions.submit(command)
        with suppress(InvalidArgument):  # too many by now: then those that were found before
            found = await history_of(self._reader, resource_key)
        return await self.create_batch(*found, user=user)

    async def _state_of_process(self, key: int) -> str:
        """Return the state of a process definition, as the searches show it; empty if there is none with this key."""
        if self._reader is None:
            return ""
        with suppress(NotFound):
            return str((await get(self._reader, PROCESS_DEFINITIONS, key, "process definition"))["state"])
        return ""

    def evaluate_decision(self, decision_id: str, decision_key: int, variables: str) -> Awaitable[EvaluatedDecision]:
        """Evaluate a decision, named by its id or else by its key. An evaluation that fails is an answer, not a refusal."""
        key = checks.int64("decisionKey", decision_key)
        return self._partitions.submit(EvaluateDecision(decision_id, key, parse_variables(variables)))

    # --- process instances

    async def set_variables(self, element_instance_key: int, variables: str, *, local: bool) -> int:
        """Set variables in the scope of an element instance, or (not *local*) each in the nearest scope that has it.

        At a native user task, listeners for `updating` are waited for.
        """
        key, document = checks.int64("elementInstanceKey", element_instance_key), parse_variables(variables)
        document_key: int
        document_key, _ = await done_by(
            self._partitions, self._results, lambda ticket: SetVariables(key, document, local, ticket)
        )
        return document_key

    def create_instance(self, new: NewInstance) -> Awaitable[Created]:
        """Start an instance of a process."""
        return self._partitions.submit(new.command())

    async def create_instance_and_await_result(
        self, new: NewInstance, *, fetch_variables: tuple[str, ...] = (), wait_ms: int = 0
    ) -> tuple[Created, str]:
        """Start an instance, wait for its end, and return its variables, or only *fetch_variables*, as a JSON object.

        A *wait_ms* of 0 or below means `RESULT_WAIT_S`. A creation that is repeated with its idempotency key has the result of the first one,
        also after the end.

        Raises:
            TimedOut: the instance did not complete in time; it goes on.
            InvalidState, NotFound: the first creation has no result: its instance was terminated, or its history deleted.

        """
        checks.few("fetchVariables", fetch_variables)
        wait_s = seconds(wait_ms) if wait_ms > 0 else RESULT_WAIT_S
        result = self._results.expect()
        creation: asyncio.Future[Created] | None = None
        try:
            command = replace(new.command(), result_ticket=result.ticket, fetch_variables=fetch_variables)
            creation = self._partitions.submit(command)
            created = await asyncio.shield(creation)
            if created.has_ended:
                assert self._reader is not None, "a broker has a read side"
                return created, await result_of(self._reader, created.process_instance_key, fetch_variables)
            return created, await result.within(wait_s)
        except TimeoutError:
            raise TimedOut(
                f"Time out between gateway and broker: Expected process instance '{created.process_instance_key}'"
                f" to complete within {wait_s:g} s, but it goes on"
            ) from None
        finally:
            result.forget(creation)

    # --- jobs for workers

    async def activate_jobs(
        self,
        *,
        type: str,
        worker: str,
        timeout_ms: int,
        max_jobs: int,
        fetch_variables: tuple[str, ...] = (),
        wait_ms: int = 0,
        leases: bool = False,
        user_agent: Callable[[], str] = str,
    ) -> list[ActivatedJob]:
        """Hand out jobs now, or the first that come within *wait_ms*: 0 means `LONG_POLL_S`, below 0 no wait at all.

        A caller who *leases* gets a token with each job, without which nobody can report on it any more. *user_agent* is how its client
        names itself.
        The door passes jobs that it cannot deliver to `give_back`.
        """
        prefix = "Expected to activate job batch with"
        if not type:
            raise InvalidArgument(f"{prefix} type to be present, but it was blank")
        if timeout_ms < 1:
            raise InvalidArgument(f"{prefix} timeout to be greater than zero, but it was '{timeout_ms}'")
        if max_jobs < 1:
            raise InvalidArgument(f"{prefix} max jobs to activate to be greater than zero, but it was '{max_jobs}'")
        command = _activation(type, worker, timeout_ms, max_jobs, fetch_variables, leases=leases)
        with self.workers.asking(type, worker, Asks.POLL, user_agent):
            return await Poll(self._dispatcher, command, waits=wait_ms >= 0).jobs(_long_poll_s(wait_ms))

    def stream_jobs(
        self,
        *,
        type: str,
        worker: str,
        timeout_ms: int,
        fetch_variables: tuple[str, ...] = (),
        leases: bool = False,
        undelivered: Callable[[], int] = lambda: 0,
    ) -> JobStream:
        """Push jobs as they become activatable. The door opens the stream with `with` and reads it for as long as it likes.

        *leases* is as that of `activate_jobs`. *undelivered* says how many of the last jobs had not left when the client went.
        """
        prefix = "Expected to stream activated jobs with"
        if not type.strip():
            raise InvalidArgument(f"{prefix} type to be present, but it was blank")
        if timeout_ms < 1:
            raise InvalidArgument(f"{prefix} timeout to be greater than zero, but it was {timeout_ms}")
        command = _activation(type, worker, timeout_ms, 0, fetch_variables, leases=leases)
        return JobStream(self._dispatcher, command, undelivered)

    def give_back(self, jobs: Sequence[ActivatedJob]) -> None:
        """Take back jobs that could not be delivered to their caller; others may have them at once."""
        self._dispatcher.give_back(jobs)


def _compiled(files: list[tuple[str, bytes]]) -> tuple[tuple[NewResource, ...], list[str]]:
    """Compile files, and return them with what can be deployed and probably does not do what its author meant."""
    try:
        resources = compile_resources(files)
    except Rejection as refusal:
        refusal.intent = DeployResources.intent  # refused before the partition saw a command
        raise
    return resources, warnings_of(resources)


def _activation(
    type: str, worker: str, timeout_ms: int, max_jobs: int, fetch_variables: tuple[str, ...], *, leases: bool
) -> ActivateJobs:
    checks.few("fetchVariable", fetch_variables)
    return ActivateJobs(
        type=checks.storable("type", type),
        worker=checks.at_most("worker", worker, WORKER_CHARACTERS),
        timeout_ms=checks.int64("timeout", timeout_ms),
        max_jobs=checks.int32("maxJobsToActivate", max_jobs),
        fetch_variables=fetch_variables,
        leases=leases,
    )


def _long_poll_s(wait_ms: int) -> float:
    """Return how long a poll waits; it ends a little early."""
    wait_s = seconds(wait_ms) if wait_ms else LONG_POLL_S
    return wait_s - min(EARLY_S, wait_s * EARLY_SHARE)
