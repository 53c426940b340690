"""The rows of user tasks: a task when it is created, its candidates for lists, its history, and its end (user-tasks.md, section 6).

A task ends with its work: when a person or a worker has completed it, or when its element is terminated. What goes on in the element after
that, such as output mappings that fail, does not open it again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.task_rows import (
    CandidateKind,
    TaskCandidate,
    TaskEvent,
    TaskOperation,
    UserTask,
    UserTaskState,
)

CANDIDATES = {"candidate_users": CandidateKind.USER, "candidate_groups": CandidateKind.GROUP}
NAMES = {  #: the attributes of a task as the API names them
    "assignee": "assignee",
    "candidate_users": "candidateUsers",
    "candidate_groups": "candidateGroups",
    "due_date": "dueDate",
    "follow_up_date": "followUpDate",
    "priority": "priority",
}
DEFAULT_ACTIONS = {
    TaskOperation.ASSIGN: ("", "assign", "claim"),
    TaskOperation.COMPLETE: ("", "complete"),
}  # they say no more than the operation

_texts = msgspec.json.Decoder(list[str]).decode


class Doer(msgspec.Struct, frozen=True):
    """The person behind a change of a task, as far as it is known, and the free text that they gave for it."""

    user: str = ""
    action: str = ""


NOBODY = Doer()


def moment_ms(text: str) -> int:
    """Return a date-time with an offset as epoch milliseconds; 0 for none."""
    if not text:
        return 0
    return int(datetime.fromisoformat(text.partition("[")[0]).timestamp() * 1000)


def task_of(turn: Turn, element_instance_key: int) -> UserTask | None:
    """Return the open task of an element instance."""
    found: list[UserTask] = turn.user_tasks.by("element_instance_key", element_instance_key)
    return found[0] if found else None


def insert_task(turn: Turn, instance: ElementInstance, **values: Any) -> UserTask:
    """Add the row of a new task of *instance*, and its candidates."""
    task = UserTask(
        key=turn.next_key(),
        process_instance_key=instance.process_instance_key,
        process_definition_key=instance.process_definition_key,
        element_instance_key=instance.key,
        element_id=instance.element_id,
        created_ms=turn.now_ms,
        due_ms=moment_ms(values.get("due_date", "")),
        follow_up_ms=moment_ms(values.get("follow_up_date", "")),
        **values,
    )
    turn.user_tasks.insert(task)
    for column, kind in CANDIDATES.items():
        _write_candidates(turn, task, kind, texts(getattr(task, column)), ended_ms=0)
    return task


def texts(stored: str) -> list[str]:
    """Return the texts of a stored list."""
    return _texts(stored) if stored != "[]" else []


def change(turn: Turn, task: UserTask, changes: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set attributes of a task by their column names, and return [old, new] of those that differ, by their names in the API."""
    differing = {name: value for name, value in changes.items() if getattr(task, name) != value}
    changed = {
        NAMES[name]: [_plain(name, getattr(task, name)), _plain(name, value)] for name, value in differing.items()
    }
    for name in differing.keys() & CANDIDATES.keys():
        before, after = texts(getattr(task, name)), texts(differing[name])
        removed, added = (one for one in before if one not in after), (one for one in after if one not in before)
        _write_candidates(turn, task, CANDIDATES[name], removed, ended_ms=turn.now_ms)
        _write_candidates(turn, task, CANDIDATES[name], added, ended_ms=0)
    if "due_date" in differing:
        differing["due_ms"] = moment_ms(differing["due_date"])
    if "follow_up_date" in differing:
        differing["follow_up_ms"] = moment_ms(differing["follow_up_date"])
    if differing:
        turn.user_tasks.update(task, **differing)
    return changed


def _plain(name: str, value: Any) -> Any:
    """Return a stored value as the history shows it."""
    if name in CANDIDATES:
        return texts(value)
    return None if value == "" else value


def write_event(
    turn: Turn, task: UserTask, operation: TaskOperation, by: Doer, changes: dict[str, list[Any]] | None = None
) -> None:
    """Write a step of the history of a task."""
    turn.notes[TaskEvent].write(
        TaskEvent(
            key=turn.next_key(),
            process_instance_key=task.process_instance_key,
            user_task_key=task.key,
            operation=operation,
            action=by.action,
            user=by.user,
            changes=msgspec.json.encode(changes or {}).decode(),
            at_ms=turn.now_ms,
        )
    )


def complete_task(turn: Turn, task: UserTask, by: Doer = NOBODY) -> None:
    """End a task whose work is done."""
    _end(turn, task, UserTaskState.COMPLETED)
    if by.user or by.action not in DEFAULT_ACTIONS[TaskOperation.COMPLETE]:
        write_event(turn, task, TaskOperation.COMPLETE, by)


def cancel_tasks(turn: Turn, element_instance_key: int) -> None:
    """End the open task of an element instance that is terminated, and the change of it that waits for listeners."""
    for task in turn.user_tasks.by("element_instance_key", element_instance_key):
        for transition in turn.task_transitions.by("user_task_key", task.key):
            turn.task_transitions.end(transition, turn.now_ms)
            for ticket, names in turn.awaited.pop(transition.key).items():
                turn.journal.note(turn.awaited.add, transition.key, ticket, names)
                turn.answer_ticket(ticket, CANCELED)
        _end(turn, task, UserTaskState.CANCELED)


CANCELED = '{"canceled":true}'  #: the result of a change whose task was canceled meanwhile


def _end(turn: Turn, task: UserTask, state: UserTaskState) -> None:
    for column, kind in CANDIDATES.items():
        _write_candidates(turn, task, kind, texts(getattr(task, column)), ended_ms=turn.now_ms)
    turn.user_tasks.end(task, turn.now_ms, state=state)


def _write_candidates(turn: Turn, task: UserTask, kind: CandidateKind, names: Iterable[str], *, ended_ms: int) -> None:
    for name in names:
        turn.notes[TaskCandidate].write(TaskCandidate(task.key, kind, name, task.process_instance_key, ended_ms))
