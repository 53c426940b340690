"""Turn the items of the broker's lists into rows with the field names of the REST API v2, and name the columns of the tables."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from osmia_broker.base.counted import counted
from osmia_broker.cli.output import Column, Row, moment
from osmia_broker.cli.session import Session

if TYPE_CHECKING:
    from osmia import UserTask
    from osmia.calls.batches import BatchItem, BatchOperation
    from osmia.history import DecisionEvaluation
    from osmia.results import (
        BufferedMessage,
        Incident,
        JobInfo,
        MatchedRule,
        Page,
        ProcessDefinition,
        ProcessInstance,
        Subscription,
        Timer,
        Variable,
    )

Item = TypeVar("Item")
PAGE = 200  # items a request: one round trip fills a screen or two


def state_of_instance(row: Row) -> str:
    """Return the state that a person should see: an instance that nothing moves looks like one that works otherwise."""
    runs = row["state"] in ("ACTIVE", "SUSPENDED")
    return "INCIDENT" if runs and row["hasIncident"] else str(row["state"])


def name_of_task(row: Row) -> str:
    """Return the name of a task, with a mark if its process instance is suspended (=) or has an incident (!)."""
    marks = [mark for mark, field in (("=", "isSuspended"), ("!", "hasIncident")) if row.get(field)]
    return " ".join([*marks, str(row["name"])])


def _result_of(row: Row) -> str:
    return f"! {row['evaluationFailure']}" if row["evaluationFailure"] else msgspec.json.encode(row["result"]).decode()


def _rules_of(row: Row) -> str:
    return ", ".join(str(rule["ruleIndex"]) for rule in row["matchedRules"])


def holder_of_job(row: Row) -> str | None:
    """Return the worker that holds a job now. The one that held it before says nothing about who works on it."""
    return row["worker"] if row["state"] == "ACTIVATED" else None


INSTANCE_COLUMNS = (
    Column("processInstanceKey", "KEY"),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("processDefinitionVersion", "VERSION"),
    Column("state", "STATE", text=state_of_instance),
    Column("elements", "AT", is_long=True),
    Column("startDate", "STARTED", is_moment=True),
    Column("endDate", "ENDED", is_wide=True, is_moment=True),
    Column("hasIncident", "INCIDENT", is_wide=True),
    Column("parentProcessInstanceKey", "PARENT", is_wide=True),
    Column("businessId", "BUSINESS ID", is_wide=True, is_long=True),
)
JOB_COLUMNS = (
    Column("jobKey", "KEY"),
    Column("type", "TYPE", is_long=True),
    Column("state", "STATE"),
    Column("retries", "TRIES"),
    Column("worker", "WORKER", is_long=True, text=holder_of_job),
    Column("elementId", "ELEMENT", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("deadline", "DEADLINE", is_wide=True, is_moment=True),
    Column("priority", "PRIORITY", is_wide=True),
    Column("errorMessage", "ERROR", is_wide=True, is_long=True),
    Column("creationTime", "CREATED", is_wide=True, is_moment=True),
)
TASK_COLUMNS = (
    Column("userTaskKey", "KEY"),
    Column("name", "TASK", is_long=True, text=name_of_task),
    Column("assignee", "ASSIGNEE", is_long=True),
    Column("candidateGroups", "GROUPS", is_long=True),
    Column("dueDate", "DUE", is_day=True),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("state", "STATE", is_wide=True),
    Column("priority", "PRIORITY", is_wide=True),
    Column("creationDate", "CREATED", is_wide=True, is_moment=True),
)
INCIDENT_COLUMNS = (
    Column("incidentKey", "KEY"),
    Column("errorType", "TYPE", is_long=True),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("elementId", "ELEMENT", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("errorMessage", "MESSAGE", is_long=True),
    Column("state", "STATE", is_wide=True),
    Column("jobKey", "JOB", is_wide=True),
    Column("creationTime", "CREATED", is_wide=True, is_moment=True),
)
PROCESS_COLUMNS = (
    Column("processDefinitionKey", "KEY"),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("name", "NAME", is_long=True),
    Column("version", "VERSION"),
    Column("state", "STATE"),
    Column("resourceName", "FILE", is_long=True),
    Column("deployedAt", "DEPLOYED", is_wide=True, is_moment=True),
)
VARIABLE_COLUMNS = (Column("name", "NAME"), Column("value", "VALUE", is_long=True), Column("scopeKey", "SCOPE"))
TIMER_COLUMNS = (
    Column("timerKey", "KEY"),
    Column("state", "STATE"),
    Column("dueDate", "DUE", is_moment=True),
    Column("elementId", "AT", is_long=True),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("repetitions", "REPEATS", is_wide=True),
    Column("cycle", "CYCLE", is_wide=True, is_long=True),
    Column("creationTime", "CREATED", is_wide=True, is_moment=True),
)
EVALUATION_COLUMNS = (
    Column("decisionEvaluationInstanceKey", "KEY"),
    Column("decisionDefinitionId", "DECISION", is_long=True),
    Column("result", "RESULT", is_long=True, text=_result_of),
    Column("matchedRules", "RULES", text=_rules_of),
    Column("elementId", "ELEMENT", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("evaluationDate", "WHEN", is_moment=True),
    Column("decisionDefinitionVersion", "VERSION", is_wide=True),
    Column("evaluatedInputs", "INPUTS", is_wide=True, is_long=True),
    Column("state", "STATE", is_wide=True),
)
SUBSCRIPTION_COLUMNS = (
    Column("subscriptionKey", "KEY"),
    Column("type", "TYPE"),
    Column("name", "NAME", is_long=True),
    Column("correlationKey", "MATCHES", is_long=True),
    Column("elementId", "ELEMENT", is_long=True),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("processInstanceKey", "INSTANCE"),
    Column("state", "STATE", is_wide=True),
    Column("creationTime", "CREATED", is_wide=True, is_moment=True),
)
MESSAGE_COLUMNS = (
    Column("messageKey", "KEY"),
    Column("name", "NAME", is_long=True),
    Column("correlationKey", "MATCHES", is_long=True),
    Column("expirationTime", "EXPIRES", is_moment=True),
    Column("messageId", "MESSAGE ID", is_long=True),
    Column("processDefinitionIds", "REACHED", is_wide=True, is_long=True),
    Column("publicationTime", "PUBLISHED", is_wide=True, is_moment=True),
)


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
        session.say(f"Only the first {counted(limit, 'is', 'are')} listed; --limit 0 lists all.")
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
        "parentElementInstanceKey": _key(instance.parent_element_key),
        "rootProcessInstanceKey": _key(instance.root_key),
        "businessId": instance.business_id or None,
        "tags": instance.tags,
        "suspendedDate": moment(instance.suspended_ms),
        "elements": [element.element_id for element in instance.elements],
    }


def job_row(job: "JobInfo") -> Row:
    """Return the row of a job of any type."""
    return {
        "jobKey": str(job.key),
        "type": job.type,
        "state": str(job.state),
        "retries": job.retries,
        "priority": job.job_priority,
        "worker": job.worker or None,
        "elementId": job.element_id,
        "elementInstanceKey": str(job.element_instance_key),
        "processInstanceKey": str(job.process_instance_key),
        "processDefinitionKey": str(job.process_definition_key),
        "processDefinitionId": job.bpmn_process_id,
        "deadline": moment(job.deadline_ms),
        "errorMessage": job.error_message or None,
        "customHeaders": job.headers,
        "creationTime": moment(job.created_ms),
        "endTime": moment(job.ended_ms),
    }


def task_row(task: "UserTask", *, has_incident: bool = False, is_suspended: bool = False) -> Row:
    """Return the row of a user task. *has_incident* and *is_suspended* are about its process instance."""
    return {
        "userTaskKey": str(task.key),
        "name": task.name or task.element_id,
        "state": task.state,
        "assignee": task.assignee or None,
        "candidateGroups": list(task.candidate_groups),
        "candidateUsers": list(task.candidate_users),
        "dueDate": task.due_date or None,
        "followUpDate": task.follow_up_date or None,
        "priority": task.priority,
        "formKey": _key(task.form_key),
        "externalFormReference": task.external_form or None,
        "customHeaders": dict(task.headers),
        "elementId": task.element_id,
        "elementInstanceKey": str(task.element_instance_key),
        "processInstanceKey": str(task.process_instance_key),
        "rootProcessInstanceKey": str(task.root_process_instance_key),
        "processDefinitionKey": str(task.process_definition_key),
        "processDefinitionId": task.bpmn_process_id,
        "processDefinitionVersion": task.process_version,
        "processName": task.process_name or None,
        "businessId": task.business_id or None,
        "tags": list(task.tags),
        "description": task.documentation or None,
        "category": task.category or None,
        "hasIncident": has_incident,
        "isSuspended": is_suspended,
        "creationDate": task.creation_date,
        "completionDate": task.completion_date or None,
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
        "name": definition.name or None,
        "version": definition.version,
        "state": "DRAINING" if definition.deleted_ms else "ACTIVE",
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


def timer_row(timer: "Timer") -> Row:
    """Return the row of a timer. That of a start event has no instance."""
    return {
        "timerKey": str(timer.key),
        "state": str(timer.state),
        "dueDate": moment(timer.due_ms),
        "repetitions": timer.repetitions,
        "cycle": timer.cycle or None,
        **_waiting_event(timer),
        "creationTime": moment(timer.created_ms),
        "endTime": moment(timer.ended_ms),
    }


def subscription_row(subscription: "Subscription") -> Row:
    """Return the row of a subscription. That of a start event has no instance."""
    return {
        "subscriptionKey": str(subscription.key),
        "type": str(subscription.kind),
        "state": str(subscription.state),
        "name": subscription.name or None,
        "correlationKey": subscription.correlation_key or None,
        **_waiting_event(subscription),
        "creationTime": moment(subscription.created_ms),
        "endTime": moment(subscription.ended_ms),
    }


def _waiting_event(waiting: "Timer | Subscription") -> Row:
    return {
        "elementId": waiting.element_id,
        "elementName": waiting.element_name or None,
        "elementInstanceKey": _key(waiting.element_instance_key),
        "processInstanceKey": _key(waiting.process_instance_key),
        "processDefinitionKey": str(waiting.process_definition_key),
        "processDefinitionId": waiting.bpmn_process_id,
        "processDefinitionVersion": waiting.process_definition_version,
    }


def message_row(message: "BufferedMessage") -> Row:
    """Return the row of a buffered message."""
    return {
        "messageKey": str(message.key),
        "name": message.name,
        "correlationKey": message.correlation_key or None,
        "messageId": message.message_id or None,
        "businessId": message.business_id or None,
        "variables": message.variables,
        "publicationTime": moment(message.published_ms),
        "expirationTime": moment(message.expires_ms),
        "processDefinitionIds": message.correlated_process_ids,
    }


def evaluation_row(one: "DecisionEvaluation") -> Row:
    """Return the row of an evaluated decision."""
    return {
        "decisionEvaluationInstanceKey": f"{one.key}-{one.place}",
        "decisionEvaluationKey": str(one.key),
        "state": one.state,
        "evaluationDate": moment(one.evaluated_ms),
        "evaluationFailure": one.failure or None,
        "decisionDefinitionId": one.decision_id,
        "decisionDefinitionKey": _key(one.decision_key),
        "decisionDefinitionName": one.decision_name,
        "decisionDefinitionVersion": one.decision_version,
        "decisionDefinitionType": one.decision_type,
        "rootDecisionDefinitionKey": _key(one.root_decision_key),
        "decisionRequirementsKey": _key(one.decision_requirements_key),
        "result": one.output,
        "evaluatedInputs": one.inputs,
        "matchedRules": rule_rows(one.rules),
        "elementId": one.element_id or None,
        "elementInstanceKey": _key(one.element_instance_key),
        "processInstanceKey": _key(one.process_instance_key),
        "processDefinitionKey": _key(one.process_definition_key),
    }


def rule_rows(rules: "list[MatchedRule]") -> list[Row]:
    """Return the rows of the rules that matched."""
    return [{"ruleId": rule.rule_id, "ruleIndex": rule.index, "evaluatedOutputs": rule.outputs} for rule in rules]


def _key(key: int) -> str | None:
    return str(key) if key else None


BATCH_COLUMNS = (
    Column("batchOperationKey", "KEY"),
    Column("batchOperationType", "TYPE", is_long=True),
    Column("state", "STATE"),
    Column("operationsTotalCount", "ITEMS"),
    Column("operationsCompletedCount", "DONE"),
    Column("operationsFailedCount", "FAILED"),
    Column("startDate", "STARTED", is_moment=True),
    Column("endDate", "ENDED", is_wide=True, is_moment=True),
    Column("actorId", "BY", is_wide=True, is_long=True),
)


BATCH_ITEM_COLUMNS = (
    Column("itemKey", "KEY"),
    Column("state", "STATE"),
    Column("processInstanceKey", "INSTANCE"),
    Column("errorMessage", "WHY", is_long=True),
    Column("processedDate", "AT", is_wide=True, is_moment=True),
    Column("batchOperationKey", "BATCH", is_wide=True),
)


def batch_row(batch: "BatchOperation") -> Row:
    """Return the row of a batch operation."""
    return {
        "batchOperationKey": str(batch.key),
        "batchOperationType": str(batch.type),
        "state": str(batch.state),
        "operationsTotalCount": batch.items,
        "operationsCompletedCount": batch.completed,
        "operationsFailedCount": batch.failed,
        "startDate": moment(batch.start_ms),
        "endDate": moment(batch.end_ms),
        "actorId": batch.user or None,
    }


def batch_item_row(item: "BatchItem") -> Row:
    """Return the row of an item of a batch operation."""
    return {
        "itemKey": str(item.item_key),
        "state": str(item.state),
        "processInstanceKey": str(item.process_instance_key) if item.process_instance_key else None,
        "errorMessage": item.error_message or None,
        "processedDate": moment(item.end_ms),
        "batchOperationKey": str(item.batch_operation_key),
    }
