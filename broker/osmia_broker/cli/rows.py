"""Turn the items of the broker's lists into rows with the field names of the REST API v2, and name the columns of the tables."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from osmia_broker.cli.output import Column, Row, moment
from osmia_broker.cli.session import Session

if TYPE_CHECKING:
    from osmia.results import Incident, JobInfo, Page, ProcessDefinition, ProcessInstance, Variable

Item = TypeVar("Item")
PAGE = 200  # items a request: one round trip fills a screen or two

INSTANCE_COLUMNS = (
    Column("processInstanceKey", "KEY"),
    Column("processDefinitionId", "PROCESS"),
    Column("processDefinitionVersion", "VERSION"),
    Column("state", "STATE"),
    Column("elements", "AT"),
    Column("startDate", "STARTED"),
    Column("endDate", "ENDED", is_wide=True),
    Column("hasIncident", "INCIDENT", is_wide=True),
    Column("parentProcessInstanceKey", "PARENT", is_wide=True),
)
JOB_COLUMNS = (
    Column("jobKey", "KEY"),
    Column("type", "TYPE"),
    Column("state", "STATE"),
    Column("retries", "RETRIES"),
    Column("worker", "WORKER"),
    Column("elementId", "ELEMENT"),
    Column("processInstanceKey", "INSTANCE"),
    Column("deadline", "DEADLINE", is_wide=True),
    Column("errorMessage", "ERROR", is_wide=True),
    Column("creationTime", "CREATED", is_wide=True),
)
TASK_COLUMNS = (
    Column("userTaskKey", "KEY"),
    Column("name", "TASK"),
    Column("assignee", "ASSIGNEE"),
    Column("candidateGroups", "GROUPS"),
    Column("dueDate", "DUE"),
    Column("processDefinitionId", "PROCESS"),
    Column("processInstanceKey", "INSTANCE"),
    Column("state", "STATE", is_wide=True),
    Column("priority", "PRIORITY", is_wide=True),
    Column("creationDate", "CREATED", is_wide=True),
)
INCIDENT_COLUMNS = (
    Column("incidentKey", "KEY"),
    Column("errorType", "TYPE"),
    Column("processDefinitionId", "PROCESS"),
    Column("elementId", "ELEMENT"),
    Column("processInstanceKey", "INSTANCE"),
    Column("errorMessage", "MESSAGE"),
    Column("state", "STATE", is_wide=True),
    Column("jobKey", "JOB", is_wide=True),
    Column("creationTime", "CREATED", is_wide=True),
)
PROCESS_COLUMNS = (
    Column("processDefinitionKey", "KEY"),
    Column("processDefinitionId", "PROCESS"),
    Column("name", "NAME"),
    Column("version", "VERSION"),
    Column("resourceName", "FILE"),
    Column("deployedAt", "DEPLOYED", is_wide=True),
)
VARIABLE_COLUMNS = (Column("name", "NAME"), Column("value", "VALUE"), Column("scopeKey", "SCOPE"))


def every(search: "Callable[..., Page[Item]]", **filters: Any) -> Iterator[Item]:
    """Yield all items of a list. A page is requested when its first item is needed."""
    after = ""
    while True:
        page = search(limit=PAGE, after=after, **filters)
        yield from page.items
        after = page.next
        if not after:
            return


def first(session: Session, items: Iterator[Item], limit: int) -> list[Item]:
    """Return the first *limit* items, all of them for 0. If there are more, a line on stderr says so."""
    found = list(islice(items, limit or None))
    if limit and next(items, None) is not None:
        session.say(f"Only the first {limit} are listed; --limit 0 lists all.")
    return found


def instance_row(instance: "ProcessInstance") -> Row:
    """Return the row of a process instance. `elements` are the elements that hold its tokens."""
    return {
        "processInstanceKey": str(instance.key),
        "processDefinitionId": instance.bpmn_process_id,
        "processDefinitionKey": str(instance.process_definition_key),
        "processDefinitionVersion": instance.version,
        "state": str(instance.state),
        "hasIncident": instance.has_incident,
        "startDate": moment(instance.start_ms),
        "endDate": moment(instance.end_ms),
        "parentProcessInstanceKey": _key(instance.parent_key),
        "elements": [element.element_id for element in instance.elements],
    }


def job_row(job: "JobInfo") -> Row:
    """Return the row of a job of any type."""
    return {
        "jobKey": str(job.key),
        "type": job.type,
        "state": str(job.state),
        "retries": job.retries,
        "worker": job.worker,
        "elementId": job.element_id,
        "elementInstanceKey": str(job.element_instance_key),
        "processInstanceKey": str(job.process_instance_key),
        "processDefinitionKey": str(job.process_definition_key),
        "processDefinitionId": job.bpmn_process_id,
        "deadline": moment(job.deadline_ms),
        "errorMessage": job.error_message,
        "customHeaders": job.headers,
        "creationTime": moment(job.created_ms),
        "endTime": moment(job.ended_ms),
    }


def task_row(job: "JobInfo") -> Row:
    """Return the row of a user task. Its key is the key of its job."""
    return {
        "userTaskKey": str(job.key),
        "name": job.element_name or job.element_id,
        "state": {"COMPLETED": "COMPLETED", "CANCELED": "CANCELED", "FAILED": "FAILED"}.get(job.state, "CREATED"),
        "assignee": job.assignee,
        "candidateGroups": job.candidate_groups,
        "candidateUsers": job.candidate_users,
        "dueDate": job.due_date or None,
        "followUpDate": job.follow_up_date or None,
        "priority": job.priority,
        "formKey": job.form_key or None,
        "elementId": job.element_id,
        "elementInstanceKey": str(job.element_instance_key),
        "processInstanceKey": str(job.process_instance_key),
        "processDefinitionKey": str(job.process_definition_key),
        "processDefinitionId": job.bpmn_process_id,
        "creationDate": moment(job.created_ms),
        "completionDate": moment(job.ended_ms),
    }


def incident_row(incident: "Incident") -> Row:
    """Return the row of an incident."""
    return {
        "incidentKey": str(incident.key),
        "errorType": incident.error_type,
        "errorMessage": incident.message,
        "state": {"OPEN": "ACTIVE"}.get(incident.state, str(incident.state)),
        "elementId": incident.element_id,
        "elementInstanceKey": str(incident.element_instance_key),
        "processInstanceKey": str(incident.process_instance_key),
        "processDefinitionKey": str(incident.process_definition_key),
        "processDefinitionId": incident.bpmn_process_id,
        "jobKey": _key(incident.job_key),
        "creationTime": moment(incident.created_ms),
        "resolutionTime": moment(incident.resolved_ms),
    }


def process_row(definition: "ProcessDefinition") -> Row:
    """Return the row of one version of a deployed process."""
    return {
        "processDefinitionKey": str(definition.key),
        "processDefinitionId": definition.bpmn_process_id,
        "name": definition.name,
        "version": definition.version,
        "resourceName": definition.resource_name,
        "deployedAt": moment(definition.deployed_ms),
    }


def variable_row(variable: "Variable") -> Row:
    """Return the row of a variable. Its value is the JSON value."""
    return {
        "name": variable.name,
        "value": variable.value,
        "scopeKey": str(variable.scope_key),
        "processInstanceKey": str(variable.process_instance_key),
    }


def _key(key: int) -> str | None:
    return str(key) if key else None
