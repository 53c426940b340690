"""The format of test cases in JSON: which fields an instruction has. It refuses the others before anything is played.

The format is public: https://camunda.com/json-schema/cpt-test-cases/8.10/schema.json. What Osmia does not play is in `BEYOND`.
"""

from dataclasses import dataclass
from typing import Any

_ALPHA = "of jobs that are reserved and called processes that are stubbed (an alpha after 8.10)"

#: Instructions and fields that are known and not played, and why.
BEYOND = {
    "RELEASE_JOB": _ALPHA,
    "RUN_CALLED_PROCESS": _ALPHA,
    "STUB_CALL_ACTIVITY_COMPLETE": _ALPHA,
    "STUB_CALL_ACTIVITY_THROW_ERROR": _ALPHA,
    "TRIGGER_TIMER": "of timers that are held (an alpha after 8.10)",
    "reserveJobs": _ALPHA,
    "stubCallActivities": _ALPHA,
    "satisfiesJudge": "that asks a language model",
    "similarTo": "that asks a language model for the likeness of two texts",
}


@dataclass(frozen=True)
class Shape:
    """The fields of an object: those that it must have, those that it may have; with *is_any* it must have one of the latter."""

    required: frozenset[str]
    optional: frozenset[str]
    is_any: bool = False


def _fields(required: str = "", optional: str = "") -> Shape:
    return Shape(frozenset(required.split()), frozenset(optional.split()))


def _any_of(names: str) -> Shape:
    return Shape(frozenset(), frozenset(names.split()), is_any=True)


#: The fields of each type of instruction.
INSTRUCTIONS: dict[str, Shape] = {
    "ASSERT_DECISION": _fields("decisionSelector", "output matchedRules notMatchedRules noMatchedRules"),
    "ASSERT_ELEMENT_INSTANCE": _fields("processInstanceSelector elementSelector state", "amount"),
    "ASSERT_ELEMENT_INSTANCES": _fields("processInstanceSelector elementSelectors state"),
    "ASSERT_INCIDENT": _fields("incidentSelector", "state errorType errorMessage elementId"),
    "ASSERT_PROCESS_INSTANCE": _fields("processInstanceSelector", "state hasActiveIncidents"),
    "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION": _fields("processInstanceSelector messageSelector state"),
    "ASSERT_USER_TASK": _fields(
        "userTaskSelector", "state assignee candidateGroups priority elementId name dueDate followUpDate"
    ),
    "ASSERT_VARIABLE": _fields(
        "processInstanceSelector variableName", "elementSelector satisfiesExpression satisfiesJudge similarTo"
    ),
    "ASSERT_VARIABLES": _fields("processInstanceSelector", "elementSelector variableNames variables"),
    "BROADCAST_SIGNAL": _fields("signalName", "variables"),
    "COMPLETE_JOB": _fields("jobSelector", "variables useExampleData"),
    "COMPLETE_JOB_AD_HOC_SUB_PROCESS": _fields(
        "jobSelector", "variables activateElements cancelRemainingInstances completionConditionFulfilled"
    ),
    "COMPLETE_JOB_USER_TASK_LISTENER": _fields("jobSelector", "denied deniedReason corrections"),
    "COMPLETE_USER_TASK": _fields("userTaskSelector", "variables useExampleData"),
    "CONDITIONAL_BEHAVIOR": _fields("conditions actions", "name"),
    "CORRELATE_MESSAGE": _fields("name", "correlationKey variables"),
    "CREATE_PROCESS_INSTANCE": _fields(
        "processDefinitionSelector", "variables startInstructions runtimeInstructions reserveJobs stubCallActivities"
    ),
    "EVALUATE_CONDITIONAL_START_EVENT": _fields("variables"),
    "EVALUATE_DECISION": _fields("decisionDefinitionSelector", "variables"),
    "INCREASE_TIME": _fields("duration"),
    "MOCK_CHILD_PROCESS": _fields("processDefinitionId", "variables"),
    "MOCK_DMN_DECISION": _fields("decisionDefinitionId", "variables"),
    "MOCK_JOB_WORKER_COMPLETE_JOB": _fields("jobType", "variables useExampleData"),
    "MOCK_JOB_WORKER_THROW_BPMN_ERROR": _fields("jobType errorCode", "errorMessage variables"),
    "PUBLISH_MESSAGE": _fields("name", "correlationKey variables timeToLive messageId"),
    "RESOLVE_INCIDENT": _fields("incidentSelector"),
    "SET_TIME": _fields("time"),
    "THROW_BPMN_ERROR_FROM_JOB": _fields("jobSelector errorCode", "errorMessage variables"),
    "UPDATE_VARIABLES": _fields("processInstanceSelector variables", "elementSelector createLocalVariables"),
}

#: The fields of the objects within an instruction, by the name of the field that holds them; or of each object in the list that it holds.
OBJECTS: dict[str, Shape] = {
    "activateElements": _fields("elementId", "variables"),
    "corrections": _fields("", "assignee dueDate followUpDate candidateUsers candidateGroups priority"),
    "decisionDefinitionSelector": _fields("decisionDefinitionId"),
    "decisionSelector": _any_of("decisionDefinitionId decisionDefinitionName"),
    "elementSelector": _any_of("elementId elementName"),
    "elementSelectors": _any_of("elementId elementName"),
    "incidentSelector": _any_of("elementId processDefinitionId"),
    "jobSelector": _any_of("jobType elementId processDefinitionId"),
    "messageSelector": _fields("messageName", "correlationKey"),
    "processDefinitionSelector": _fields("processDefinitionId"),
    "processInstanceSelector": _fields("processDefinitionId"),
    "runtimeInstructions": _fields("type afterElementId"),
    "startInstructions": _fields("elementId"),
    "userTaskSelector": _any_of("elementId taskName processDefinitionId"),
}

#: The states that an expectation may have.
STATES = {
    "ASSERT_ELEMENT_INSTANCE": "IS_ACTIVE IS_COMPLETED IS_TERMINATED",
    "ASSERT_ELEMENT_INSTANCES": "IS_ACTIVE IS_COMPLETED IS_TERMINATED IS_NOT_ACTIVE IS_NOT_ACTIVATED IS_ACTIVE_EXACTLY IS_COMPLETED_IN_ORDER",
    "ASSERT_INCIDENT": "IS_ACTIVE IS_RESOLVED",
    "ASSERT_PROCESS_INSTANCE": "IS_ACTIVE IS_COMPLETED IS_CREATED IS_TERMINATED",
    "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION": "IS_WAITING IS_NOT_WAITING IS_CORRELATED",
    "ASSERT_USER_TASK": "IS_CREATED IS_COMPLETED IS_CANCELED IS_FAILED",
}

_LISTS = frozenset(
    [
        "activateElements",
        "actions",
        "candidateGroups",
        "candidateUsers",
        "conditions",
        "elementSelectors",
        "matchedRules",
        "notMatchedRules",
        "runtimeInstructions",
        "startInstructions",
        "variableNames",
    ]
)
_KINDS: dict[str, type] = {
    **dict.fromkeys(_LISTS, list),
    **dict.fromkeys(OBJECTS.keys() - _LISTS, dict),
    "variables": dict,
    **dict.fromkeys(("amount", "priority", "timeToLive"), int),
    **dict.fromkeys(
        (
            "cancelRemainingInstances",
            "completionConditionFulfilled",
            "createLocalVariables",
            "denied",
            "hasActiveIncidents",
            "noMatchedRules",
            "useExampleData",
        ),
        bool,
    ),
}
_ANY_KIND = frozenset({"output", "metadata", *BEYOND})
_WORDS = {list: "a list", dict: "an object", int: "a whole number", bool: "true or false", str: "a text"}

_CONDITIONS = frozenset(type for type in INSTRUCTIONS if type.startswith("ASSERT_") and type != "ASSERT_VARIABLE")
_ACTIONS = frozenset(
    [
        "BROADCAST_SIGNAL",
        "COMPLETE_JOB",
        "COMPLETE_JOB_AD_HOC_SUB_PROCESS",
        "COMPLETE_JOB_USER_TASK_LISTENER",
        "COMPLETE_USER_TASK",
        "CORRELATE_MESSAGE",
        "PUBLISH_MESSAGE",
        "RESOLVE_INCIDENT",
        "THROW_BPMN_ERROR_FROM_JOB",
        "UPDATE_VARIABLES",
    ]
)


def check(instruction: Any, place: str) -> None:
    """Refuse an instruction that is not of the format, or one that is not played here.

    Raises:
        ValueError: it has no known type, or a field that its type does not have, or lacks one, or one of the wrong kind.

    """
    type = instruction.get("type") if isinstance(instruction, dict) else None
    if type in BEYOND:
        raise ValueError(f"Expected {place} to be one that can be played here, but found {type}, {BEYOND[type]}")
    if type not in INSTRUCTIONS:
        raise ValueError(f"Expected {place} to have a type of Camunda Process Test, but found {type!r}")
    place = f"{place} ({type})"
    fields = {name: value for name, value in instruction.items() if name != "type"}
    _check_object(fields, INSTRUCTIONS[type], place)
    state = fields.get("state")
    if state is not None and state not in STATES[type].split():
        raise ValueError(f"Expected {place} to have a state of {STATES[type].replace(' ', ', ')}, but found '{state}'")
    if type == "CONDITIONAL_BEHAVIOR":
        _check_behavior(fields, place)


def _check_object(fields: dict[str, Any], shape: Shape, place: str) -> None:
    if unknown := sorted(fields.keys() - shape.required - shape.optional):
        raise ValueError(f"Expected {place} to have known fields, but found '{unknown[0]}'")
    if lacking := sorted(shape.required - fields.keys()):
        raise ValueError(f"Expected {place} to have '{lacking[0]}', but found none")
    if shape.is_any and not fields:
        raise ValueError(f"Expected {place} to have one of {', '.join(sorted(shape.optional))}, but found none")
    for name, value in fields.items():
        _check_field(name, value, place)


def _check_field(name: str, value: Any, place: str) -> None:
    if name in BEYOND and value is not False:
        raise ValueError(f"Expected {place} to be one that can be played here, but found '{name}', {BEYOND[name]}")
    if name in _ANY_KIND:
        return
    kind = _KINDS.get(name, str)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"Expected '{name}' of {place} to be {_WORDS[kind]}, but found {value!r}")
    if name in OBJECTS:
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                raise ValueError(f"Expected '{name}' of {place} to hold objects, but found {one!r}")  # noqa: TRY004 - of the file
            _check_object(one, OBJECTS[name], f"'{name}' of {place}")


def _check_behavior(fields: dict[str, Any], place: str) -> None:
    for name, allowed in (("conditions", _CONDITIONS), ("actions", _ACTIONS)):
        if not fields[name]:
            raise ValueError(f"Expected '{name}' of {place} to hold at least one instruction, but found none")
        for number, one in enumerate(fields[name], 1):
            check(one, f"number {number} of '{name}' of {place}")
            if one["type"] not in allowed:
                raise ValueError(
                    f"Expected '{name}' of {place} to be of {', '.join(sorted(allowed))}, but found {one['type']}"
                )
