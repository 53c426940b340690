"""The calls of `gateway_protocol.Gateway`, a sentence each: message to call, answer to message.

Checks and effects are those of `Calls`. Status codes are not chosen here: each error class owns its own, and `door` alone puts
them on the wire. A call of the contract that has no method here answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator

from osmia_broker.calls import Caller, Calls, checks
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.jobs.workers import Asks
from osmia_broker.gateway import evaluations, instructions, wire
from osmia_proto import gateway


class Gateway:
    """The calls as coroutines; ActivateJobs and StreamActivatedJobs as streams of messages."""

    def __init__(self, calls: Calls, identity: BrokerIdentity, address: tuple[str, int]) -> None:
        self._calls = calls
        self._identity = identity
        self.address = address  # of the gRPC door, as Topology names it

    async def Topology(self, request: gateway.TopologyRequest) -> gateway.TopologyResponse:
        """Name the brokers and the partitions that each leads. A partition that is away has no leader."""
        version = self._identity.gateway_version
        members = self._calls.members(self.address)
        return gateway.TopologyResponse(
            brokers=[
                gateway.BrokerInfo(
                    nodeId=one.node,
                    host=one.host,
                    port=one.port,
                    partitions=[gateway.Partition(partitionId=id) for id in one.partitions],
                    version=version,
                )
                for one in members
            ],
            clusterSize=len(members),
            partitionsCount=self._calls.partitions_count,
            replicationFactor=1,
            gatewayVersion=version,
            clusterId=self._identity.cluster_id,
        )

    async def DeployResource(
        self, request: gateway.DeployResourceRequest, caller: Caller
    ) -> gateway.DeployResourceResponse:
        """Deploy files: all, or none."""
        checks.default_tenant("DeployResource", [request.tenantId])
        checks.few("resources", request.resources)
        files = [(resource.name, resource.content) for resource in request.resources]
        return wire.deployed(await self._calls.by(caller).deploy(files))

    async def DeployProcess(
        self, request: gateway.DeployProcessRequest, caller: Caller
    ) -> gateway.DeployProcessResponse:
        """Deploy processes by the older call. Its answer names the processes alone."""
        checks.few("processes", request.processes)
        answer = await self._calls.by(caller).deploy(
            [(process.name, process.definition) for process in request.processes]
        )
        return gateway.DeployProcessResponse(key=answer.key, processes=[wire.process(row) for row in answer.processes])

    async def CreateProcessInstance(
        self, request: gateway.CreateProcessInstanceRequest, caller: Caller
    ) -> gateway.CreateProcessInstanceResponse:
        """Start an instance."""
        checks.default_tenant("CreateProcessInstance", [request.tenantId])
        return wire.created(await self._calls.by(caller).create_instance(instructions.new_instance(request, caller)))

    async def CreateProcessInstanceWithResult(
        self, request: gateway.CreateProcessInstanceWithResultRequest, caller: Caller
    ) -> gateway.CreateProcessInstanceWithResultResponse:
        """Start an instance and wait for its end."""
        creation = request.request
        checks.default_tenant("CreateProcessInstanceWithResult", [creation.tenantId])
        created, variables = await self._calls.by(caller).create_instance_and_await_result(
            instructions.new_instance(creation, caller),
            fetch_variables=tuple(request.fetchVariables),
            wait_ms=request.requestTimeout,
        )
        return wire.created_with_result(created, variables)

    async def ActivateJobs(
        self, request: gateway.ActivateJobsRequest, caller: Caller
    ) -> AsyncIterator[gateway.ActivateJobsResponse]:
        """Hand out jobs now, or the first that come within the time of the long poll."""
        checks.tenants_of_jobs("ActivateJobs", request.tenantFilter, request.tenantIds)
        jobs = await self._calls.activate_jobs(
            type=request.type,
            worker=request.worker,
            timeout_ms=request.timeout,
            max_jobs=request.maxJobsToActivate,
            fetch_variables=tuple(request.fetchVariable),
            wait_ms=request.requestTimeout,
            leases=request.withLease,
            user_agent=lambda: caller.user_agent,
        )
        try:
            yield gateway.ActivateJobsResponse(jobs=[wire.job(job) for job in jobs])
        except GeneratorExit:  # the call was cancelled before the message was on its way
            self._calls.give_back(jobs)
            raise

    async def StreamActivatedJobs(
        self, request: gateway.StreamActivatedJobsRequest, caller: Caller
    ) -> AsyncIterator[gateway.ActivatedJob]:
        """Push jobs as they become activatable, for as long as the client listens."""
        checks.tenants_of_jobs("StreamActivatedJobs", request.tenantFilter, request.tenantIds)
        stream = self._calls.stream_jobs(
            type=request.type,
            worker=request.worker,
            timeout_ms=request.timeout,
            fetch_variables=tuple(request.fetchVariable),
            leases=request.withLease,
            undelivered=lambda: caller.undelivered,
        )
        asking = self._calls.workers.asking(request.type, request.worker, Asks.STREAM, lambda: caller.user_agent)
        with asking, stream:
            async for job in stream:
                yield wire.job(job)

    async def CompleteJob(self, request: gateway.CompleteJobRequest) -> gateway.CompleteJobResponse:
        """Report success."""
        result = instructions.job_result(request.result) if request.HasField("result") else None
        business_id = request.businessId if request.HasField("businessId") else None
        await self._calls.complete_job(request.jobKey, request.variables, result, business_id, request.jobLeaseToken)
        return gateway.CompleteJobResponse()

    async def FailJob(self, request: gateway.FailJobRequest) -> gateway.FailJobResponse:
        """Report a failure."""
        await self._calls.fail_job(
            request.jobKey,
            retries=request.retries,
            error_message=request.errorMessage,
            back_off_ms=request.retryBackOff,
            variables=request.variables,
            lease_token=request.jobLeaseToken,
        )
        return gateway.FailJobResponse()

    async def ThrowError(self, request: gateway.ThrowErrorRequest) -> gateway.ThrowErrorResponse:
        """Report an error of the business."""
        await self._calls.throw_error(
            request.jobKey,
            error_code=request.errorCode,
            error_message=request.errorMessage,
            variables=request.variables,
            lease_token=request.jobLeaseToken,
        )
        return gateway.ThrowErrorResponse()

    async def UpdateJobRetries(
        self, request: gateway.UpdateJobRetriesRequest, caller: Caller
    ) -> gateway.UpdateJobRetriesResponse:
        """Give a job new tries."""
        await self._calls.by(caller).update_retries(request.jobKey, request.retries, request.jobLeaseToken)
        return gateway.UpdateJobRetriesResponse()

    async def UpdateJobTimeout(
        self, request: gateway.UpdateJobTimeoutRequest, caller: Caller
    ) -> gateway.UpdateJobTimeoutResponse:
        """Move the end of a job's lease."""
        await self._calls.by(caller).update_timeout(request.jobKey, request.timeout, request.jobLeaseToken)
        return gateway.UpdateJobTimeoutResponse()

    async def UpdateJobPriority(
        self, request: gateway.UpdateJobPriorityRequest, caller: Caller
    ) -> gateway.UpdateJobPriorityResponse:
        """Give a job a new priority."""
        await self._calls.by(caller).update_priority(request.jobKey, request.priority, request.jobLeaseToken)
        return gateway.UpdateJobPriorityResponse()

    async def SetVariables(self, request: gateway.SetVariablesRequest, caller: Caller) -> gateway.SetVariablesResponse:
        """Set variables from outside."""
        key = await self._calls.by(caller).set_variables(
            request.elementInstanceKey, request.variables, local=request.local
        )
        return gateway.SetVariablesResponse(key=key)

    async def ResolveIncident(
        self, request: gateway.ResolveIncidentRequest, caller: Caller
    ) -> gateway.ResolveIncidentResponse:
        """Try the step again that an incident has stopped."""
        await self._calls.by(caller).resolve_incident(request.incidentKey)
        return gateway.ResolveIncidentResponse()

    async def CancelProcessInstance(
        self, request: gateway.CancelProcessInstanceRequest, caller: Caller
    ) -> gateway.CancelProcessInstanceResponse:
        """End an instance."""
        await self._calls.by(caller).cancel_instance(request.processInstanceKey)
        return gateway.CancelProcessInstanceResponse()

    async def EvaluateDecision(
        self, request: gateway.EvaluateDecisionRequest, caller: Caller
    ) -> gateway.EvaluateDecisionResponse:
        """Evaluate a decision. An evaluation that fails is an answer too."""
        checks.default_tenant("EvaluateDecision", [request.tenantId])
        answer = await self._calls.by(caller).evaluate_decision(
            request.decisionId, request.decisionKey, request.variables
        )
        return evaluations.evaluated(answer)

    # --- events from outside

    async def PublishMessage(
        self, request: gateway.PublishMessageRequest, caller: Caller
    ) -> gateway.PublishMessageResponse:
        """Publish a message."""
        checks.default_tenant("PublishMessage", [request.tenantId])
        key = await self._calls.publish_message(
            request.name,
            correlation_key=request.correlationKey,
            time_to_live_ms=request.timeToLive,
            message_id=request.messageId,
            variables=request.variables,
            business_id=request.businessId,
            traceparent=caller.traceparent,
        )
        return gateway.PublishMessageResponse(key=key, tenantId=checks.DEFAULT_TENANT)

    async def BroadcastSignal(self, request: gateway.BroadcastSignalRequest) -> gateway.BroadcastSignalResponse:
        """Broadcast a signal."""
        checks.default_tenant("BroadcastSignal", [request.tenantId])
        key = await self._calls.broadcast_signal(request.signalName, request.variables)
        return gateway.BroadcastSignalResponse(key=key, tenantId=checks.DEFAULT_TENANT)

    async def EvaluateConditional(
        self, request: gateway.EvaluateConditionalRequest
    ) -> gateway.EvaluateConditionalResponse:
        """Start the processes whose conditional start event holds."""
        checks.default_tenant("EvaluateConditional", [request.tenantId])
        answer = await self._calls.evaluate_conditional(request.processDefinitionKey, request.variables)
        references = [
            gateway.ProcessInstanceReference(processDefinitionKey=definition_key, processInstanceKey=key)
            for definition_key, key in answer.started
        ]
        return gateway.EvaluateConditionalResponse(
            processInstances=references, conditionalEvaluationKey=answer.key, tenantId=checks.DEFAULT_TENANT
        )

    # --- running instances, and definitions

    async def ModifyProcessInstance(
        self, request: gateway.ModifyProcessInstanceRequest, caller: Caller
    ) -> gateway.ModifyProcessInstanceResponse:
        """Move tokens by hand."""
        for name in ("activateInstructions", "terminateInstructions", "moveInstructions"):
            checks.few(name, getattr(request, name))  # before they are translated
        await self._calls.by(caller).modify_instance(
            request.processInstanceKey,
            activate=[instructions.activation(one) for one in request.activateInstructions],
            terminate=[instructions.termination(one) for one in request.terminateInstructions],
            move=[instructions.move(one) for one in request.moveInstructions],
        )
        return gateway.ModifyProcessInstanceResponse()

    async def MigrateProcessInstance(
        self, request: gateway.MigrateProcessInstanceRequest, caller: Caller
    ) -> gateway.MigrateProcessInstanceResponse:
        """Let an instance go on in another definition."""
        plan = request.migrationPlan
        checks.few("mappingInstructions", plan.mappingInstructions)
        mappings = [(one.sourceElementId, one.targetElementId) for one in plan.mappingInstructions]
        await self._calls.by(caller).migrate_instance(
            request.processInstanceKey, plan.targetProcessDefinitionKey, mappings
        )
        return gateway.MigrateProcessInstanceResponse()

    async def AssignProcessInstanceBusinessId(
        self, request: gateway.AssignProcessInstanceBusinessIdRequest, caller: Caller
    ) -> gateway.AssignProcessInstanceBusinessIdResponse:
        """Name a running instance."""
        await self._calls.by(caller).assign_business_id(request.processInstanceKey, request.businessId)
        return gateway.AssignProcessInstanceBusinessIdResponse()

    async def DeleteResource(
        self, request: gateway.DeleteResourceRequest, caller: Caller
    ) -> gateway.DeleteResourceResponse:
        """Delete a definition, and its history if that is asked for."""
        calls = self._calls.by(caller)
        begun = await calls.delete_resource(
            request.resourceKey, deletes_history=request.deleteHistory, user=caller.user
        )
        answer = gateway.DeleteResourceResponse(resourceKey=str(request.resourceKey))
        if begun is not None:
            batch = answer.batchOperation
            batch.batchOperationKey = str(begun.key)
            batch.batchOperationType = gateway.BatchOperationTypeEnum.Value(begun.type)
        return answer
