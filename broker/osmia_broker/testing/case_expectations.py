"""The expectations of test cases in JSON."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from osmia_broker import feel
from osmia_broker.base.counted import counted
from osmia_broker.model import ElementType
from osmia_broker.state.rows import Decision, DecisionEvaluation, Subscription
from osmia_broker.state.rows.tasks import UserTask, UserTaskState
from osmia_broker.testing.case_selectors import elements_of, fitting_incidents, instance_of, task_of
from osmia_broker.testing.story import story
from osmia_broker.testing.view import value_of

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker
    from osmia_broker.testing.instance import Instance

Instruction = Mapping[str, Any]
_STATES = {"IS_ACTIVE": "active", "IS_COMPLETED": "COMPLETED", "IS_TERMINATED": "TERMINATED"}


async def _process_instance(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    match it.get("state"):
        case "IS_ACTIVE":
            instance.is_active()
        case "IS_COMPLETED":
            instance.is_completed()
        case "IS_TERMINATED":
            instance.is_canceled()
    if "hasActiveIncidents" in it:
        if it["hasActiveIncidents"]:
            instance.has_incident()
        else:
            instance.has_no_incident()


async def _element_instance(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    [element] = map(instance.id_of, elements_of([it["elementSelector"]]))
    amount, state = it.get("amount", 1), it["state"]
    found = _count(instance, element, state)
    if found != amount:
        expected = f"{counted(amount, 'visit')} of '{element}' that {state.lower().replace('_', ' ')}"
        _fail(broker, instance, expected, f"{found}")


async def _element_instances(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    elements = [instance.id_of(one) for one in elements_of(it["elementSelectors"])]
    match it["state"]:
        case "IS_COMPLETED_IN_ORDER":
            instance.passed(*elements)
        case "IS_NOT_ACTIVE":
            instance.does_not_wait_at(*elements)
        case "IS_NOT_ACTIVATED":
            visited = {row.element_id for row in broker.view.visits(instance.key)}
            if reached := [one for one in elements if one in visited]:
                _fail(broker, instance, f"'{reached[0]}' not to be activated", "it was")
        case "IS_ACTIVE_EXACTLY":
            active = {row.element_id for row in broker.view.visits(instance.key) if not row.ended_ms and _is_own(row)}
            if active != set(elements):
                _fail(broker, instance, f"exactly {sorted(elements)} to be active", str(sorted(active)))
        case state:
            if lacking := [one for one in elements if not _count(instance, one, state)]:
                _fail(broker, instance, f"'{lacking[0]}' that {state.lower().replace('_', ' ')}", "none")


def _is_own(row: Any) -> bool:
    return row.type not in (ElementType.MULTI_INSTANCE_BODY, ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE)


def _count(instance: "Instance", element: str, state: str) -> int:
    visits = [row for row in instance.visits if row.element_id == element and _is_own(row)]
    if state == "IS_ACTIVE":
        return len([row for row in visits if not row.ended_ms])
    return len([row for row in visits if row.state == _STATES[state]])


async def _variables(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    at = elements_of([it["elementSelector"]])[0] if "elementSelector" in it else ""
    instance.has_variables(it.get("variables", {}), at=at)
    instance.has_variable_names(*it.get("variableNames", ()), at=at)


async def _variable(broker: "Broker", it: Instruction) -> None:
    instance, name = instance_of(broker, it), it["variableName"]
    at = elements_of([it["elementSelector"]])[0] if "elementSelector" in it else ""
    instance.has_variable_names(name, at=at)
    if "satisfiesExpression" not in it:
        return
    text = it["satisfiesExpression"].strip()
    if not text or text.startswith("="):
        raise AssertionError(f"Expected a FEEL expression without '=', but found '{text}'")
    value = instance.variables_at(at)[name]
    result = feel.compile(text).evaluate({name: feel.from_json(json.dumps(value))})
    if result.value is not True:
        why = "".join(f"; {one.message}" for one in result.warnings)
        _fail(broker, instance, f"{text} to be true of {name}", f"{feel.to_json(result.value)}{why}")


async def _subscription(broker: "Broker", it: Instruction) -> None:
    instance = instance_of(broker, it)
    name = it["messageSelector"]["messageName"]
    found = _subscriptions(broker, instance.key, it["messageSelector"])
    waits = [row for row in found if not row.ended_ms]
    completed = {row.element_id for row in instance.visits if row.state == "COMPLETED"}
    holds = {
        "IS_WAITING": bool(waits),
        "IS_NOT_WAITING": not waits,
        "IS_CORRELATED": any(row.ended_ms and row.element_id in completed for row in found),
    }
    if not holds[it["state"]]:
        _fail(broker, instance, f"the message '{name}' {it['state']}", f"{len(waits)} that wait, {len(found)} in all")


def _subscriptions(broker: "Broker", instance_key: int, wanted: Instruction) -> list[Subscription]:
    name, key = wanted["messageName"], wanted.get("correlationKey")
    of_message = broker.view.rows(Subscription, process_instance_key=instance_key, kind="MESSAGE", name=name)
    return [row for row in of_message if key in (None, row.correlation_key)]


async def _decision(broker: "Broker", it: Instruction) -> None:
    wanted = it["decisionSelector"]
    found = _evaluations(broker, wanted)
    if not found:
        raise AssertionError(f"Expected an evaluation of the decision {dict(wanted)}, but found none")
    last = found[-1]
    if last.failure_message:
        raise AssertionError(
            f"Expected decision '{last.decision_id}' to be evaluated, but found: {last.failure_message}"
        )
    if "output" in it and json.loads(last.output) != it["output"]:
        raise AssertionError(f"Expected the output {it['output']!r} of '{last.decision_id}', but found {last.output}")
    _rules(it, last)


def _evaluations(broker: "Broker", wanted: Instruction) -> list[DecisionEvaluation]:
    ids = {wanted.get("decisionDefinitionId")} | {
        row.decision_id
        for row in broker.view.rows(Decision)
        if row.name == wanted.get("decisionDefinitionName", object())
    }
    return [row for row in broker.view.rows(DecisionEvaluation) if row.decision_id in ids]


def _rules(it: Instruction, evaluation: DecisionEvaluation) -> None:
    """Compare the matched rules, which are counted from 1."""
    evaluated = [one for one in json.loads(evaluation.evaluated) if one["decision_id"] == evaluation.decision_id]
    matched = {rule["rule_index"] for one in evaluated for rule in one.get("matched_rules", ())}
    expected, unexpected = set(it.get("matchedRules", ())), set(it.get("notMatchedRules", ()))
    if it.get("noMatchedRules") and matched:
        raise AssertionError(f"Expected no rule of '{evaluation.decision_id}' to match, but found {sorted(matched)}")
    if not expected <= matched or unexpected & matched:
        wanted = f"{sorted(expected)} and none of {sorted(unexpected)}"
        raise AssertionError(f"Expected the rules {wanted} of '{evaluation.decision_id}', but found {sorted(matched)}")


# --- user tasks and incidents

_ENDED = frozenset({UserTaskState.COMPLETED, UserTaskState.CANCELED})
_TASK_STATES = {
    "IS_CREATED": frozenset(UserTaskState) - _ENDED,
    "IS_COMPLETED": frozenset({UserTaskState.COMPLETED}),
    "IS_CANCELED": frozenset({UserTaskState.CANCELED}),
    "IS_FAILED": frozenset[UserTaskState](),  # a task whose job fails has an incident, and stays as it is
}
_TASK_FIELDS: dict[str, Callable[[UserTask], Any]] = {
    "assignee": lambda task: task.assignee,
    "candidateGroups": lambda task: sorted(value_of(task.candidate_groups)),
    "priority": lambda task: task.priority,
    "elementId": lambda task: task.element_id,
    "name": lambda task: task.name,
    "dueDate": lambda task: task.due_date,
    "followUpDate": lambda task: task.follow_up_date,
}


async def _task(broker: "Broker", it: Instruction) -> None:
    task = task_of(broker, it["userTaskSelector"])
    if "state" in it and task.state not in _TASK_STATES[it["state"]]:
        raise AssertionError(f"Expected user task '{task.element_id}' to be {it['state']}, but it is {task.state}")
    for name, read in _TASK_FIELDS.items():
        if name in it:
            expected = sorted(it[name]) if isinstance(it[name], list) else it[name]
            if not _is_same(name, expected, read(task)):
                raise AssertionError(
                    f"Expected {name} of user task '{task.element_id}' to be {expected!r}, but found {read(task)!r}"
                )


def _is_same(name: str, expected: Any, found: Any) -> bool:
    if name.endswith("Date") and expected and found:
        return datetime.fromisoformat(expected) == datetime.fromisoformat(found)
    return bool(expected == found)


async def _incident(broker: "Broker", it: Instruction) -> None:
    found = fitting_incidents(broker, it["incidentSelector"])
    if not found:
        raise AssertionError(f"Expected an incident of {dict(it['incidentSelector'])}, but found none")
    last = found[-1]
    state = "IS_RESOLVED" if last.ended_ms else "IS_ACTIVE"
    for name, expected, value in (
        ("state", it.get("state"), state),
        ("errorType", it.get("errorType"), last.error_type),
        ("errorMessage", it.get("errorMessage"), last.message),
        ("elementId", it.get("elementId"), last.element_id),
    ):
        if expected not in (None, value):
            raise AssertionError(
                f"Expected {name} of the incident at '{last.element_id}' to be '{expected}', but found '{value}'"
            )


# --- what an expectation is about


def subject(broker: "Broker", it: Instruction) -> object:
    """Return what an expectation that holds is about: the keys of the rows. Another visit of the same element has others."""
    if "userTaskSelector" in it:
        return task_of(broker, it["userTaskSelector"]).key
    if "incidentSelector" in it:
        return [row.key for row in fitting_incidents(broker, it["incidentSelector"])]
    if "decisionSelector" in it:
        return [row.key for row in _evaluations(broker, it["decisionSelector"])]
    instance = instance_of(broker, it)
    if "messageSelector" in it:
        return [row.key for row in _subscriptions(broker, instance.key, it["messageSelector"])]
    selectors = it.get("elementSelectors", [it["elementSelector"]] if "elementSelector" in it else [])
    elements = {instance.id_of(one) for one in elements_of(selectors)}
    return instance.key, [row.key for row in instance.visits if row.element_id in elements]


def _fail(broker: "Broker", instance: "Instance", expected: str, found: str) -> None:
    raise AssertionError(f"Expected {expected}, but found {found}\n{story(broker.view, instance.row)}")


EXPECTATIONS: dict[str, Callable[["Broker", Instruction], Awaitable[None]]] = {
    "ASSERT_DECISION": _decision,
    "ASSERT_ELEMENT_INSTANCE": _element_instance,
    "ASSERT_ELEMENT_INSTANCES": _element_instances,
    "ASSERT_INCIDENT": _incident,
    "ASSERT_PROCESS_INSTANCE": _process_instance,
    "ASSERT_PROCESS_INSTANCE_MESSAGE_SUBSCRIPTION": _subscription,
    "ASSERT_USER_TASK": _task,
    "ASSERT_VARIABLE": _variable,
    "ASSERT_VARIABLES": _variables,
}
