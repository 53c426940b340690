"""The rows of user tasks: how they are made, changed and ended, with what lists and the history keep of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.commands.tasks import RULE, Actor
from osmia_broker.engine.domain_events import TASK
from osmia_broker.engine.elements.dates import moment_ms
from osmia_broker.engine.incidents import MESSAGE_CHARACTERS
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.rows.tasks import (
    ENDED,
    REMOVED,
    STANDS,
    CandidateKind,
    ProposalState,
    TaskCandidate,
    TaskEvent,
    TaskOperation,
    TaskProposal,
    UserTask,
    UserTaskState,
)
from osmia_broker.state.storable import storable

Changes = dict[str, Any]  #: values by attribute, named as in the REST API
Diff = dict[str, tuple[Any, Any]]  #: (old, new) by attribute

_COLUMNS = {
    "assignee": "assignee",
    "candidateUsers": "candidate_users",
    "candidateGroups": "candidate_groups",
    "dueDate": "due_date",
    "followUpDate": "follow_up_date",
    "priority": "priority",
}
_USER, _GROUP = CandidateKind.USER, CandidateKind.GROUP
_CANDIDATES = {"candidateUsers": _USER, "candidateGroups": _GROUP}
_MOMENTS = {"dueDate": "due_ms", "followUpDate": "follow_up_ms"}

#: The action in the history of a task whose proposal is answered.
_ANSWERS = {
    ProposalState.ACCEPTED: "accept proposal",
    ProposalState.EDITED: "edit proposal",
    ProposalState.ANSWERED: "answer proposal",
    ProposalState.IGNORED: "ignore proposal",
}

TASK_BYTES_MAX = 1_000_000  # of the texts of a task: an entry of its history has some of them twice, and clients accept 4 MiB a message
#: The columns of a task whose length nothing else bounds.
_TEXTS = tuple({*_COLUMNS.values(), "name", "documentation", "category", "external_form", "headers"} - {"priority"})

_read_texts = msgspec.json.Decoder(list[str]).decode


def excess(columns: Mapping[str, Any]) -> str:
    """Return the reason why the texts in *columns* of a task are too large together; empty if they are not."""
    texts = [columns.get(name, "") for name in _TEXTS]
    if 4 * sum(map(len, texts)) <= TASK_BYTES_MAX:
        return ""
    size = sum(len(text.encode()) for text in texts)
    if size <= TASK_BYTES_MAX:
        return ""
    return f"Expected the texts of a user task, its candidates among them, to have at most {TASK_BYTES_MAX} bytes together, but found {size}"


def refuse_large(task: UserTask, changes: Changes) -> None:
    """Refuse new values that would make the texts of the task too large.

    Raises:
        InvalidArgument: they would.

    """
    columns = {name: getattr(task, name) for name in _TEXTS}
    for attribute, value in changes.items():
        if attribute != "priority":
            columns[_COLUMNS[attribute]] = msgspec.json.encode(value).decode() if attribute in _CANDIDATES else value
    if reason := excess(columns):
        raise InvalidArgument(reason)


def insert_task(turn: Turn, instance: ElementInstance, **columns: Any) -> UserTask:
    """Add the user task of *instance* with these *columns*; those of its place and its times are known."""
    task = UserTask(
        key=turn.next_key(),
        process_instance_key=instance.process_instance_key,
        process_definition_key=instance.process_definition_key,
        element_instance_key=instance.key,
        element_id=instance.element_id,
        created_ms=turn.now_ms,
        **columns,
    )
    turn.user_tasks.insert(task)
    for kind, text in ((_USER, task.candidate_users), (_GROUP, task.candidate_groups)):
        if text != "[]":
            _note_candidates(turn, task, kind, _read_texts(text), STANDS)
    return task


def texts_of(text: str) -> list[str]:
    """Return the names in a column of candidates."""
    return [] if text == "[]" else _read_texts(text)


def value_of(task: UserTask, attribute: str) -> Any:
    """Return an attribute as changes have it."""
    value = getattr(task, _COLUMNS[attribute])
    return texts_of(value) if attribute in _CANDIDATES else value


def apply_changes(turn: Turn, task: UserTask, changes: Mapping[str, Any], **columns: Any) -> Diff:
    """Give the task the new values, and *columns* as they are; return what really changed."""
    diff: Diff = {}
    for attribute, value in changes.items():
        before = value_of(task, attribute)
        if before == value:
            continue
        diff[attribute] = (before, value)
        column = _COLUMNS[attribute]
        if attribute in _CANDIDATES:
            kind = _CANDIDATES[attribute]
            _note_candidates(turn, task, kind, {*before} - {*value}, REMOVED)
            _note_candidates(turn, task, kind, {*value} - {*before}, STANDS)
            columns[column] = msgspec.json.encode(value).decode()
        else:
            columns[column] = value
            if attribute in _MOMENTS:
                columns[_MOMENTS[attribute]] = moment_ms(value)
    if columns:
        turn.user_tasks.update(task, **columns)
    return diff


def end_task(turn: Turn, task: UserTask, state: UserTaskState) -> None:
    """End the task and what lists know of it."""
    if state is UserTaskState.COMPLETED:
        note_duration(turn, task, "completed")
    turn.user_tasks.end(task, turn.now_ms, state=state)
    _note_candidates(turn, task, _USER, texts_of(task.candidate_users), ENDED)
    _note_candidates(turn, task, _GROUP, texts_of(task.candidate_groups), ENDED)


def note_duration(turn: Turn, task: UserTask, intent: str) -> None:
    """Let the metrics know how long the task took from its creation until now."""
    definition = turn.definitions.processes.get(task.process_definition_key)
    name = definition.bpmn_process_id if definition is not None else ""
    turn.note(TASK, intent, name, task.key, task.process_instance_key, since_ms=task.created_ms)


def complete_tasks_of(turn: Turn, instance: ElementInstance) -> None:
    """Complete the task of *instance*, whose job has been completed."""
    for task in turn.user_tasks.by("element_instance_key", instance.key):
        end_task(turn, task, UserTaskState.COMPLETED)


def cancel_tasks_of(turn: Turn, instance: ElementInstance) -> None:
    """Cancel the task of *instance*, which is being terminated, and refuse those who wait for a change of it."""
    for task in turn.user_tasks.by("element_instance_key", instance.key):
        end_transitions(turn, task)
        refuse_waiting(
            turn, task, "NOT_FOUND", f"Expected user task with key '{task.key}' to go on, but it was canceled"
        )
        end_task(turn, task, UserTaskState.CANCELED)


def end_transitions(turn: Turn, task: UserTask) -> None:
    """End what waits for task listeners."""
    for transition in turn.task_transitions.by("user_task_key", task.key):
        turn.task_transitions.end(transition, turn.now_ms)


def note_event(
    turn: Turn,
    task: UserTask,
    operation: TaskOperation,
    *,
    action: str = "",
    actor: Actor = RULE,
    diff: Diff,
    refusal: str = "",
) -> None:
    """Write a step of *actor* into the history of the task; with a *refusal*, one that was wanted and did not take effect."""
    event = TaskEvent(
        key=turn.next_key(),
        process_instance_key=task.process_instance_key,
        user_task_key=task.key,
        operation=operation,
        action=action,
        user=actor.user,
        changes=msgspec.json.encode(diff).decode(),
        at_ms=turn.now_ms,
        refusal=storable(refusal[:MESSAGE_CHARACTERS]),
        channel=actor.channel,
    )
    turn.notes[TaskEvent].write(event)


def write_answer(turn: Turn, task: UserTask, answered: TaskProposal, actor: Actor) -> None:
    """Write the answer of *actor* to a proposal, and its step in the history of the task."""
    turn.notes[TaskProposal].write(answered)
    note_event(turn, task, TaskOperation.UPDATE, action=_ANSWERS[answered.state], actor=actor, diff={})
    turn.state.answered.add(answered.key, turn.state.last_key + 1)


def answer_waiting(turn: Turn, task: UserTask, text: str = "") -> None:
    """Answer the callers who wait for a change of the task."""
    for ticket, names in turn.awaited.pop(task.key).items():
        turn.journal.note(turn.awaited.add, task.key, ticket, names)
        turn.answer_ticket(ticket, text)


def refuse_waiting(turn: Turn, task: UserTask, code: str, text: str) -> None:
    """Refuse the change that callers wait for."""
    answer_waiting(turn, task, msgspec.json.encode({"code": code, "text": text}).decode())


def _note_candidates(turn: Turn, task: UserTask, kind: CandidateKind, names: Iterable[str], standing: int) -> None:
    notes = turn.notes[TaskCandidate]
    for name in names:
        notes.write(TaskCandidate(task.key, kind, name, task.process_instance_key, standing))
