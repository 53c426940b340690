"""The calls of `osmia.v1.Queries`: requests to questions of the read side, and answers to messages."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import msgspec
from google.protobuf.message import Message

from osmia_broker import __version__
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.untrusted_xml import Unreadable
from osmia_broker.calls import Caller
from osmia_broker.calls.checks import int64
from osmia_broker.calls.processes.planned import plan
from osmia_broker.gateway import query_messages
from osmia_broker.gateway.items import Items
from osmia_broker.gateway.questions import asked
from osmia_broker.model import USER_TASK_JOB_TYPE
from osmia_broker.model.diagrams import with_diagram
from osmia_broker.partition import Submits
from osmia_broker.store.read import Page, Reader
from osmia_broker.store.read.deployed import files
from osmia_broker.store.read.entities import PROCESS_DEFINITIONS
from osmia_broker.store.read.instances import instance_views
from osmia_broker.store.read.search.search import get
from osmia_proto import queries

R = TypeVar("R")
M = TypeVar("M", bound=Message)


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
        return await self._page(
            request, self._reader.process_instances, query_messages.instance, queries.SearchProcessInstancesResponse
        )

    async def GetProcessInstance(self, request: queries.GetProcessInstanceRequest) -> queries.ProcessInstance:
        """Return one process instance."""
        return query_messages.instance(await self._reader.process_instance(request.key))

    async def SearchJobs(self, request: queries.SearchJobsRequest) -> queries.SearchJobsResponse:
        """List jobs, open and ended."""
        if request.user_tasks_only and request.type not in ("", USER_TASK_JOB_TYPE):
            return queries.SearchJobsResponse()
        question = asked(request)
        if question.pop("user_tasks_only"):
            question["type"] = USER_TASK_JOB_TYPE
        page = await self._reader.jobs(**question)
        return queries.SearchJobsResponse(items=map(query_messages.job, page.items), next=page.next)

    async def SearchIncidents(self, request: queries.SearchIncidentsRequest) -> queries.SearchIncidentsResponse:
        """List incidents, open and resolved."""
        return await self._page(
            request, self._reader.incidents, query_messages.incident, queries.SearchIncidentsResponse
        )

    async def SearchProcessDefinitions(
        self, request: queries.SearchProcessDefinitionsRequest
    ) -> queries.SearchProcessDefinitionsResponse:
        """List deployed processes."""
        return await self._page(
            request,
            self._reader.process_definitions,
            query_messages.definition,
            queries.SearchProcessDefinitionsResponse,
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
        return await self._page(
            request, self._reader.variables, query_messages.variable, queries.SearchVariablesResponse
        )

    async def SearchTimers(self, request: queries.SearchTimersRequest) -> queries.SearchTimersResponse:
        """List timers, waiting and ended."""
        return await self._page(request, self._reader.timers, query_messages.timer, queries.SearchTimersResponse)

    async def SearchSubscriptions(
        self, request: queries.SearchSubscriptionsRequest
    ) -> queries.SearchSubscriptionsResponse:
        """List subscriptions to messages, signals and conditions, open and ended."""
        return await self._page(
            request, self._reader.subscriptions, query_messages.subscription, queries.SearchSubscriptionsResponse
        )

    async def SearchMessages(self, request: queries.SearchMessagesRequest) -> queries.SearchMessagesResponse:
        """List the messages that are buffered now."""
        return await self._page(request, self._reader.messages, query_messages.message, queries.SearchMessagesResponse)

    async def SearchDecisionEvaluations(
        self, request: queries.SearchDecisionEvaluationsRequest
    ) -> queries.SearchDecisionEvaluationsResponse:
        """List decisions that were evaluated."""
        return await self._page(
            request,
            self._reader.decision_evaluations,
            query_messages.decision_evaluation,
            queries.SearchDecisionEvaluationsResponse,
        )

    async def SearchBatchOperations(
        self, request: queries.SearchBatchOperationsRequest
    ) -> queries.SearchBatchOperationsResponse:
        """List batch operations."""
        return await self._page(
            request,
            self._reader.batch_operations,
            query_messages.batch_operation,
            queries.SearchBatchOperationsResponse,
        )

    async def GetBatchOperation(self, request: queries.GetBatchOperationRequest) -> queries.BatchOperation:
        """Return one batch operation."""
        return query_messages.batch_operation(await self._reader.batch_operation(request.key))

    async def SearchBatchOperationItems(
        self, request: queries.SearchBatchOperationItemsRequest
    ) -> queries.SearchBatchOperationItemsResponse:
        """List the items of batch operations."""
        return await self._page(
            request, self._reader.batch_items, query_messages.batch_item, queries.SearchBatchOperationItemsResponse
        )

    async def SearchClusterVariables(
        self, request: queries.SearchClusterVariablesRequest
    ) -> queries.SearchClusterVariablesResponse:
        """List cluster variables by their names."""
        return await self._page(
            request,
            self._reader.cluster_variables,
            query_messages.cluster_variable,
            queries.SearchClusterVariablesResponse,
        )

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

    async def _page(
        self,
        request: Message,
        ask: Callable[..., Awaitable[Page[R]]],
        item: Callable[[R], Message],
        response: Callable[..., M],
    ) -> M:
        """Ask for the page that *request* wants, and put its items into a *response*."""
        page = await ask(**asked(request))
        return response(items=map(item, page.items), next=page.next)
