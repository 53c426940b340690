"""The items of the read side's lists as messages of the wire.

A row that somebody changed by hand may hold text that is no JSON, or a number that the wire cannot carry. It never breaks a list: such a
value is shown as near to itself as the wire allows, and a warning in the log names the row.
"""

import logging
from typing import Any

import msgspec

from osmia_broker.calls.checks import INT32
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.state.rows import Message, ProcessDefinition, Variable
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, ClusterVariable
from osmia_broker.store.read import SeenElement, SeenIncident, SeenInstance, SeenJob, SeenSubscription, SeenTimer
from osmia_broker.store.read.deployed.element_names import Drawn
from osmia_broker.store.read.search.entity import Item
from osmia_proto import queries

INSTANCE, ELEMENT, JOB, INCIDENT = "PROCESS_INSTANCE_STATE_", "ELEMENT_INSTANCE_STATE_", "JOB_STATE_", "INCIDENT_STATE_"
TIMER, KIND, SUBSCRIPTION = "TIMER_STATE_", "SUBSCRIPTION_KIND_", "SUBSCRIPTION_STATE_"
EVALUATION = "DECISION_EVALUATION_STATE_"
BATCH_TYPE, BATCH, ITEM = "BATCH_OPERATION_TYPE_", "BATCH_OPERATION_STATE_", "BATCH_OPERATION_ITEM_STATE_"

log = logging.getLogger(__name__)


def instance(seen: SeenInstance) -> queries.ProcessInstance:
    """Translate a process instance."""
    message = queries.ProcessInstance(
        key=seen.row.key,
        process_definition_key=seen.definition.key,
        bpmn_process_id=seen.definition.bpmn_process_id,
        version=_int32(seen.definition.version),
        state=queries.ProcessInstanceState.Value(INSTANCE + seen.state),
        has_incident=seen.has_incident,
        start_ms=seen.row.started_ms,
        end_ms=seen.row.ended_ms,
        elements=map(_element, seen.elements),
        business_id=seen.business_id,
    )
    if (origin := seen.origin) is not None:
        message.parent_process_instance_key = origin.parent_process_instance_key
        message.parent_element_instance_key = origin.parent_element_instance_key
        message.root_process_instance_key = origin.root_process_instance_key
        message.suspended_ms = origin.suspended_ms
        message.tags.extend(_texts(origin.tags, "instance_origins", origin.key))
    return message


def _element(seen: SeenElement) -> queries.ElementInstance:
    return queries.ElementInstance(
        key=seen.row.key,
        element_id=seen.row.element_id,
        element_name=seen.name,
        type=seen.row.type,
        state=queries.ElementInstanceState.Value(ELEMENT + seen.row.state),
        start_ms=seen.row.started_ms,
        incident_key=seen.incident_key,
        called_process_instance_key=seen.called_process_instance_key,
    )


def job(seen: SeenJob) -> queries.Job:
    """Translate a job. A user task has its assignment too."""
    row = seen.row
    headers = _headers(row.headers, row.key)
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
        process_definition_version=_int32(seen.definition.version),
        worker=row.worker,
        retries=_int32(row.retries),
        deadline_ms=row.deadline_ms if row.state == "ACTIVATED" else 0,
        custom_headers="{}" if headers is None else row.headers,
        error_message=row.error_message,
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
        job_priority=_int32(row.priority),
    )
    if row.type == USER_TASK_JOB_TYPE and headers:
        _assign(message, headers, row.key)
    return message


def _assign(message: queries.Job, headers: dict[str, str], key: int) -> None:
    """Fill in the assignment of a user task from its headers."""
    own = {
        name.removeprefix(RESERVED_HEADERS): value
        for name, value in headers.items()
        if name.startswith(RESERVED_HEADERS)
    }
    message.assignee = own.get("assignee", "")
    message.candidate_groups.extend(_texts(own.get("candidateGroups", ""), "jobs", key))
    message.candidate_users.extend(_texts(own.get("candidateUsers", ""), "jobs", key))
    message.due_date = own.get("dueDate", "")
    message.follow_up_date = own.get("followUpDate", "")
    message.form_key = own.get("formKey", "")


def incident(seen: SeenIncident) -> queries.Incident:
    """Translate an incident."""
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


def definition(row: ProcessDefinition) -> queries.ProcessDefinition:
    """Translate a version of a process."""
    return queries.ProcessDefinition(
        key=row.key,
        bpmn_process_id=row.bpmn_process_id,
        name=row.name,
        version=_int32(row.version),
        resource_name=row.resource_name,
        deployed_ms=row.deployed_ms,
        deleted_ms=row.deleted_ms,
    )


def variable(row: Variable) -> queries.Variable:
    """Translate a variable. A value that is no JSON is shown as a text."""
    value = row.value
    if not _is_json(value):
        log.warning("a corrupt value is shown as a text: scope %s, variable %r", row.scope_key, row.name)
        value = msgspec.json.encode(value).decode()
    return queries.Variable(
        name=row.name, value=value, scope_key=row.scope_key, process_instance_key=row.process_instance_key
    )


def timer(seen: SeenTimer) -> queries.Timer:
    """Translate a timer. That of a start event belongs to no instance; its row names its own key instead."""
    row = seen.row
    return queries.Timer(
        key=row.key,
        state=queries.TimerState.Value(TIMER + seen.state),
        element_id=row.element_id,
        element_name=seen.element_name,
        element_instance_key=row.element_instance_key,
        process_instance_key=row.process_instance_key if row.element_instance_key else 0,
        process_definition_key=row.process_definition_key,
        bpmn_process_id=seen.definition.bpmn_process_id,
        process_definition_version=_int32(seen.definition.version),
        due_ms=abs(row.due_ms),  # below 0 while it is suspended
        repetitions=row.repetitions,
        cycle=row.cycle,
        created_ms=row.created_ms,
        ended_ms=row.ended_ms,
    )


def subscription(seen: SeenSubscription) -> queries.Subscription:
    """Translate a subscription. That of a start event was opened when its process was deployed."""
    row = seen.row
    return queries.Subscription(
        key=row.key,
        kind=queries.SubscriptionKind.Value(KIND + row.kind),
        state=queries.SubscriptionState.Value(SUBSCRIPTION + ("ENDED" if row.ended_ms else "OPEN")),
        name=row.name,
        correlation_key=row.correlation_key,
        element_id=row.element_id,
        element_name=seen.element_name,
        element_instance_key=row.element_instance_key,
        process_instance_key=row.process_instance_key,
        process_definition_key=row.process_definition_key,
        bpmn_process_id=row.bpmn_process_id,
        process_definition_version=_int32(seen.definition.version),
        created_ms=row.created_ms if row.element_instance_key else seen.definition.deployed_ms,
        ended_ms=row.ended_ms,
    )


def message(row: Message) -> queries.BufferedMessage:
    """Translate a buffered message."""
    variables = row.variables
    if not _is_json(variables):
        log.warning("a corrupt value is left out: in table messages, key %s, column variables", row.key)
        variables = "{}"
    return queries.BufferedMessage(
        key=row.key,
        name=row.name,
        correlation_key=row.correlation_key,
        message_id=row.message_id,
        variables=variables,
        business_id=row.business_id,
        published_ms=row.published_ms,
        expires_ms=row.expires_ms,
        correlated_process_ids=row.correlated.split("\n") if row.correlated else [],
    )


def decision_evaluation(item: Item) -> queries.DecisionEvaluation:
    """Translate a decision that was evaluated."""
    return queries.DecisionEvaluation(
        key=int(item["decisionEvaluationKey"]),
        place=int(item["decisionEvaluationInstanceKey"].partition("-")[2]),
        state=queries.DecisionEvaluationState.Value(EVALUATION + item["state"]),
        decision_id=item["decisionDefinitionId"],
        decision_name=item["decisionDefinitionName"],
        decision_key=int(item["decisionDefinitionKey"] or 0),
        decision_version=_int32(item["decisionDefinitionVersion"] or 0),
        decision_type=item["decisionDefinitionType"],
        root_decision_key=int(item["rootDecisionDefinitionKey"] or 0),
        decision_requirements_key=int(item["decisionRequirementsKey"] or 0),
        output=item["result"],
        failure=item["evaluationFailure"] or "",
        inputs=[_input(one) for one in item["evaluatedInputs"]],
        rules=[_rule(one) for one in item["matchedRules"]],
        process_instance_key=int(item["processInstanceKey"] or 0),
        process_definition_key=int(item["processDefinitionKey"] or 0),
        element_instance_key=int(item["elementInstanceKey"] or 0),
        element_id=item["elementId"] or "",
        evaluated_ms=item["evaluationMs"],
    )


def _input(one: Item) -> queries.EvaluatedInput:
    return queries.EvaluatedInput(id=one["inputId"], name=one["inputName"], value=one["inputValue"])


def _rule(rule: Item) -> queries.MatchedRule:
    outputs = [
        queries.EvaluatedOutput(id=one["outputId"], name=one["outputName"], value=one["outputValue"])
        for one in rule["evaluatedOutputs"]
    ]
    return queries.MatchedRule(id=rule["ruleId"], index=rule["ruleIndex"], outputs=outputs)


def batch_operation(row: BatchOperation) -> queries.BatchOperation:
    """Translate a batch operation."""
    return queries.BatchOperation(
        key=row.key,
        type=queries.BatchOperationType.Value(BATCH_TYPE + row.type),
        state=queries.BatchOperationState.Value(BATCH + row.state),
        user=row.user,
        start_ms=row.started_ms,
        end_ms=row.ended_ms,
        items=row.items,
        completed=row.completed,
        failed=row.failed,
    )


def batch_item(row: BatchItem) -> queries.BatchOperationItem:
    """Translate an item of a batch operation."""
    return queries.BatchOperationItem(
        batch_operation_key=row.batch_key,
        item_key=row.item_key,
        process_instance_key=row.target_instance_key,
        state=queries.BatchOperationItemState.Value(ITEM + row.state),
        error_message=row.error_message,
        end_ms=row.ended_ms,
    )


def cluster_variable(row: ClusterVariable) -> queries.ClusterVariable:
    """Translate a cluster variable."""
    return queries.ClusterVariable(name=row.name, value=row.value, metadata=row.metadata)


def taken_flow(id: str, drawn: Drawn) -> queries.TakenSequenceFlow:
    """Translate a sequence flow; *drawn* is the model of its instance, which may not have it."""
    source, target = drawn.ends.get(id, ("", ""))
    return queries.TakenSequenceFlow(
        id=id,
        source_element_id=source,
        target_element_id=target,
        source_element_name=drawn.names.get(source, ""),
        target_element_name=drawn.names.get(target, ""),
    )


def form(item: Item | None) -> queries.Form:
    """Translate a form; None is an empty message."""
    if item is None:
        return queries.Form()
    return queries.Form(
        key=int(item["formKey"]), form_id=item["formId"], version=_int32(item["version"]), schema=item["schema"]
    )


def _int32(number: int) -> int:
    """Return *number*, or the nearest that the wire can carry."""
    return min(max(number, INT32.start), INT32.stop - 1)


def _headers(text: str, key: int) -> dict[str, str] | None:
    """Return the headers of a job; None if they are no JSON object of texts."""
    try:
        return _read_headers(text)
    except msgspec.DecodeError:
        log.warning("a corrupt value is left out: in table jobs, key %s, column headers", key)
        return None


def _texts(text: str, table: str, key: int) -> list[str]:
    """Return the texts of a JSON array; none if *text* is empty or no such array."""
    try:
        return _read_texts(text) if text else []
    except msgspec.DecodeError:
        log.warning("a corrupt value is left out: in table %s, key %s: %.60r", table, key, text)
        return []


def _is_json(text: str) -> bool:
    try:
        _read_any(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


_read_headers = msgspec.json.Decoder(dict[str, str]).decode
_read_texts = msgspec.json.Decoder(list[str]).decode
_read_any: Any = msgspec.json.Decoder(msgspec.Raw).decode
