"""The events of a command, for those who follow them: what its changed rows mean, in the words of the domain.

Events are recorded only while somebody wants them; a command pays one look at a flag otherwise. They are read from the journal of a
command that stands, so a handler need not know of them, and a new kind of row needs one function here.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.changes import Change, changes_of
from osmia_broker.state.rows import (
    Decision,
    DecisionRequirements,
    ElementInstance,
    ElementState,
    Form,
    Incident,
    InstanceOrigin,
    Job,
    JobState,
    ProcessDefinition,
    Variable,
)
from osmia_broker.state.rows.event_log import EventKind, LoggedEvent
from osmia_broker.state.rows.tasks import UserTask, UserTaskState, rfc3339

# Of a value in an event. A longer text is cut, a longer JSON value is left out, and `isTruncated` says so.
TEXT_CHARACTERS_MAX = 32_768
# Of all values of an event. The candidates of a task count as one value each and may fill most of it.
DETAILS_BYTES_MAX = 1_200_000

#: Field names and values of the REST API. Keys are text, because many readers hold numbers as floats.
Details = dict[str, Any]


class Event(msgspec.Struct):
    """One thing that happened, before it has its place in the log."""

    kind: EventKind
    intent: str
    key: int
    process_instance_key: int = 0
    process_definition_key: int = 0
    bpmn_process_id: str = ""
    element_id: str = ""
    element_instance_key: int = 0
    name: str = ""
    details: Details = {}


Describe = Callable[[Turn, Change], list[Event]]
DESCRIBE: dict[type, Describe] = {}  #: by row class; a change of another class is no event


def describes(*row_types: type) -> Callable[[Describe], Describe]:
    """Register the decorated function: it returns the events that a change of such a row means."""

    def register(describe: Describe) -> Describe:
        DESCRIBE.update(dict.fromkeys(row_types, describe))
        return describe

    return register


def record(turn: Turn) -> None:
    """Log the events of the command that has just been carried out."""
    changes = [change for change in changes_of(turn.journal) if type(change.row) in DESCRIBE]
    definition_of = _definitions_of_instances(changes)
    turn.event_log.extend(
        [
            _logged(turn, event, definition_of)
            for change in changes
            for event in DESCRIBE[type(change.row)](turn, change)
        ]
    )


def _definitions_of_instances(changes: list[Change]) -> dict[int, int]:
    """Return the definition keys of the process instances that *changes* created or ended: an ended one is in no table."""
    return {
        change.row.key: change.row.process_definition_key
        for change in changes
        if type(change.row) is ElementInstance and not change.row.scope_key
    }


def _logged(turn: Turn, event: Event, definition_of: dict[int, int]) -> LoggedEvent:
    _complete(turn, event, definition_of)
    return LoggedEvent(
        key=turn.next_key(),
        kind=event.kind,
        intent=event.intent,
        at_ms=turn.now_ms,
        subject_key=event.key,
        process_instance_key=event.process_instance_key,
        process_definition_key=event.process_definition_key,
        bpmn_process_id=event.bpmn_process_id,
        element_id=event.element_id,
        element_instance_key=event.element_instance_key,
        name=event.name[:TEXT_CHARACTERS_MAX],
        details=_fitting(event.details),
    )


def _fitting(details: Details) -> str:
    """Return the details as JSON that fits a message: large values are cut or left out if all of them are too large together."""
    text = msgspec.json.encode(details)
    if len(text) > TEXT_CHARACTERS_MAX:
        details = {
            name: value[:TEXT_CHARACTERS_MAX] if type(value) is str else value for name, value in details.items()
        }
        shorter = msgspec.json.encode(details)
        if len(shorter) > DETAILS_BYTES_MAX:
            details = {name: value for name, value in details.items() if not _is_large(value)}
            shorter = msgspec.json.encode(details)
        text = msgspec.json.encode(details | {"isTruncated": True}) if len(shorter) < len(text) else text
    return text.decode()


def _is_large(value: Any) -> bool:
    return type(value) is msgspec.Raw and len(bytes(value)) > TEXT_CHARACTERS_MAX


def _complete(turn: Turn, event: Event, definition_of: dict[int, int]) -> None:
    """Add the process of an event, for those who follow the events of one process."""
    if not event.process_definition_key and event.process_instance_key:
        key = definition_of.get(event.process_instance_key, 0)
        process = turn.elements.get(event.process_instance_key)
        event.process_definition_key = process.process_definition_key if process is not None else key
    if not event.bpmn_process_id and event.process_definition_key:
        definition = turn.definitions.processes.get(event.process_definition_key)
        event.bpmn_process_id = definition.bpmn_process_id if definition is not None else ""


# --- element instances

_INSTANCE_INTENTS = {
    ElementState.ACTIVATING: "created",
    ElementState.COMPLETED: "completed",
    ElementState.TERMINATED: "canceled",
}


@describes(ElementInstance)
def _element(_turn: Turn, change: Change) -> list[Event]:
    row = change.row
    is_process = row.type == ElementType.PROCESS
    if change.is_set("state"):
        state = change.value("state")
        intent = _INSTANCE_INTENTS.get(state, "") if is_process else state.lower()
    elif is_process and change.is_set("process_definition_key"):
        intent = "migrated"
    else:
        return []
    if not intent:
        return []
    place: dict[str, Any] = {
        "key": row.key,
        "process_instance_key": row.process_instance_key,
        "process_definition_key": change.value("process_definition_key"),
    }
    if is_process:
        return [Event(EventKind.PROCESS_INSTANCE, intent, **place, name=change.value("element_id"))]
    place |= {"element_id": change.value("element_id"), "element_instance_key": row.key, "name": str(row.type)}
    details: Details = {"type": str(row.type), "scopeKey": str(row.scope_key)}
    if row.entered_by:
        details["enteredBy"] = row.entered_by
    if row.loop_counter:
        details["loopCounter"] = row.loop_counter
    return [Event(EventKind.ELEMENT_INSTANCE, intent, **place, details=details)]


@describes(InstanceOrigin)
def _origin(_turn: Turn, change: Change) -> list[Event]:
    row = change.row
    if change.is_insert or not change.is_set("suspended_ms"):
        return []
    intent = "suspended" if change.value("suspended_ms") else "resumed"
    key = row.process_instance_key
    return [Event(EventKind.PROCESS_INSTANCE, intent, key, key, name=row.bpmn_process_id)]


# --- jobs and user tasks

_JOB_INTENTS = {
    JobState.ACTIVATABLE: "created",
    JobState.ACTIVATED: "activated",
    JobState.FAILED: "failed",
    JobState.ERROR_THROWN: "error_thrown",
    JobState.COMPLETED: "completed",
    JobState.CANCELED: "canceled",
    JobState.SUSPENDED: "suspended",
}


@describes(Job)
def _job(turn: Turn, change: Change) -> list[Event]:
    intent = _job_intent(turn, change)
    if not intent:
        return []
    job = change.row
    place = _place(change)
    details: Details = {
        "type": job.type,
        "kind": str(job.kind),
        "retries": change.value("retries"),
        "worker": change.value("worker"),
        "deadline": max(change.value("deadline_ms"), 0),
        **_text("errorMessage", change.value("error_message")),
    }
    if job.listener_event:
        details["listenerEventType"] = job.listener_event
    if error_code := change.value("error_code"):
        details["errorCode"] = error_code
    return [Event(EventKind.JOB, intent, **place, name=job.type, details=details)]


@describes(UserTask)
def _user_task(_turn: Turn, change: Change) -> list[Event]:
    intent = _task_intent(change)
    if not intent:
        return []
    details: Details = {
        "state": str(change.value("state")),
        "name": change.row.name,
        "assignee": change.value("assignee") or None,
        "candidateUsers": msgspec.Raw(change.value("candidate_users").encode()),
        "candidateGroups": msgspec.Raw(change.value("candidate_groups").encode()),
        "dueDate": rfc3339(change.value("due_date")),
        "followUpDate": rfc3339(change.value("follow_up_date")),
        "priority": change.value("priority"),
    }
    return [Event(EventKind.USER_TASK, intent, **_place(change), name=change.value("element_id"), details=details)]


_ASKED_FOR = frozenset({UserTaskState.ASSIGNING, UserTaskState.UPDATING, UserTaskState.COMPLETING})


def _task_intent(change: Change) -> str:
    """Return the word for a change of a task; empty for one that is no news."""
    state = change.value("state")
    if state is UserTaskState.CREATED and change.was("state") in (None, UserTaskState.CREATING):
        return "created"
    if change.is_set("ended_ms") and not change.is_insert:
        return str(state).lower()
    if change.is_insert or (change.is_set("state") and state in _ASKED_FOR):
        return str(state).lower()
    if change.is_set("assignee"):
        return "assigned" if change.value("assignee") else "unassigned"
    if change.is_set("process_definition_key"):
        return "migrated"
    changed = ("candidate_users", "candidate_groups", "due_date", "follow_up_date", "priority")
    if any(change.is_set(name) for name in changed):
        return "updated"
    return "reopened" if change.is_set("state") and state is UserTaskState.CREATED else ""


def _job_intent(turn: Turn, change: Change) -> str:
    state = change.value("state")
    if change.is_insert:
        return "created"
    if change.is_set("state"):
        return _became_activatable(turn, change) if state is JobState.ACTIVATABLE else _JOB_INTENTS[state]
    if change.is_set("retries"):
        return "retries_updated"
    return "timeout_updated" if change.is_set("deadline_ms") and state is JobState.ACTIVATED else ""


def _became_activatable(turn: Turn, change: Change) -> str:
    before, deadline_ms = change.was("state"), change.was("deadline_ms")
    if before is JobState.ACTIVATED:
        return "timed_out" if 0 < deadline_ms <= turn.now_ms else "given_back"
    return "resumed" if before is JobState.SUSPENDED else "retried"


# --- incidents and variables


@describes(Incident)
def _incident(_turn: Turn, change: Change) -> list[Event]:
    if not change.is_insert and not change.is_set("ended_ms"):
        return []
    row = change.row
    details: Details = {"errorType": str(row.error_type), **_text("errorMessage", row.message)}
    if row.job_key:
        details["jobKey"] = str(row.job_key)
    intent = "raised" if change.is_insert else "resolved"
    return [Event(EventKind.INCIDENT, intent, **_place(change), name=str(row.error_type), details=details)]


@describes(Variable)
def _variable(_turn: Turn, change: Change) -> list[Event]:
    row = change.row
    value: str = change.value("value")
    details: Details = {"scopeKey": str(row.scope_key)}
    details |= {"isTruncated": True} if len(value) > TEXT_CHARACTERS_MAX else {"value": msgspec.Raw(value.encode())}
    intent = "created" if change.is_insert else "updated"
    return [Event(EventKind.VARIABLE, intent, row.scope_key, row.process_instance_key, name=row.name, details=details)]


def _place(change: Change) -> dict[str, Any]:
    """Return the fields of an event that say where a row of an element stands."""
    row = change.row
    return {
        "key": row.key,
        "process_instance_key": row.process_instance_key,
        "process_definition_key": change.value("process_definition_key"),
        "element_id": change.value("element_id"),
        "element_instance_key": row.element_instance_key,
    }


def _text(name: str, text: str) -> Details:
    if not text:
        return {}
    return {name: text[:TEXT_CHARACTERS_MAX]} | ({"isTruncated": True} if len(text) > TEXT_CHARACTERS_MAX else {})


# --- definitions

_IDS: dict[type, tuple[str, str]] = {
    ProcessDefinition: ("PROCESS", "bpmn_process_id"),
    Decision: ("DECISION", "decision_id"),
    DecisionRequirements: ("DECISION_REQUIREMENTS", "decision_requirements_id"),
    Form: ("FORM", "form_id"),
}


@describes(*_IDS)
def _definition(_turn: Turn, change: Change) -> list[Event]:
    row = change.row
    kind, id_field = _IDS[type(row)]
    id = getattr(row, id_field)
    details: Details = {"type": kind, "version": row.version, "deploymentKey": str(row.deployment_key)}
    if resource_name := getattr(row, "resource_name", ""):
        details["resourceName"] = resource_name
    is_process = kind == "PROCESS"
    return [
        Event(
            EventKind.DEPLOYMENT,
            "created" if change.is_insert else "deleted",
            row.key,
            process_definition_key=row.key if is_process else 0,
            bpmn_process_id=id if is_process else "",
            name=id,
            details=details,
        )
    ]
