"""User tasks: work for a person. A native task is on its own; any other also has a job, whose headers say who may do it and until when."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from osmia_broker import feel
from osmia_broker.engine.activiti.task_attributes import (
    category_of,
    priority_of,
    shown_documentation,
    shown_name,
)
from osmia_broker.engine.bindings import Binding, find_form
from osmia_broker.engine.elements.dates import due
from osmia_broker.engine.expressions import (
    QUOTED_CHARACTERS,
    evaluate,
    evaluate_text,
    evaluate_text_list,
    wrong_type,
)
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import Processor, processes
from osmia_broker.engine.new_jobs import create_job, json_object
from osmia_broker.engine.tasks.listeners import begin_canceling, create_native_task
from osmia_broker.engine.tasks.rows import excess, insert_task
from osmia_broker.engine.turn import Turn
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.model.expressions import Expression, Static
from osmia_broker.model.graph import Element, ElementType, UserTaskDefinition
from osmia_broker.state.rows import ElementInstance, ErrorType
from osmia_broker.state.rows.tasks import UserTaskState

_CREATED = UserTaskState.CREATED  # a name of its own: Python 3.11 finds a member in an enum slowly
USER_TASK_RETRIES = 1
NO_TURN = cast("Turn", None)  # for constants
NO_INSTANCE = cast("ElementInstance", SimpleNamespace(key=0))
PRIORITY_MAX = 100  # of a native task; a task of the Activiti dialect may have any number


@processes(ElementType.USER_TASK)
class UserTaskProcessor(Processor):
    """Waits for a person. If the assignment cannot be evaluated, it raises an incident and creates neither task nor job."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Evaluate the attributes, then create the task, and the job of a job-based one."""
        assert element.user_task is not None, f"'{element.id}' was deployed without a user task definition"
        if element.worked_out is None:
            element.worked_out = _constant_attributes(element) or COMPUTED
        attributes = element.worked_out
        if attributes is COMPUTED:
            attributes = _attributes(turn, instance, element)
        if element.user_task.is_native:
            create_native_task(turn, instance, {**attributes.columns})
            return
        job = create_job(
            turn,
            instance,
            type=USER_TASK_JOB_TYPE,
            retries=USER_TASK_RETRIES,
            headers=attributes.job_headers,
            priority=element.job.priority if element.job else None,
        )
        insert_task(turn, instance, job_key=job.key, state=_CREATED, **attributes.columns)

    def holds_end(self, turn: Turn, instance: ElementInstance) -> bool:
        """Whether task listeners for `canceling` have to work before the element ends; let them begin."""
        return begin_canceling(turn, instance)


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of a task in its model: columns of its row, and the headers of its job as a JSON object."""

    columns: Mapping[str, Any]
    job_headers: str


COMPUTED = Attributes({}, "")  # stands for those of a task that are different in each instance


def _constant_attributes(element: Element) -> Attributes | None:
    """Return the attributes of a task for which nothing has to be computed, as most are; None if it has, or if they are an incident."""
    task = element.user_task
    if task is None or any((task.due_date, task.follow_up_date, task.form_id)):
        return None
    texts = (task.name, task.documentation, task.category, task.priority, task.external_reference, task.form_key)
    people = (task.assignee, task.candidate_users, task.candidate_groups)
    if not all(expression is None or type(expression) is Static for expression in (*texts, *people)):
        return None
    try:
        return _attributes(NO_TURN, NO_INSTANCE, element)
    except IncidentRaised:
        return None


def _attributes(turn: Turn, instance: ElementInstance, element: Element) -> Attributes:
    """Evaluate the attributes of a task. Constants read neither *turn* nor *instance*."""
    definition = element.user_task
    assert definition is not None, "it is a user task"
    own_headers = element.job.headers if element.job else {}
    found, dates = _evaluated(turn, instance, definition)
    columns = {
        "name": shown_name(turn, instance, element),
        "documentation": shown_documentation(turn, instance, element),
        "category": category_of(turn, instance, definition),
        "priority": _priority(turn, instance, definition),
        "assignee": found.get("assignee", ""),
        "candidate_users": found.get("candidateUsers", "[]"),
        "candidate_groups": found.get("candidateGroups", "[]"),
        "headers": json_object(own_headers),
        **dates,
    }
    if definition.is_native:
        reference = _text(turn, instance, definition, definition.external_reference) or ""
        columns |= {"form_key": int(found.get("formKey", 0)), "external_form": reference}
    elif definition.form_id is not None:
        columns["form_key"] = int(found["formKey"])
    else:
        columns["external_form"] = found.get("formKey", "")
    if reason := excess(columns):
        raise IncidentRaised(ErrorType.EXTRACT_VALUE_ERROR, reason)
    shown = {RESERVED_HEADERS + name: value for name, value in found.items()}
    return Attributes(columns, json_object({**own_headers, **shown}))


def _evaluated(
    turn: Turn, instance: ElementInstance, task: UserTaskDefinition
) -> tuple[dict[str, str], dict[str, str | int]]:
    """Return the attributes that a job's headers carry, by their short names, and the columns of dates; an absent one has no entry."""
    values = {
        "assignee": _text(turn, instance, task, task.assignee),
        "candidateGroups": _list(turn, instance, task, task.candidate_groups),
        "candidateUsers": _list(turn, instance, task, task.candidate_users),
    }
    columns: dict[str, str | int] = {}
    for name, column, expression in (
        ("dueDate", "due", task.due_date),
        ("followUpDate", "follow_up", task.follow_up_date),
    ):
        found = None if expression is None else due(turn, instance, expression, lenient=task.lenient)
        if found is not None:
            values[name], columns[f"{column}_ms"] = found
            columns[f"{column}_date"] = found[0]
    values["formKey"] = _form_key(turn, instance, task)
    return {name: value for name, value in values.items() if value is not None}, columns


def _priority(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> int:
    if not task.is_native or task.priority is None:
        return priority_of(turn, instance, task)
    result = evaluate(turn, task.priority, instance.key)
    if feel.type_name(result.value) != "NUMBER":
        raise wrong_type(task.priority, result, "'NUMBER'")
    if result.value != int(result.value):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{task.priority.text}' to be an integer, but was a decimal.",
        )
    if not 0 <= result.value <= PRIORITY_MAX:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected priority to be in the range [0,{PRIORITY_MAX}] but was '{str(result.value)[:QUOTED_CHARACTERS]}'.",
        )
    return int(result.value)


def _is_nothing(turn: Turn, instance: ElementInstance, task: UserTaskDefinition, expression: Expression | None) -> bool:
    """Return whether the model names nobody: it has no expression, or its value is null and the dialect allows that."""
    return expression is None or (task.lenient and evaluate(turn, expression, instance.key).value is None)


def _text(turn: Turn, instance: ElementInstance, task: UserTaskDefinition, expression: Expression | None) -> str | None:
    if expression is None or _is_nothing(turn, instance, task, expression):
        return None
    return evaluate_text(turn, expression, instance.key) or None


def _list(turn: Turn, instance: ElementInstance, task: UserTaskDefinition, expression: Expression | None) -> str | None:
    if expression is None or _is_nothing(turn, instance, task, expression):
        return None
    return msgspec.json.encode(evaluate_text_list(turn, expression, instance.key)).decode()


def _form_key(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> str | None:
    if task.form_id is None:
        return _text(turn, instance, task, task.form_key)
    form_id = evaluate_text(turn, task.form_id, instance.key)
    return str(find_form(turn, instance, Binding(form_id, task.form_binding, task.form_version_tag)).key)
