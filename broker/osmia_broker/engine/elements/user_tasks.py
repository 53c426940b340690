"""User tasks: work for a person, as a job whose headers say who may do it and until when (user-tasks.md, section 2)."""

import msgspec

from osmia_broker import feel
from osmia_broker.engine.elements.dates import due_text
from osmia_broker.engine.expressions import evaluate, evaluate_text, evaluate_text_list, wrong_type
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import Processor, deployment_of, processes
from osmia_broker.engine.new_jobs import create_job, json_object
from osmia_broker.engine.turn import Turn
from osmia_broker.model import RESERVED_HEADERS, USER_TASK_JOB_TYPE
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element, ElementType, UserTaskDefinition
from osmia_broker.state.rows import ElementInstance, ErrorType

USER_TASK_RETRIES = 1


@processes(ElementType.USER_TASK)
class UserTask(Processor):
    """Waits for a person. If the assignment cannot be evaluated, it raises an incident and creates no job."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Evaluate the assignment and create the job."""
        assert element.user_task is not None, f"'{element.id}' was deployed without a user task definition"
        headers = dict(element.job.headers) if element.job else {}
        headers |= _assignment(turn, instance, element.user_task)
        if element.user_task.is_native:
            return  # no worker gets it; it waits for a person, an event or a modification
        create_job(
            turn,
            instance,
            type=USER_TASK_JOB_TYPE,
            retries=USER_TASK_RETRIES,
            headers=json_object(headers),
            priority=element.job.priority if element.job else None,
        )


def _assignment(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> dict[str, str]:
    if task.priority is not None:  # no header carries it, but a value that is no priority is an incident
        priority = evaluate(turn, task.priority, instance.key)
        if task.is_native and not _is_priority(priority.value):
            raise wrong_type(task.priority, priority, "a number between 0 and 100")
    values = {
        "assignee": _text(turn, instance, task, task.assignee),
        "candidateGroups": _list(turn, instance, task, task.candidate_groups),
        "candidateUsers": _list(turn, instance, task, task.candidate_users),
        "dueDate": _date(turn, instance, task, task.due_date),
        "followUpDate": _date(turn, instance, task, task.follow_up_date),
        "formKey": _form_key(turn, instance, task),
    }
    return {RESERVED_HEADERS + name: value for name, value in values.items() if value is not None}


def _is_priority(value: object) -> bool:
    return feel.type_name(value) == "NUMBER" and 0 <= value <= 100  # type: ignore[operator]  # a number of FEEL


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
