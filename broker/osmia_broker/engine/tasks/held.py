"""Completions that are held for some seconds, so that the person can take them back; and assignments that are taken back.

A held completion is a follow-up of the process instance, so it is as durable as any other: after a crash, a restart or a change of the leader it
is carried out when it is due. Until then the task is COMPLETING, which refuses every other change. It is dropped when the task ends before: with
its instance, or because a worker completes its job. (Decision 0034.)
"""

import msgspec

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands.tasks import Actor, CompleteHeldTask, HoldUserTask, RevertAssignment, UndoUserTask
from osmia_broker.engine.engine import handles
from osmia_broker.engine.follow_ups import carries_out, drop_stopped, leave_follow_up, stops_at
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.tasks.listeners import ASSIGNING, Change, change_task, completion
from osmia_broker.engine.tasks.people import change_or_refuse, changeable_task, open_task
from osmia_broker.engine.tasks.policy import Right
from osmia_broker.engine.tasks.rows import note_event
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, FollowUp
from osmia_broker.state.rows.tasks import TaskOperation, UserTask, UserTaskState

_command_of = msgspec.json.Decoder(CompleteHeldTask).decode
UNDO = "undo"  #: the action in the history of the task


@handles(HoldUserTask)
def hold_user_task(turn: Turn, command: HoldUserTask) -> int:
    """Promise the completion. What would refuse it now is refused now, not later: so it is tried, and taken back."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.COMPLETE, "complete")
    savepoint = turn.savepoint()
    change_or_refuse(turn, task, completion(command.actor, command.variables, command.action))
    turn.take_back(savepoint)
    turn.user_tasks.update(task, state=UserTaskState.COMPLETING)
    actor = command.actor
    held = CompleteHeldTask(task.key, command.variables, command.action, actor.user, actor.channel)
    due_ms = turn.now_ms + command.hold_ms
    leave_follow_up(turn, task.process_instance_key, held, due_ms=due_ms)
    return due_ms


@carries_out(CompleteHeldTask)
def _complete_held(turn: Turn, command: CompleteHeldTask) -> None:
    """Keep the promise, unless the task has ended meanwhile."""
    task: UserTask | None = turn.state.find(UserTask, command.user_task_key)
    if (
        task is None
        or task.state is not UserTaskState.COMPLETING
        or is_ending(turn, turn.elements[task.element_instance_key])
    ):
        return
    actor = Actor(command.user, channel=command.channel)
    change_task(turn, task, completion(actor, command.variables, command.action))


@stops_at(CompleteHeldTask)
def _place_of_held(turn: Turn, command: CompleteHeldTask) -> ElementInstance | None:
    task: UserTask | None = turn.user_tasks.get(command.user_task_key)
    return turn.elements.get(task.element_instance_key) if task is not None else None


@handles(UndoUserTask)
def undo_user_task(turn: Turn, command: UndoUserTask) -> None:
    """Drop the promise. Only the person who gave it may."""
    task = open_task(turn, command.user_task_key, command.actor, Right.READ, "undo the completion of")
    found = _held(turn, task)
    if found is None or found[1].user != command.actor.user:
        other = "none" if found is None else f"one by '{found[1].user}'"
        raise InvalidState(
            f"Expected a completion of user task with key '{task.key}' by '{command.actor.user}' that is held, but found {other}"
        )
    drop_stopped(turn, found[0])
    turn.user_tasks.update(task, state=UserTaskState.CREATED)
    note_event(turn, task, TaskOperation.UPDATE, action=UNDO, actor=command.actor, diff={})


@handles(RevertAssignment)
def revert_assignment(turn: Turn, command: RevertAssignment) -> bool:
    """Give the task back. Who gave it away may have no right to it any more, so that only reading it is asked for."""
    task = changeable_task(turn, command.user_task_key, command.actor, Right.READ, "take back")
    if task.assignee != command.now:
        raise InvalidState(
            f"Expected user task with key '{task.key}' to be assigned to '{command.now}', but it is assigned to '{task.assignee}'"
        )
    operation = TaskOperation.ASSIGN if command.before else TaskOperation.UNASSIGN
    change = Change(ASSIGNING, operation, UNDO, command.actor, {"assignee": command.before}, ticket=command.ticket)
    return change_or_refuse(turn, task, change)


def _held(turn: Turn, task: UserTask) -> tuple[FollowUp, CompleteHeldTask] | None:
    """Return the promise that was given for *task*, with its row."""
    for row in turn.follow_ups.of_instance(task.process_instance_key):
        if row.command == CompleteHeldTask.__name__:
            command = _command_of(row.content)
            if command.user_task_key == task.key:
                return row, command
    return None
