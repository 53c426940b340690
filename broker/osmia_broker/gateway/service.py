"""The calls of `gateway_protocol.Gateway`, a sentence each: message to command, answer to message.

Status codes are not chosen here; each error class owns its own, and `door` alone puts them on the wire. A call of the contract
that has no method here answers UNIMPLEMENTED.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from osmia_broker.engine.commands import (
    ActivateJobs,
    CancelProcessInstance,
    Command,
    CompleteJob,
    CreateProcessInstance,
    DeployResources,
    EvaluateDecision,
    FailJob,
    ResolveIncident,
    SetVariables,
    ThrowError,
    UpdateJobRetries,
    UpdateJobTimeout,
)
from osmia_broker.engine.resources import compile_resources
from osmia_broker.errors import InvalidArgument, TimedOut, Unsupported
from osmia_broker.gateway import evaluations, wire
from osmia_broker.gateway.documents import parse_variables, quoted
from osmia_broker.gateway.job_stream import Dispatcher, JobStream, Poll
from osmia_broker.partition import Partition
from osmia_proto import gateway

API_VERSION = "8.8.0"  #: the level of the contract that is offered; clients compare its numbers (clients.md, section 5)
LONG_POLL_S = 10.0  #: for a requestTimeout of 0
RESULT_WAIT_S = 15.0  #: for the result of an instance, with a requestTimeout of 0 or below
EARLY_SHARE = (
    0.05  #: a long poll ends so much before its time, at most EARLY_S: clients' own deadlines are close behind
)
EARLY_S = 0.25


class Gateway:
    """The calls as coroutines; ActivateJobs and StreamActivatedJobs as streams of messages."""

    def __init__(self, partition: Partition, dispatcher: Dispatcher, address: tuple[str, int]) -> None:
        self._partition = partition
        self._dispatcher = dispatcher
        self.address = address  # of the gRPC door, as Topology tells it

    async def Topology(self, request: gateway.TopologyRequest) -> gateway.TopologyResponse:
        """Who serves which partition. While a partition is away nobody leads it."""
        host, port = self.address
        partitions = [gateway.Partition(partitionId=self._partition.id)] if self._partition.is_open else []
        broker = gateway.BrokerInfo(nodeId=0, host=host, port=port, partitions=partitions, version=API_VERSION)
        return gateway.TopologyResponse(
            brokers=[broker], clusterSize=1, partitionsCount=1, replicationFactor=1, gatewayVersion=API_VERSION
        )

    async def DeployResource(self, request: gateway.DeployResourceRequest) -> gateway.DeployResourceResponse:
        """Deploy files: all, or none."""
        _check_tenants("DeployResource", [request.tenantId])
        files = [(resource.name, resource.content) for resource in request.resources]
        return wire.deployed(await self._deploy(files))

    async def DeployProcess(self, request: gateway.DeployProcessRequest) -> gateway.DeployProcessResponse:
        """Deploy processes, the older way."""
        answer = await self._deploy([(process.name, process.definition) for process in request.processes])
        return gateway.DeployProcessResponse(key=answer.key, processes=[wire.process(row) for row in answer.processes])

    async def _deploy(self, files: list[tuple[str, bytes]]) -> Any:
        resources = await asyncio.to_thread(compile_resources, files)
        return await self._partition.submit(DeployResources(resources))

    async def CreateProcessInstance(
        self, request: gateway.CreateProcessInstanceRequest
    ) -> gateway.CreateProcessInstanceResponse:
        """Start an instance."""
        _check_tenants("CreateProcessInstance", [request.tenantId])
        return wire.created(await self._partition.submit(_creation(request)))

    async def CreateProcessInstanceWithResult(
        self, request: gateway.CreateProcessInstanceWithResultRequest
    ) -> gateway.CreateProcessInstanceWithResultResponse:
        """Start an instance and wait for its end."""
        _check_tenants("CreateProcessInstanceWithResult", [request.request.tenantId])
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        answer = await self._partition.submit(_creation(request.request, result, tuple(request.fetchVariables)))
        wait_s = request.requestTimeout / 1000 if request.requestTimeout > 0 else RESULT_WAIT_S
        try:
            variables = await asyncio.wait_for(result, wait_s)
        except TimeoutError:
            self._partition.forget_awaited(answer.process_instance_key)
            raise TimedOut(
                f"Time out between gateway and broker: Expected process instance '{answer.process_instance_key}'"
                f" to complete within {wait_s:g} s, but it goes on"
            ) from None
        return wire.created_with_result(answer, variables)

    async def ActivateJobs(self, request: gateway.ActivateJobsRequest) -> AsyncIterator[gateway.ActivateJobsResponse]:
        """Hand out jobs now, or the first that come within the time of the long poll."""
        _check_tenants("ActivateJobs", request.tenantIds)
        _check_activation(request)
        waits, wait_s = _long_poll(request.requestTimeout)
        command = ActivateJobs(
            type=request.type,
            worker=request.worker,
            timeout_ms=request.timeout,
            max_jobs=request.maxJobsToActivate,
            fetch_variables=tuple(request.fetchVariable),
        )
        jobs = await Poll(self._dispatcher, command, waits=waits).jobs(wait_s)
        try:
            yield gateway.ActivateJobsResponse(jobs=[wire.job(job) for job in jobs])
        except GeneratorExit:  # the call was cancelled before the message was on its way
            self._dispatcher.give_back(jobs)
            raise

    async def StreamActivatedJobs(
        self, request: gateway.StreamActivatedJobsRequest
    ) -> AsyncIterator[gateway.ActivatedJob]:
        """Push jobs as they become activatable, for ever."""
        _check_tenants("StreamActivatedJobs", request.tenantIds)
        _check_stream(request)
        stream = JobStream(
            self._dispatcher,
            ActivateJobs(
                type=request.type,
                worker=request.worker,
                timeout_ms=request.timeout,
                max_jobs=0,
                fetch_variables=tuple(request.fetchVariable),
            ),
        )
        self._dispatcher.open(stream)
        try:
            async for job in stream.jobs():
                yield wire.job(job)
        finally:
            self._dispatcher.close(stream)

    async def CompleteJob(self, request: gateway.CompleteJobRequest) -> gateway.CompleteJobResponse:
        """A worker reports success."""
        result = request.result
        given = result.denied or result.HasField("corrections") or bool(result.activateElements)
        _refuse("result", given=given)
        await self._partition.submit(CompleteJob(request.jobKey, parse_variables(request.variables)))
        return gateway.CompleteJobResponse()

    async def FailJob(self, request: gateway.FailJobRequest) -> gateway.FailJobResponse:
        """A worker gives up for now."""
        variables = parse_variables(request.variables)
        message = _stored_text("errorMessage", request.errorMessage)
        await self._partition.submit(FailJob(request.jobKey, request.retries, message, request.retryBackOff, variables))
        return gateway.FailJobResponse()

    async def ThrowError(self, request: gateway.ThrowErrorRequest) -> gateway.ThrowErrorResponse:
        """A worker reports an error of the business."""
        variables = parse_variables(request.variables)
        code = _stored_text("errorCode", request.errorCode)
        message = _stored_text("errorMessage", request.errorMessage)
        await self._partition.submit(ThrowError(request.jobKey, code, message, variables))
        return gateway.ThrowErrorResponse()

    async def UpdateJobRetries(self, request: gateway.UpdateJobRetriesRequest) -> gateway.UpdateJobRetriesResponse:
        """Give a job new tries."""
        await self._partition.submit(UpdateJobRetries(request.jobKey, request.retries))
        return gateway.UpdateJobRetriesResponse()

    async def UpdateJobTimeout(self, request: gateway.UpdateJobTimeoutRequest) -> gateway.UpdateJobTimeoutResponse:
        """Move a lease's end."""
        await self._partition.submit(UpdateJobTimeout(request.jobKey, request.timeout))
        return gateway.UpdateJobTimeoutResponse()

    async def SetVariables(self, request: gateway.SetVariablesRequest) -> gateway.SetVariablesResponse:
        """Set variables from outside."""
        variables = parse_variables(request.variables)
        key = await self._partition.submit(SetVariables(request.elementInstanceKey, variables, request.local))
        return gateway.SetVariablesResponse(key=key)

    async def ResolveIncident(self, request: gateway.ResolveIncidentRequest) -> gateway.ResolveIncidentResponse:
        """Try again what an incident stopped."""
        await self._partition.submit(ResolveIncident(request.incidentKey))
        return gateway.ResolveIncidentResponse()

    async def CancelProcessInstance(
        self, request: gateway.CancelProcessInstanceRequest
    ) -> gateway.CancelProcessInstanceResponse:
        """End an instance."""
        await self._partition.submit(CancelProcessInstance(request.processInstanceKey))
        return gateway.CancelProcessInstanceResponse()

    async def EvaluateDecision(self, request: gateway.EvaluateDecisionRequest) -> gateway.EvaluateDecisionResponse:
        """Evaluate a decision; that it fails is an answer too."""
        _check_tenants("EvaluateDecision", [request.tenantId])
        variables = parse_variables(request.variables)
        command = EvaluateDecision(request.decisionId, request.decisionKey, variables)
        return evaluations.evaluated(await self._partition.submit(command))


def _creation(
    request: gateway.CreateProcessInstanceRequest,
    waiter: Any = None,
    fetch_variables: tuple[str, ...] = (),
) -> Command:
    _refuse("runtimeInstructions", given=bool(request.runtimeInstructions))
    _refuse("tags", given=bool(request.tags))
    return CreateProcessInstance(
        bpmn_process_id=request.bpmnProcessId,
        version=request.version,
        process_definition_key=request.processDefinitionKey,
        variables=parse_variables(request.variables),
        start_elements=tuple(instruction.elementId for instruction in request.startInstructions),
        waiter=waiter,
        fetch_variables=fetch_variables,
    )


def _refuse(field: str, *, given: bool) -> None:
    """A field of the contract whose meaning this broker cannot keep: said, rather than silently left out."""
    if given:
        raise Unsupported(f"Expected no '{field}', which this broker does not carry out yet, but found some")


def _long_poll(request_timeout_ms: int) -> tuple[bool, float]:
    """Whether to wait for jobs to come, and how long: 0 means the default, a negative time no wait at all."""
    if request_timeout_ms < 0:
        return False, 0.0
    wait_s = request_timeout_ms / 1000 or LONG_POLL_S
    return True, wait_s - min(EARLY_S, wait_s * EARLY_SHARE)


def _check_activation(request: gateway.ActivateJobsRequest) -> None:
    prefix = "Expected to activate job batch with"
    if not request.type:
        raise InvalidArgument(f"{prefix} type to be present, but it was blank")
    if request.timeout < 1:
        raise InvalidArgument(f"{prefix} timeout to be greater than zero, but it was '{request.timeout}'")
    if request.maxJobsToActivate < 1:
        raise InvalidArgument(
            f"{prefix} max jobs to activate to be greater than zero, but it was '{request.maxJobsToActivate}'"
        )
    _stored_text("worker", request.worker)


def _check_stream(request: gateway.StreamActivatedJobsRequest) -> None:
    prefix = "Expected to stream activated jobs with"
    if not request.type.strip():
        raise InvalidArgument(f"{prefix} type to be present, but it was blank")
    if request.timeout < 1:
        raise InvalidArgument(f"{prefix} timeout to be greater than zero, but it was {request.timeout}")
    _stored_text("worker", request.worker)


def _stored_text(field: str, text: str) -> str:
    """A text that goes into the store, where a NUL character has no place."""
    if "\0" in text:
        raise InvalidArgument(f"Expected '{field}' without NUL characters, but found one")
    return text


def _check_tenants(call: str, tenants: Sequence[str]) -> None:
    """Tenants are off: only the default one exists."""
    for tenant in tenants:
        if tenant not in ("", wire.DEFAULT_TENANT):
            raise InvalidArgument(
                f"Expected to handle gRPC request {call} with tenant identifier '{quoted(tenant)}', but multi-tenancy is disabled"
            )
