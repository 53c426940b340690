"""Carry out the commands of people on user tasks: claim, assign, update, complete, comment, save a draft."""

from typing import Any

from osmia_broker.base.errors import Forbidden, InvalidArgument, InvalidState, NotFound
from osmia_broker.engine.commands import CompleteJob
from osmia_broker.engine.commands.tasks import (
    Actor,
    AssignUserTask,
    ClaimNextUserTask,
    ClaimUserTask,
    CommentUserTask,
    CompleteUserTask,
    SaveTaskDraft,
    SaveTaskFilter,
    SnoozeUserTask,
    UpdateUserTask,
)
from osmia_broker.engine.engine import handles
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.jobs import completes
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.suspension.held_rows import is_suspended
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.engine.tasks.listeners import (
    ASSIGNING,
    CREATING,
    MAY_BE_DENIED,
    UPDATING,
    Change,
    change_task,
    completion,
    deny_change,
    has_own_assignee,
    listener_done,
    transition_of,
)
from osmia_broker.engine.tasks.policy import Right, refuse_stranger
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.state.rows import ElementInstance, Job, JobKind
from osmia_broker.state.rows.tasks import (
    NO_TIME_MS,
    SavedTaskFilter,
    TaskComment,
    TaskDraft,
    TaskOperation,
    TaskSnooze,
    UserTask,
    UserTaskState,
)

NO_RESULT = TaskListenerResult()


@handles(AssignUserTask)
def assign_user_task(turn: Turn, command: AssignUserTask) -> bool:
    """Assign a task to anybody, or to nobody."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.CLAIM, "assign")
    operation = TaskOperation.ASSIGN if command.assignee else TaskOperation.UNASSIGN
    is_done = change_or_refuse(turn, task, _assignment(command, operation, operation.lower()))
    if is_done and command.comment:
        _write_comment(turn, task, command.actor, command.comment)
    return is_done


@handles(ClaimUserTask)
def claim_user_task(turn: Turn, command: ClaimUserTask) -> bool:
    """Assign a task that is free, or has this assignee already."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.CLAIM, "claim")
    if task.assignee and task.assignee != command.assignee:
        raise InvalidState(
            f"Expected to claim user task with key '{task.key}', but it has already been assigned to '{task.assignee}'"
        )
    return change_or_refuse(turn, task, _assignment(command, TaskOperation.ASSIGN, "claim"))


@handles(ClaimNextUserTask)
def claim_next_user_task(turn: Turn, command: ClaimNextUserTask) -> tuple[int, bool]:
    """Claim the first task that is still free and that the person may claim. A task that cannot be claimed holds up no other."""
    found = {task.key: task for task in turn.state.find_all(UserTask, command.user_task_keys)}
    for key in command.user_task_keys:
        task = found.get(key)
        if task is None or not _is_free(turn, task) or not _may_claim(task, command):
            continue
        savepoint = turn.savepoint()
        try:
            return key, change_or_refuse(turn, task, _assignment(command, TaskOperation.ASSIGN, "claim"))
        except (InvalidState, InvalidArgument):  # its listeners cannot be evaluated, say
            turn.take_back(savepoint)
    return 0, True


@handles(UpdateUserTask)
def update_user_task(turn: Turn, command: UpdateUserTask) -> bool:
    """Change attributes of a task."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.UPDATE, "update")
    change = Change(
        UPDATING,
        TaskOperation.UPDATE,
        command.action or "update",
        command.actor,
        dict(command.changes),
        ticket=command.ticket,
    )
    return change_or_refuse(turn, task, change)


@handles(CompleteUserTask)
def complete_user_task(turn: Turn, command: CompleteUserTask) -> bool:
    """Complete a task, and the job of a job-based one, with its element."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.COMPLETE, "complete")
    change = completion(command.actor, command.variables, command.action, command.ticket)
    return change_or_refuse(turn, task, change)


@handles(CommentUserTask)
def comment_user_task(turn: Turn, command: CommentUserTask) -> int:
    """Write a comment beside a task."""
    task = open_task(turn, command.user_task_key, command.actor, Right.READ, "comment on")
    return _write_comment(turn, task, command.actor, command.text)


def _write_comment(turn: Turn, task: UserTask, actor: Actor, text: str) -> int:
    key = turn.next_key()
    turn.notes[TaskComment].write(TaskComment(key, task.process_instance_key, task.key, actor.user, text, turn.now_ms))
    return key


@handles(SaveTaskDraft)
def save_task_draft(turn: Turn, command: SaveTaskDraft) -> None:
    """Keep the unfinished input of one person. It is never evaluated, and never a process variable."""
    task = open_task(turn, command.user_task_key, command.actor, Right.READ, "save a draft of")
    turn.notes[TaskDraft].write(
        TaskDraft(task.key, command.actor.user, task.process_instance_key, command.content, turn.now_ms)
    )


@handles(SaveTaskFilter)
def save_task_filter(turn: Turn, command: SaveTaskFilter) -> None:
    """Keep a question to the task list for one person."""
    turn.notes[SavedTaskFilter].write(SavedTaskFilter(command.actor.user, command.name, command.query, turn.now_ms))


@handles(SnoozeUserTask)
def snooze_user_task(turn: Turn, command: SnoozeUserTask) -> None:
    """Note until when a person does not want to see a task. The key marks the moment: what changes the task later has a higher one."""
    task = open_task(turn, command.user_task_key, command.actor, Right.READ, "snooze")
    if 0 < command.until_ms <= turn.now_ms:
        raise InvalidArgument(
            f"Expected to snooze user task with key '{task.key}' until a time to come, but found {command.until_ms}"
            f" at {turn.now_ms}"
        )
    until_ms = command.until_ms or (NO_TIME_MS if command.until_change else 0)
    turn.notes[TaskSnooze].write(
        TaskSnooze(
            command.actor.user,
            task.key,
            task.process_instance_key,
            until_ms,
            int(command.until_change),
            turn.next_key(),
            turn.now_ms,
        )
    )


@completes(JobKind.TASK_LISTENER)
def _listener_completed(turn: Turn, job: Job, element: ElementInstance, command: CompleteJob) -> None:
    """Go on with the change that the listener has looked at, or take it back. The variables of the listener are local to the task."""
    result = command.task_result or NO_RESULT
    task, transition = transition_of(turn, element)
    if result.denied and transition.event not in MAY_BE_DENIED:
        raise InvalidArgument(
            f"Expected a result of the job with key '{job.key}' that denies nothing, because a listener for"
            f" '{transition.event}' cannot deny, but found that it denies"
        )
    if result.denied and result.corrections:
        raise InvalidArgument(
            f"Expected to complete job with key '{job.key}' with corrections or a denial, but found both"
        )
    if transition.event == CREATING and "assignee" in result.corrections and has_own_assignee(turn, element):
        raise InvalidArgument(
            f"Expected a result of the job with key '{job.key}' that leaves the assignee of the model to listeners for"
            f" '{ASSIGNING}', but found that it corrects the assignee"
        )
    put_local(turn, element, command.variables)
    if result.denied:
        deny_change(turn, task, transition, result.denied_reason)
    else:
        listener_done(turn, task, transition, result.corrections)


# --- finding


def _open(turn: Turn, key: int, verb: str) -> UserTask:
    task: UserTask | None = turn.state.find(UserTask, key)
    if task is None or is_ending(turn, turn.elements[task.element_instance_key]):
        raise NotFound(f"Expected to {verb} user task with key '{key}', but no such user task was found")
    return task


def open_task(turn: Turn, key: int, actor: Actor, right: Right, verb: str) -> UserTask:
    """Return the open task *key*, unless its process instance is suspended: then it takes no command at all."""
    task = _open(turn, key, verb)
    refuse_stranger(task, actor, right, verb)  # first of all: a stranger does not learn its state
    refuse_suspended(turn, task.process_instance_key, f"{verb} user task with key '{key}'")
    return task


def changeable_task(turn: Turn, key: int, actor: Actor, right: Right, verb: str) -> UserTask:
    """Return the open task *key* if nothing goes on at it; else refuse, as `open_task` does."""
    task = open_task(turn, key, actor, right, verb)
    if task.state is not UserTaskState.CREATED:
        raise InvalidState(f"Expected to {verb} user task with key '{key}', but it is in state '{task.state}'")
    return task


def _is_free(turn: Turn, task: UserTask) -> bool:
    return (
        task.state is UserTaskState.CREATED
        and not task.assignee
        and not is_ending(turn, turn.elements[task.element_instance_key])
        and not is_suspended(turn, task.process_instance_key)
    )


def _may_claim(task: UserTask, command: ClaimNextUserTask) -> bool:
    try:
        refuse_stranger(task, command.actor, Right.CLAIM, "claim")
    except Forbidden:
        return False
    return True


def _assignment(
    command: AssignUserTask | ClaimUserTask | ClaimNextUserTask, operation: TaskOperation, action: str
) -> Change:
    changes: dict[str, Any] = {"assignee": command.assignee}
    return Change(ASSIGNING, operation, command.action or action, command.actor, changes, ticket=command.ticket)


def change_or_refuse(turn: Turn, task: UserTask, change: Change) -> bool:
    """Do *change* as `change_task` does; listeners that cannot be evaluated refuse it."""
    try:
        return change_task(turn, task, change)
    except IncidentRaised as fault:
        raise InvalidState(
            f"Expected the task listeners of user task with key '{task.key}' to be evaluated, but found: {fault}"
        ) from fault
