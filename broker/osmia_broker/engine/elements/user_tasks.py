"""User tasks: work for a person, in the list of tasks and, unless they are native, as a job for workers (user-tasks.md, sections 1 to 3)."""

import msgspec

from osmia_broker import feel
from osmia_broker.engine.elements.activiti_tasks import category_of, priority_of, shown_documentation, shown_name
from osmia_broker.engine.elements.dates import due_text
from osmia_broker.engine.expressions import evaluate, evaluate_text, evaluate_text_list, wrong_type
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import Processor, deployment_of, processes
from osmia_broker.engine.new_jobs import create_job, json_object
from osmia_broker.engine.task_listeners import begin_creation
from osmia_broker.engine.task_records import insert_task
from osmia_broker.engine.turn import Turn
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element, ElementType, UserTaskDefinition
from osmia_broker.state.rows import ElementInstance, ErrorType
from osmia_broker.state.task_rows import UserTaskState

USER_TASK_RETRIES = 1
PRIORITIES = range(101)  # of a native task


@processes(ElementType.USER_TASK)
class UserTaskElement(Processor):
    """Waits for a person: with a job for workers, or without one (native). If an attribute cannot be evaluated, there is an incident and no task."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Evaluate the attributes, and create the task and its job."""
        task = element.user_task
        assert task is not None, f"'{element.id}' was deployed without a user task definition"
        own_headers = element.job.headers if element.job else {}
        priority = _priority(turn, instance, task)
        values = _assignment(turn, instance, task)
        job_key = 0
        if not task.is_native:
            headers = {
                **own_headers,
                **{RESERVED_HEADERS + name: value for name, value in values.items() if value is not None},
            }
            job = create_job(
                turn, instance, type=USER_TASK_JOB_TYPE, retries=USER_TASK_RETRIES, headers=json_object(headers)
            )
            job_key = job.key
        form_key, external_form = _form_of(turn, instance, task, values["formKey"])
        created = insert_task(
            turn,
            instance,
            job_key=job_key,
            name=shown_name(turn, instance, element),
            documentation=shown_documentation(turn, instance, element),
            category=category_of(turn, instance, task),
            state=UserTaskState.CREATING if task.is_native else UserTaskState.CREATED,
            assignee="" if task.is_native else values["assignee"] or "",
            candidate_users=values["candidateUsers"] or "[]",
            candidate_groups=values["candidateGroups"] or "[]",
            due_date=values["dueDate"] or "",
            follow_up_date=values["followUpDate"] or "",
            priority=priority,
            form_key=form_key,
            external_form=external_form,
            headers=json_object(own_headers),
        )
        if task.is_native:
            begin_creation(turn, created, assignee=values["assignee"] or "")


def _assignment(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> dict[str, str | None]:
    return {
        "assignee": _text(turn, instance, task, task.assignee),
        "candidateGroups": _list(turn, instance, task, task.candidate_groups),
        "candidateUsers": _list(turn, instance, task, task.candidate_users),
        "dueDate": _date(turn, instance, task, task.due_date),
        "followUpDate": _date(turn, instance, task, task.follow_up_date),
        "formKey": _form_key(turn, instance, task),
    }


def _priority(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> int:
    """Return the priority: from 0 to 100 of a native task, any number in the Activiti dialect, 50 if the model sets none."""
    if task.priority is None or not task.is_native:
        return priority_of(turn, instance, task)
    result = evaluate(turn, task.priority, instance.key)
    if feel.type_name(result.value) != "NUMBER":
        raise wrong_type(task.priority, result, "'NUMBER'")
    if result.value != int(result.value):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Expected result of the expression '{task.priority.text}' to be an integer, but was a decimal.",
        )
    priority = int(result.value)
    if priority not in PRIORITIES:
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR, f"Expected priority to be in the range [0,100] but was '{priority}'."
        )
    return priority


def _form_of(turn: Turn, instance: ElementInstance, task: UserTaskDefinition, form_key: str | None) -> tuple[int, str]:
    """Return the key of the deployed form, and the reference to a form that is kept elsewhere."""
    if task.form_id is not None and form_key is not None:
        return int(form_key), ""
    if task.external_reference is not None:
        return 0, evaluate_text(turn, task.external_reference, instance.key)
    return 0, form_key or ""


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


def _date(turn: Turn, instance: ElementInstance, task: UserTaskDefinition, expression: Expression | None) -> str | None:
    return due_text(turn, instance, expression, lenient=task.lenient) if expression is not None else None


def _form_key(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> str | None:
    if task.form_id is None:
        return _text(turn, instance, task, task.form_key)
    form_id = evaluate_text(turn, task.form_id, instance.key)
    forms = turn.definitions.forms
    bound = task.form_binding == "deployment"
    if task.form_binding == "versionTag":
        form = forms.tagged(form_id, task.form_version_tag)
    else:
        form = forms.as_of_deployment(form_id, deployment_of(turn, instance)) if bound else forms.latest(form_id)
    if form is None:
        raise IncidentRaised(
            ErrorType.FORM_NOT_FOUND,
            f"Expected to find a form with id '{form_id}', but no form with this id is found,"
            " at least a form with this id should be available. To resolve the Incident please deploy a form with the same id",
        )
    return str(form.key)
