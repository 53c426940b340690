"""Commands for user tasks: assign, unassign, update, complete (user-tasks.md, section 6).

All commands of a partition are decided one after the other, so of two people who claim a task at once, one wins.
"""

from typing import Any

from osmia_broker.engine.commands import (
    AssignUserTask,
    CompleteUserTask,
    UnassignUserTask,
    UpdateUserTask,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.jobs import MAY_END
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.suspension import refuse_suspended
from osmia_broker.engine.task_listeners import ASSIGNING, COMPLETING, UPDATING, Change, begin, columns
from osmia_broker.engine.task_policy import check_policy
from osmia_broker.engine.task_records import Doer
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import InvalidState, NotFound
from osmia_broker.state.rows import JobState
from osmia_broker.state.task_rows import TaskOperation, UserTask, UserTaskState

MAY_COMPLETE = frozenset({*MAY_END, JobState.FAILED})  #: a person may complete work that no worker could do


@handles(AssignUserTask)
def assign_user_task(turn: Turn, command: AssignUserTask) -> bool:
    """Assign a task; return whether that waits for listeners."""
    verb = "assign" if command.overrides else "claim"
    task = _open(turn, command.user_task_key, verb)
    if not command.overrides and task.assignee not in ("", command.assignee):
        raise InvalidState(
            f"Expected to claim user task with key '{task.key}', but it has already been assigned to '{task.assignee}'"
        )
    check_policy(turn, task, TaskOperation.ASSIGN, command)
    change = _change(ASSIGNING, TaskOperation.ASSIGN, command, {"assignee": command.assignee})
    return begin(turn, task, change, command.ticket)


@handles(UnassignUserTask)
def unassign_user_task(turn: Turn, command: UnassignUserTask) -> bool:
    """Take a task from its assignee; return whether that waits for listeners."""
    task = _open(turn, command.user_task_key, "unassign")
    check_policy(turn, task, TaskOperation.UNASSIGN, command)
    change = _change(ASSIGNING, TaskOperation.UNASSIGN, command, {"assignee": ""})
    return begin(turn, task, change, command.ticket)


@handles(UpdateUserTask)
def update_user_task(turn: Turn, command: UpdateUserTask) -> bool:
    """Change attributes of a task; return whether that waits for listeners."""
    task = _open(turn, command.user_task_key, "update")
    check_policy(turn, task, TaskOperation.UPDATE, command)
    change = _change(UPDATING, TaskOperation.UPDATE, command, columns(command.changes))
    return begin(turn, task, change, command.ticket)


@handles(CompleteUserTask)
def complete_user_task(turn: Turn, command: CompleteUserTask) -> bool:
    """Complete a task; return whether that waits for listeners."""
    task = _open(turn, command.user_task_key, "complete")
    if task.job_key and (state := turn.jobs[task.job_key].state) not in MAY_COMPLETE:
        raise InvalidState(
            f"Expected to complete user task with key '{task.key}', but its job with key '{task.job_key}' is in state '{state}'"
        )
    check_policy(turn, task, TaskOperation.COMPLETE, command)
    by = Doer(command.user, command.action)
    change = Change(COMPLETING, TaskOperation.COMPLETE, by, variables=command.variables)
    return begin(turn, task, change, command.ticket)


def _change(
    event: str,
    operation: TaskOperation,
    command: AssignUserTask | UnassignUserTask | UpdateUserTask,
    values: dict[str, Any],
) -> Change:
    return Change(event, operation, Doer(command.user, command.action or operation.lower()), values)


def _open(turn: Turn, key: int, verb: str) -> UserTask:
    """Return the task of *key*, if nothing is being done to it.

    Raises:
        NotFound: there is none, or it has ended.
        InvalidState: listeners work on a change of it, or its process instance is suspended.

    """
    task: UserTask | None = turn.state.find(UserTask, key)
    if task is None or is_ending(turn, turn.elements[task.element_instance_key]):
        raise NotFound(f"Expected to {verb} user task with key '{key}', but no such user task was found")
    refuse_suspended(turn, task.process_instance_key, f"{verb} user task with key '{key}'")
    if task.state is not UserTaskState.CREATED:
        raise InvalidState(f"Expected to {verb} user task with key '{key}', but it is in state '{task.state}'")
    return task
