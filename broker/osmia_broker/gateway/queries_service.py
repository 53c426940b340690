"""The calls of `osmia.v1.Queries`: requests to questions of the read side, and answers to messages."""

from collections.abc import Iterable
from time import monotonic
from typing import Any

import msgspec

from osmia_broker import __version__
from osmia_broker.calls.checks import INT32
from osmia_broker.errors import InvalidArgument
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.partition import Partition
from osmia_broker.state.rows import ProcessDefinition, Variable
from osmia_broker.store.read import Reader, SeenElement, SeenIncident, SeenInstance, SeenJob
from osmia_proto import queries

INSTANCE, ELEMENT, JOB, INCIDENT = "PROCESS_INSTANCE_STATE_", "ELEMENT_INSTANCE_STATE_", "JOB_STATE_", "INCIDENT_STATE_"


class Queries:
    """Answers the calls from committed rows. A call that its caller cancels stops reading."""

    def __init__(self, partition: Partition, reader: Reader, database: str) -> None:
        self._partition = partition
        self._reader = reader
        self._database = database  # its kind and place, for Status
        self._started_s = monotonic()

    async def SearchProcessInstances(
        self, request: queries.SearchProcessInstancesRequest
    ) -> queries.SearchProcessInstancesResponse:
        """List process instances, running and ended."""
        if request.parent_process_instance_key:
            return queries.SearchProcessInstancesResponse()  # no call activity yet, so no instance has a parent
        page = await self._reader.process_instances(
            bpmn_process_id=request.bpmn_process_id,
            version=request.version,
            process_definition_key=request.process_definition_key,
            states=_names(queries.ProcessInstanceState, INSTANCE, request.states),
            has_incident=request.has_incident if request.HasField("has_incident") else None,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchProcessInstancesResponse(items=map(_instance, page.items), next=page.next)

    async def GetProcessInstance(self, request: queries.GetProcessInstanceRequest) -> queries.ProcessInstance:
        """Return one process instance."""
        return _instance(await self._reader.process_instance(request.key))

    async def SearchJobs(self, request: queries.SearchJobsRequest) -> queries.SearchJobsResponse:
        """List jobs, open and ended."""
        if request.user_tasks_only and request.type not in ("", USER_TASK_JOB_TYPE):
            return queries.SearchJobsResponse()
        page = await self._reader.jobs(
            type=USER_TASK_JOB_TYPE if request.user_tasks_only else request.type,
            process_instance_key=request.process_instance_key,
            states=_names(queries.JobState, JOB, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchJobsResponse(items=map(_job, page.items), next=page.next)

    async def SearchIncidents(self, request: queries.SearchIncidentsRequest) -> queries.SearchIncidentsResponse:
        """List incidents, open and resolved."""
        page = await self._reader.incidents(
            process_instance_key=request.process_instance_key,
            bpmn_process_id=request.bpmn_process_id,
            error_type=request.error_type,
            states=_names(queries.IncidentState, INCIDENT, request.states),
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchIncidentsResponse(items=map(_incident, page.items), next=page.next)

    async def SearchProcessDefinitions(
        self, request: queries.SearchProcessDefinitionsRequest
    ) -> queries.SearchProcessDefinitionsResponse:
        """List deployed processes."""
        page = await self._reader.process_definitions(
            bpmn_process_id=request.bpmn_process_id,
            latest_only=request.latest_only,
            limit=request.limit,
            after=request.after,
        )
        return queries.SearchProcessDefinitionsResponse(items=map(_definition, page.items), next=page.next)

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
        return queries.SearchVariablesResponse(items=map(_variable, page.items), next=page.next)

    async def Status(self, request: queries.StatusRequest) -> queries.StatusResponse:
        """Report the version and state of the broker, and how much is open."""
        counts = await self._reader.counts()
        partition = queries.PartitionStatus(
            id=self._partition.id,
            role="LEADER" if self._partition.is_open else "INACTIVE",
            queue_depth=self._partition.queued,
            resident_instances=self._partition.resident_instances,
            key_counter=self._partition.key_counter,
            failure=self._partition.write_failure or self._partition.why_away,
        )
        return queries.StatusResponse(
            broker_version=__version__,
            partitions=[partition],
            database=self._database,
            uptime_ms=int((monotonic() - self._started_s) * 1000),
            open_process_instances=counts.process_instances,
            open_jobs=counts.jobs,
            open_incidents=counts.incidents,
        )


def _names(enum: Any, prefix: str, numbers: Iterable[int]) -> list[str]:
    """Return the states of the request by the names that the rows use."""
    names = [enum.Name(number).removeprefix(prefix) if number in enum.values() else "UNSPECIFIED" for number in numbers]
    if "UNSPECIFIED" in names:
        raise InvalidArgument(f"Expected states of {', '.join(enum.keys()[1:])}, but found {list(numbers)}")
    return names


def _instance(seen: SeenInstance) -> queries.ProcessInstance:
    return queries.ProcessInstance(
        key=seen.row.key,
        process_definition_key=seen.definition.key,
        bpmn_process_id=seen.definition.bpmn_process_id,
        version=seen.definition.version,
        state=queries.ProcessInstanceState.Value(INSTANCE + seen.state),
        has_incident=seen.has_incident,
        start_ms=seen.row.started_ms,
        end_ms=seen.row.ended_ms,
        elements=map(_element, seen.elements),
    )


def _element(seen: SeenElement) -> queries.ElementInstance:
    return queries.ElementInstance(
        key=seen.row.key,
        element_id=seen.row.element_id,
        element_name=seen.name,
        type=seen.row.type,
        state=queries.ElementInstanceState.Value(ELEMENT + seen.row.state),
        start_ms=seen.row.started_ms,
        incident_key=seen.incident_key,
    )


def _job(seen: SeenJob) -> queries.Job:
    row = seen.row
    message = queries.Job(
        key=row.key,
        type=row.type,
        state=queries.JobState.Value(JOB + row.state),
        element_id=row.element_id,
        element_name=seen.element_name,
        element_instance_key=row.element_instance_key,
        process_instance_key=row.process_instance_key,
        process_definition_key=row.process_definition_key,
        bpmn_process_id=seen.definition.bpmn_process_id,
        process_definition_version=seen.definition.version,
        worker=row.worker,
        retries=min(max(row.retries, INT32.start), INT32.stop - 1),  # no row may spoil the list for the others
        deadline_ms=row.deadline_ms if row.state == "ACTIVATED" else 0,
        custom_headers=row.headers,
        error_message=row.error_message,
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
    )
    if row.type == USER_TASK_JOB_TYPE:
        _assign(message, msgspec.json.decode(row.headers))
    return message


def _assign(message: queries.Job, headers: dict[str, str]) -> None:
    """Fill in the assignment of a user task from its headers."""
    own = {
        name.removeprefix(RESERVED_HEADERS): value
        for name, value in headers.items()
        if name.startswith(RESERVED_HEADERS)
    }
    message.assignee = own.get("assignee", "")
    message.candidate_groups.extend(msgspec.json.decode(own.get("candidateGroups", "[]")))
    message.candidate_users.extend(msgspec.json.decode(own.get("candidateUsers", "[]")))
    message.due_date = own.get("dueDate", "")
    message.follow_up_date = own.get("followUpDate", "")
    message.form_key = own.get("formKey", "")


def _incident(seen: SeenIncident) -> queries.Incident:
    row = seen.row
    return queries.Incident(
        key=row.key,
        error_type=row.error_type,
        message=row.message,
        element_id=row.element_id,
        element_instance_key=row.element_instance_key,
        process_instance_key=row.process_instance_key,
        process_definition_key=row.process_definition_key,
        bpmn_process_id=seen.definition.bpmn_process_id,
        job_key=row.job_key,
        created_ms=row.created_ms,
        resolved_ms=row.ended_ms,
        state=queries.IncidentState.Value(INCIDENT + ("RESOLVED" if row.ended_ms else "OPEN")),
    )


def _definition(row: ProcessDefinition) -> queries.ProcessDefinition:
    return queries.ProcessDefinition(
        key=row.key,
        bpmn_process_id=row.bpmn_process_id,
        name=row.name,
        version=row.version,
        resource_name=row.resource_name,
        deployed_ms=row.deployed_ms,
    )


def _variable(row: Variable) -> queries.Variable:
    return queries.Variable(
        name=row.name, value=row.value, scope_key=row.scope_key, process_instance_key=row.process_instance_key
    )
