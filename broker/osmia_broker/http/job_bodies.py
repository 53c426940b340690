"""Parts of requests about jobs: the result of a worker, and the changes of an operator."""

from typing import Annotated, Any

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.documents import parse_variables
from osmia_broker.calls.jobs.results import RESULT_TYPES, is_of_listener
from osmia_broker.calls.tasks.user_tasks import corrections_of
from osmia_broker.engine.commands import AdHocResult, ElementToActivate
from osmia_broker.engine.elements.user_tasks import PRIORITY_MAX
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.http.described import (
    MOMENT,
    TEXT,
    TEXTS,
    GivenVariables,
    Int32,
    Positive32,
    maybe,
    one_of,
    properties,
    schema,
)
from osmia_broker.http.types import Body, Long, Text, variables_text

CORRECTIONS = properties(
    assignee=maybe(TEXT),
    **dict.fromkeys(("dueDate", "followUpDate"), maybe(MOMENT)),
    **dict.fromkeys(("candidateUsers", "candidateGroups"), maybe(TEXTS)),
    priority=maybe({"type": "integer", "minimum": 0, "maximum": PRIORITY_MAX}),
)


class ActivateElement(Body):
    """An element of an ad-hoc subprocess to activate."""

    element_id: Text = Text("")
    variables: GivenVariables = field(default_factory=Raw)


class JobResult(Body):
    """The decision of a worker: for an ad-hoc subprocess, or as a task listener."""

    type: Annotated[Text, one_of(*RESULT_TYPES)] | None = None
    activate_elements: list[ActivateElement] | None = None
    is_completion_condition_fulfilled: bool | None = None
    is_cancel_remaining_instances: bool | None = None
    denied: bool | None = None
    denied_reason: Text | None = None
    corrections: Annotated[dict[str, Any], schema(**CORRECTIONS)] | None = None


class JobChanges(Body):
    """The values of jobs to change. *timeout* is in milliseconds from now."""

    retries: Positive32 | None = None
    timeout: Long | None = None
    priority: Int32 | None = None


def result_of(given: JobResult | None) -> AdHocResult | TaskListenerResult | None:
    """Translate a result; None if nothing is decided by it.

    Raises:
        InvalidArgument: the type or a correction is wrong.

    """
    if given is None:
        return None
    corrections = {name: value for name, value in (given.corrections or {}).items() if value is not None}
    if is_of_listener(given.type or "", has_its_members=bool(given.denied or corrections)):
        reason = checks.storable("deniedReason", given.denied_reason or "")
        return TaskListenerResult(bool(given.denied), reason, corrections_of(corrections))
    activate = tuple(
        ElementToActivate(one.element_id, parse_variables(variables_text(one.variables)))
        for one in given.activate_elements or ()
    )
    is_fulfilled = bool(given.is_completion_condition_fulfilled)
    cancels = bool(given.is_cancel_remaining_instances)
    return AdHocResult(activate, is_fulfilled, cancels) if activate or is_fulfilled or cancels else None
