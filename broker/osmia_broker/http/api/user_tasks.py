"""Commands for user tasks."""

from typing import Annotated, Any

from msgspec import Raw, field

from osmia_broker.calls.tasks.user_tasks import NAME_CHARACTERS
from osmia_broker.engine.elements.user_tasks import PRIORITY_MAX
from osmia_broker.http.described import GivenVariables, Moment, Name, schema
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Key, Text, variables_text

TAG = "User task"
TASK = "/user-tasks/{userTaskKey}"


class Assignment(Body):
    """The person to assign a task to. Without *allow_override*, a task of another person is refused."""

    assignee: Annotated[Text, schema(minLength=1, maxLength=NAME_CHARACTERS)] | None = None
    allow_override: bool | None = None
    action: Annotated[Text, schema(maxLength=NAME_CHARACTERS)] | None = None


class Changeset(Body):
    """New values of a task. A missing or null one keeps the value, an empty one resets it."""

    candidate_users: list[Name] | None = None
    candidate_groups: list[Name] | None = None
    due_date: Moment | None = None
    follow_up_date: Moment | None = None
    priority: Annotated[int, schema(minimum=0, maximum=PRIORITY_MAX)] | None = None


class Update(Body):
    """A change of a task."""

    changeset: Changeset | None = None
    action: Annotated[Text, schema(maxLength=NAME_CHARACTERS)] | None = None


class Completion(Body):
    """The variables with which a task is completed."""

    variables: GivenVariables = field(default_factory=Raw)
    action: Annotated[Text, schema(maxLength=NAME_CHARACTERS)] | None = None


@operation("POST", TASK + "/assignment", tag=TAG, status=204, waits=True)
async def assign_user_task(call: Call, user_task_key: Key, body: Assignment) -> None:
    """Assign a user task to a person; with `allowOverride: false`, only if nobody else has it."""
    await call.calls.user_tasks.assign(
        user_task_key,
        body.assignee,
        caller=call.caller,
        allow_override=body.allow_override is not False,
        action=body.action or "",
    )


@operation("DELETE", TASK + "/assignee", tag=TAG, status=204, waits=True)
async def unassign_user_task(call: Call, user_task_key: Key) -> None:
    """Take a user task from its assignee."""
    await call.calls.user_tasks.unassign(user_task_key, caller=call.caller)


@operation("PATCH", TASK, tag=TAG, status=204, waits=True)
async def update_user_task(call: Call, user_task_key: Key, body: Update | None = None) -> None:
    """Change candidates, dates or priority of a user task."""
    given = body or Update()
    await call.calls.user_tasks.update(user_task_key, _values(given.changeset), caller=call.caller, action=given.action)


@operation("POST", TASK + "/completion", tag=TAG, status=204, waits=True)
async def complete_user_task(call: Call, user_task_key: Key, body: Completion | None = None) -> None:
    """Complete a user task."""
    given = body or Completion()
    await call.calls.user_tasks.complete(
        user_task_key, variables_text(given.variables), caller=call.caller, action=given.action or ""
    )


def _values(changes: Changeset | None) -> dict[str, Any]:
    if changes is None:
        return {}
    values = {
        "candidateUsers": changes.candidate_users,
        "candidateGroups": changes.candidate_groups,
        "dueDate": changes.due_date,
        "followUpDate": changes.follow_up_date,
        "priority": changes.priority,
    }
    return {name: value for name, value in values.items() if value is not None}
