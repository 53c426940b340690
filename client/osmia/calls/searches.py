"""Searches: lists of instances, jobs, incidents, definitions and variables (`osmia.v1.Queries`).

Only Osmia answers these calls. A Zeebe gateway raises `Unimplemented`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from osmia import variables as variables_json
from osmia.calls.call import Calls
from osmia.results import (
    ElementInstance,
    Incident,
    IncidentState,
    InstanceState,
    JobInfo,
    JobState,
    Page,
    PartitionStatus,
    ProcessDefinition,
    ProcessInstance,
    Status,
    Variable,
)
from osmia_proto import queries

DEFAULT_LIMIT = 50
_INSTANCE = "PROCESS_INSTANCE_STATE_"
_ELEMENT = "ELEMENT_INSTANCE_STATE_"
_JOB = "JOB_STATE_"
_INCIDENT = "INCIDENT_STATE_"


class SearchCalls(Calls):
    """Search instances, jobs, incidents, definitions and variables.

    A search returns a page of at most *limit* items (1 to 1000), newest first. To get the next page, give the `next` of the
    last one as *after*. An item must match all filters that are given.
    """

    async def search_instances(
        self,
        *,
        bpmn_process_id: str = "",
        version: int = 0,
        process_definition_key: int = 0,
        states: Iterable[InstanceState] = (),
        has_incident: bool | None = None,
        parent_key: int = 0,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[ProcessInstance]:
        """Return process instances, each with its active elements.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchProcessInstances",
            queries.SearchProcessInstancesRequest(
                bpmn_process_id=bpmn_process_id,
                version=version,
                process_definition_key=process_definition_key,
                states=[queries.ProcessInstanceState.Value(_INSTANCE + state) for state in states],
                has_incident=has_incident,
                parent_process_instance_key=parent_key,
                limit=limit,
                after=after,
            ),
        )
        return Page([_instance(item) for item in answer.items], answer.next)

    async def get_instance(self, process_instance_key: int) -> ProcessInstance:
        """Return one process instance with its active elements.

        Raises:
            NotFound: no instance has that key, or its history has been removed.
        """
        request = queries.GetProcessInstanceRequest(key=process_instance_key)
        return _instance(await self._call("GetProcessInstance", request))

    async def search_jobs(
        self,
        *,
        type: str = "",
        process_instance_key: int = 0,
        user_tasks_only: bool = False,
        states: Iterable[JobState] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[JobInfo]:
        """Return jobs, open and ended ones.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchJobs",
            queries.SearchJobsRequest(
                type=type,
                process_instance_key=process_instance_key,
                user_tasks_only=user_tasks_only,
                states=[queries.JobState.Value(_JOB + state) for state in states],
                limit=limit,
                after=after,
            ),
        )
        return Page([_job(item) for item in answer.items], answer.next)

    async def search_incidents(
        self,
        *,
        process_instance_key: int = 0,
        bpmn_process_id: str = "",
        error_type: str = "",
        states: Iterable[IncidentState] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Incident]:
        """Return incidents, open and resolved ones.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchIncidents",
            queries.SearchIncidentsRequest(
                process_instance_key=process_instance_key,
                bpmn_process_id=bpmn_process_id,
                error_type=error_type,
                states=[queries.IncidentState.Value(_INCIDENT + state) for state in states],
                limit=limit,
                after=after,
            ),
        )
        return Page([_incident(item) for item in answer.items], answer.next)

    async def search_definitions(
        self,
        *,
        bpmn_process_id: str = "",
        latest_only: bool = False,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[ProcessDefinition]:
        """Return deployed process definitions; each version is an item.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchProcessDefinitions",
            queries.SearchProcessDefinitionsRequest(
                bpmn_process_id=bpmn_process_id, latest_only=latest_only, limit=limit, after=after
            ),
        )
        return Page([ProcessDefinition(**_fields(item)) for item in answer.items], answer.next)

    async def search_variables(
        self,
        process_instance_key: int,
        *,
        scope_key: int = 0,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Variable]:
        """Return the variables of one process instance, sorted by scope and then by name.

        Raises:
            InvalidArgument: *process_instance_key* is 0, *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchVariables",
            queries.SearchVariablesRequest(
                process_instance_key=process_instance_key, scope_key=scope_key, limit=limit, after=after
            ),
        )
        items = [Variable(**_fields(item, value=msgspec.json.decode(item.value))) for item in answer.items]
        return Page(items, answer.next)

    async def status(self) -> Status:
        """Return the state of the broker that answers."""
        answer = await self._call("Status", queries.StatusRequest())
        return Status(**_fields(answer, partitions=[PartitionStatus(**_fields(each)) for each in answer.partitions]))


def _fields(message: Any, **changed: Any) -> dict[str, Any]:
    """Return the fields of *message* by name, with the values of *changed* instead of those of the message."""
    values = {name: getattr(message, name) for name in message.DESCRIPTOR.fields_by_name if name not in changed}
    return values | changed


def _instance(item: queries.ProcessInstance) -> ProcessInstance:
    return ProcessInstance(
        key=item.key,
        process_definition_key=item.process_definition_key,
        bpmn_process_id=item.bpmn_process_id,
        version=item.version,
        state=InstanceState(queries.ProcessInstanceState.Name(item.state).removeprefix(_INSTANCE)),
        has_incident=item.has_incident,
        start_ms=item.start_ms,
        end_ms=item.end_ms,
        parent_key=item.parent_process_instance_key,
        elements=[_element(element) for element in item.elements],
    )


def _element(element: queries.ElementInstance) -> ElementInstance:
    state = queries.ElementInstanceState.Name(element.state).removeprefix(_ELEMENT)
    return ElementInstance(**_fields(element, state=state))


def _job(item: queries.Job) -> JobInfo:
    values = _fields(
        item,
        state=JobState(queries.JobState.Name(item.state).removeprefix(_JOB)),
        candidate_groups=list(item.candidate_groups),
        candidate_users=list(item.candidate_users),
        priority=item.priority if item.HasField("priority") else None,
    )
    return JobInfo(headers=variables_json.decode(values.pop("custom_headers")), **values)


def _incident(item: queries.Incident) -> Incident:
    return Incident(
        **_fields(item, state=IncidentState(queries.IncidentState.Name(item.state).removeprefix(_INCIDENT)))
    )
