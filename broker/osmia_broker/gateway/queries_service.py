"""The calls of `osmia.v1.Queries`: requests to questions of the read side, and answers to messages."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import msgspec

from osmia_broker import __version__
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.untrusted_xml import Unreadable
from osmia_broker.calls import Caller
from osmia_broker.calls.checks import few, int64
from osmia_broker.calls.processes.planned import plan
from osmia_broker.gateway import query_messages
from osmia_broker.gateway.items import Items
from osmia_broker.gateway.query_messages import (
    BATCH,
    BATCH_TYPE,
    EVALUATION,
    INCIDENT,
    INSTANCE,
    ITEM,
    JOB,
    KIND,
    SUBSCRIPTION,
    TIMER,
)
from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.model.diagrams import with_diagram
from osmia_broker.partition import Submits
from osmia_broker.store.read import Reader
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import PROCESS_DEFINITIONS
from osmia_broker.store.read.instances import instance_views
from osmia_broker.store.read.search.search import get
from osmia_proto import queries


class Queries:
    """Answers the calls from committed rows. A call that its caller cancels stops reading."""

    def __init__(self, partitions: Submits, reader: Reader, database: str, items: Items) -> None:
        self._partitions = partitions
        self._reader = reader
        self._database = database  # its kind and place, for Status
        self._items = items
        self._started_s = monotonic()

    async def SearchProcessInstances(
        self, request: queries.SearchProcessInstancesRequest
    ) -> queries.SearchProcessInstancesResponse:
        """List process instances, running and ended."""
        page = await self._reader.process_instances(
            bpmn_process_id=request.bpmn_process_id,
            version=request.version,
            process_definition_key=request.process_definition_key,
            states=_names(queries.ProcessInstanceState, INSTANCE, request.states),
            has_incident=request.has_incident if request.HasField("has_incident") else None,
            parent_process_instance_key=request.parent_process_instance_key,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchProcessInstancesResponse(items=map(query_messages.instance, page.items), next=page.next)

    async def GetProcessInstance(self, request: queries.GetProcessInstanceRequest) -> queries.ProcessInstance:
        """Return one process instance."""
        return query_messages.instance(await self._reader.process_instance(request.key))

    async def SearchJobs(self, request: queries.SearchJobsRequest) -> queries.SearchJobsResponse:
        """List jobs, open and ended."""
        if request.user_tasks_only and request.type not in ("", USER_TASK_JOB_TYPE):
            return queries.SearchJobsResponse()
        page = await self._reader.jobs(
            key=request.key,
            type=USER_TASK_JOB_TYPE if request.user_tasks_only else request.type,
            process_instance_key=request.process_instance_key,
            states=_names(queries.JobState, JOB, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchJobsResponse(items=map(query_messages.job, page.items), next=page.next)

    async def SearchIncidents(self, request: queries.SearchIncidentsRequest) -> queries.SearchIncidentsResponse:
        """List incidents, open and resolved."""
        page = await self._reader.incidents(
            key=request.key,
            process_instance_key=request.process_instance_key,
            bpmn_process_id=request.bpmn_process_id,
            error_type=request.error_type,
            states=_names(queries.IncidentState, INCIDENT, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchIncidentsResponse(items=map(query_messages.incident, page.items), next=page.next)

    async def SearchProcessDefinitions(
        self, request: queries.SearchProcessDefinitionsRequest
    ) -> queries.SearchProcessDefinitionsResponse:
        """List deployed processes."""
        page = await self._reader.process_definitions(
            key=request.key,
            bpmn_process_id=request.bpmn_process_id,
            latest_only=request.latest_only,
            with_draining=request.with_draining,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchProcessDefinitionsResponse(
            items=map(query_messages.definition, page.items), next=page.next
        )

    async def GetProcessXml(self, request: queries.GetProcessXmlRequest) -> queries.GetProcessXmlResponse:
        """Return the file of a process definition, with a layout if it has none."""
        key = int64("process_definition_key", request.process_definition_key)
        definition = await get(self._reader, PROCESS_DEFINITIONS, key, "process definition")
        found = await files.content_of(self._reader, "process definition", key)
        try:
            xml = await asyncio.to_thread(with_diagram, found.content, definition["processDefinitionId"])
        except Unreadable:  # an older Osmia took it
            xml = found.content
        return queries.GetProcessXmlResponse(resource_name=definition["resourceName"] or "", xml=xml)

    async def SearchVariables(self, request: queries.SearchVariablesRequest) -> queries.SearchVariablesResponse:
        """List the variables of one process instance."""
        if not request.process_instance_key:
            raise InvalidArgument("Expected a process_instance_key, but found none")
        page = await self._reader.variables(
            request.process_instance_key,
            scope_key=request.scope_key,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchVariablesResponse(items=map(query_messages.variable, page.items), next=page.next)

    async def SearchTimers(self, request: queries.SearchTimersRequest) -> queries.SearchTimersResponse:
        """List timers, waiting and ended."""
        page = await self._reader.timers(
            process_instance_key=request.process_instance_key,
            element_id=request.element_id,
            bpmn_process_id=request.bpmn_process_id,
            of_start_event=request.of_start_event if request.HasField("of_start_event") else None,
            states=_names(queries.TimerState, TIMER, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchTimersResponse(items=map(query_messages.timer, page.items), next=page.next)

    async def SearchSubscriptions(
        self, request: queries.SearchSubscriptionsRequest
    ) -> queries.SearchSubscriptionsResponse:
        """List subscriptions to messages, signals and conditions, open and ended."""
        page = await self._reader.subscriptions(
            process_instance_key=request.process_instance_key,
            element_id=request.element_id,
            bpmn_process_id=request.bpmn_process_id,
            name=request.name,
            correlation_key=request.correlation_key,
            kinds=_names(queries.SubscriptionKind, KIND, request.kinds),
            of_start_event=request.of_start_event if request.HasField("of_start_event") else None,
            states=_names(queries.SubscriptionState, SUBSCRIPTION, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchSubscriptionsResponse(items=map(query_messages.subscription, page.items), next=page.next)

    async def SearchMessages(self, request: queries.SearchMessagesRequest) -> queries.SearchMessagesResponse:
        """List the messages that are buffered now."""
        page = await self._reader.messages(
            name=request.name,
            correlation_key=request.correlation_key,
            message_id=request.message_id,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchMessagesResponse(items=map(query_messages.message, page.items), next=page.next)

    async def SearchDecisionEvaluations(
        self, request: queries.SearchDecisionEvaluationsRequest
    ) -> queries.SearchDecisionEvaluationsResponse:
        """List decisions that were evaluated."""
        page = await self._reader.decision_evaluations(
            key=request.key,
            process_instance_key=request.process_instance_key,
            decision_id=request.decision_id,
            states=_names(queries.DecisionEvaluationState, EVALUATION, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchDecisionEvaluationsResponse(
            items=map(query_messages.decision_evaluation, page.items), next=page.next
        )

    async def SearchBatchOperations(
        self, request: queries.SearchBatchOperationsRequest
    ) -> queries.SearchBatchOperationsResponse:
        """List batch operations."""
        page = await self._reader.batch_operations(
            types=_names(queries.BatchOperationType, BATCH_TYPE, request.types),
            states=_names(queries.BatchOperationState, BATCH, request.states),
            limit=request.limit,
            after=request.after,
        )
        items = map(query_messages.batch_operation, page.items)
        return queries.SearchBatchOperationsResponse(items=items, next=page.next)

    async def GetBatchOperation(self, request: queries.GetBatchOperationRequest) -> queries.BatchOperation:
        """Return one batch operation."""
        return query_messages.batch_operation(await self._reader.batch_operation(request.key))

    async def SearchBatchOperationItems(
        self, request: queries.SearchBatchOperationItemsRequest
    ) -> queries.SearchBatchOperationItemsResponse:
        """List the items of batch operations."""
        page = await self._reader.batch_items(
            batch_key=request.batch_operation_key,
            process_instance_key=request.process_instance_key,
            states=_names(queries.BatchOperationItemState, ITEM, request.states),
            limit=request.limit,
            after=request.after,
        )
        items = map(query_messages.batch_item, page.items)
        return queries.SearchBatchOperationItemsResponse(items=items, next=page.next)

    async def SearchClusterVariables(
        self, request: queries.SearchClusterVariablesRequest
    ) -> queries.SearchClusterVariablesResponse:
        """List cluster variables by their names."""
        page = await self._reader.cluster_variables(
            name_like=request.name_like, limit=request.limit, after=request.after
        )
        items = map(query_messages.cluster_variable, page.items)
        return queries.SearchClusterVariablesResponse(items=items, next=page.next)

    async def GetClusterVariable(self, request: queries.GetClusterVariableRequest) -> queries.ClusterVariable:
        """Return one cluster variable."""
        return query_messages.cluster_variable(await self._reader.cluster_variable(request.name))

    async def ListTakenSequenceFlows(
        self, request: queries.ListTakenSequenceFlowsRequest
    ) -> queries.ListTakenSequenceFlowsResponse:
        """List the sequence flows that tokens of a process instance have taken."""
        taken = await instance_views.taken_flows(self._reader, request.process_instance_key)
        drawn = await self._reader.element_names.drawn(taken.definition)
        return queries.ListTakenSequenceFlowsResponse(items=[query_messages.taken_flow(id, drawn) for id in taken.ids])

    async def CheckDeployment(self, request: queries.CheckDeploymentRequest) -> queries.CheckDeploymentResponse:
        """Say what a deployment of these files would do."""
        found = await plan(self._reader, [(file.name, file.content) for file in request.files])
        definitions = [queries.PlannedDefinition(**msgspec.structs.asdict(one)) for one in found.definitions]
        return queries.CheckDeploymentResponse(definitions=definitions, warnings=found.warnings)

    async def GetDeployedFile(self, request: queries.GetDeployedFileRequest) -> queries.GetDeployedFileResponse:
        """Return a deployed file."""
        found = await files.content_of(self._reader, "resource", int64("resource_key", request.resource_key))
        return queries.GetDeployedFileResponse(resource_name=found.name, content=found.content)

    async def GetForm(self, request: queries.GetFormRequest) -> queries.Form:
        """Return a deployed form."""
        return query_messages.form(await files.form(self._reader, int64("form_key", request.form_key)))

    async def GetStartForm(self, request: queries.GetStartFormRequest) -> queries.Form:
        """Return the form of a start event."""
        key = int64("process_definition_key", request.process_definition_key)
        return query_messages.form(await files.form_of_start(self._reader, key))

    async def SearchItems(self, request: queries.SearchItemsRequest, caller: Caller) -> queries.SearchItemsResponse:
        """Return a page of any list."""
        return await self._items.search(request, caller)

    async def GetItem(self, request: queries.GetItemRequest, caller: Caller) -> queries.GetItemResponse:
        """Return one item of a list."""
        return await self._items.get(request, caller)

    async def Status(self, request: queries.StatusRequest) -> queries.StatusResponse:
        """Report the version and state of the broker, and how much is open."""
        counts = await self._reader.counts()
        states = await asyncio.gather(*(one.status() for one in self._partitions.parts))
        partitions = [
            queries.PartitionStatus(
                id=one.id,
                role="LEADER" if one.is_open else "INACTIVE",
                queue_depth=state.queued,
                resident_instances=state.resident_instances,
                key_counter=state.key_counter,
                failure=state.failure,
            )
            for one, state in zip(self._partitions.parts, states, strict=True)
        ]
        return queries.StatusResponse(
            broker_version=__version__,
            partitions=partitions,
            database=self._database,
            uptime_ms=int((monotonic() - self._started_s) * 1000),
            open_process_instances=counts.process_instances,
            open_jobs=counts.jobs,
            open_incidents=counts.incidents,
        )


def _names(enum: Any, prefix: str, numbers: Sequence[int]) -> list[str]:
    """Return the values of an enum in a request by the names that the rows use."""
    few(_plural(prefix), numbers)
    known = set(enum.values())
    names = [enum.Name(number).removeprefix(prefix) if number in known else "UNSPECIFIED" for number in numbers]
    if "UNSPECIFIED" in names:
        raise InvalidArgument(f"Expected {_plural(prefix)} of {', '.join(enum.keys()[1:])}, but found {list(numbers)}")
    return names


def _plural(prefix: str) -> str:
    return {KIND: "kinds", BATCH_TYPE: "types"}.get(prefix, "states")
