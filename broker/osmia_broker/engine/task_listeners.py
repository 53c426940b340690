"""Changes of user tasks, and the task listeners that work before a change is carried out (user-tasks.md, section 7).

A change with listeners waits as a row, the transition, while their jobs are done one after the other. Each of them may correct values of the
task, or deny the change. With the last, the change is carried out. Without listeners, it is carried out at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from osmia_broker.engine.commands import CompleteJob, ContinueTransition, TaskChanges, TaskListenerResult, Variables
from osmia_broker.engine.domain_events import JOB
from osmia_broker.engine.element_mappings import keep_result
from osmia_broker.engine.expressions import evaluate_int32, evaluate_text
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.jobs import completes
from osmia_broker.engine.lifecycle import model_of, plan_completion
from osmia_broker.engine.new_jobs import create_job, json_object
from osmia_broker.engine.task_records import NOBODY, Doer, change, complete_task, task_of, write_event
from osmia_broker.engine.turn import Turn
from osmia_broker.errors import InvalidArgument
from osmia_broker.model.graph import ListenerDefinition
from osmia_broker.state.rows import ElementInstance, Job, JobKind, JobState
from osmia_broker.state.task_rows import GlobalTaskListener, TaskOperation, TaskTransition, UserTask, UserTaskState

CREATING, ASSIGNING, UPDATING, COMPLETING = "creating", "assigning", "updating", "completing"

#: The state of a task while the listeners of an event work.
STATES = {
    CREATING: UserTaskState.CREATING,
    ASSIGNING: UserTaskState.ASSIGNING,
    UPDATING: UserTaskState.UPDATING,
    COMPLETING: UserTaskState.COMPLETING,
}
DONE = "{}"  #: the result of a change that was carried out

Listener = ListenerDefinition | GlobalTaskListener

_decode_changes = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a task: *values* are new ones by column, *variables* those of a completion."""

    event: str  # that listeners listen to
    operation: TaskOperation
    by: Doer = NOBODY
    values: Mapping[str, Any] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)


def begin_creation(turn: Turn, task: UserTask, *, assignee: str) -> None:
    """Create a native task: after its listeners, it is there, and assigned to *assignee* if that is not empty."""
    begin(turn, task, Change(CREATING, TaskOperation.CREATE, values={"assignee": assignee} if assignee else {}))


def begin(turn: Turn, task: UserTask, wanted: Change, ticket: int = 0) -> bool:
    """Carry a change of *task* out, after the listeners for its event; return whether it has to wait for them.

    The caller with *ticket* is answered when the change is carried out, or denied.
    """
    if not _listeners(turn, task, wanted.event):
        _CARRY_OUT[wanted.event](turn, task, wanted)
        return False
    if task.state is not STATES[wanted.event]:
        turn.user_tasks.set(task, "state", STATES[wanted.event])
    transition = TaskTransition(
        key=turn.next_key(),
        process_instance_key=task.process_instance_key,
        element_instance_key=task.element_instance_key,
        user_task_key=task.key,
        event=wanted.event,
        operation=wanted.operation,
        action=wanted.by.action,
        user=wanted.by.user,
        changes=msgspec.json.encode(wanted.values).decode(),
        variables=_object(wanted.variables),
    )
    turn.task_transitions.insert(transition)
    if ticket:
        turn.awaited.add(transition.key, ticket, ())
        turn.journal.note(turn.awaited.forget, ticket)
    turn.follow(task.process_instance_key, ContinueTransition(transition.key))
    return True


def _object(variables: Variables) -> str:
    """Return variables as one JSON object."""
    return "{" + ",".join(f"{msgspec.json.encode(name).decode()}:{value}" for name, value in variables.items()) + "}"


def _listeners(turn: Turn, task: UserTask, event: str) -> list[Listener]:
    """Return the listeners for *event* in the order in which they work: those of the model, with the global ones before or after them."""
    if task.job_key:
        return []  # only native tasks have listeners
    definition = model_of(turn, turn.elements[task.element_instance_key]).user_task
    own: list[Listener] = [] if definition is None else list(definition.listeners.get(event, ()))
    if not len(turn.global_listeners):
        return own
    of_all = [one for one in turn.global_listeners.in_order() if event in msgspec.json.decode(one.event_types)]
    return [*(one for one in of_all if not one.after_model), *own, *(one for one in of_all if one.after_model)]


@carries_out(ContinueTransition)
def continue_transition(turn: Turn, command: ContinueTransition) -> None:
    """Create the job of the next listener, or carry the change out if all have done theirs."""
    transition = turn.task_transitions.get(command.transition_key)
    if transition is None:
        return
    task = turn.user_tasks[transition.user_task_key]
    element = turn.elements[task.element_instance_key]
    listeners = _listeners(turn, task, transition.event)
    if transition.listeners_done < len(listeners):
        _create_job(turn, element, listeners[transition.listeners_done], transition.event)
        return
    turn.task_transitions.end(transition, turn.now_ms)
    variables = {name: bytes(value).decode() for name, value in _split(transition.variables).items()}
    wanted = Change(
        transition.event,
        transition.operation,
        Doer(transition.user, transition.action),
        _decode_changes(transition.changes),
        variables,
    )
    _CARRY_OUT[wanted.event](turn, task, wanted)
    _answer(turn, transition, DONE)


_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _create_job(turn: Turn, element: ElementInstance, listener: Listener, event: str) -> None:
    if isinstance(listener, GlobalTaskListener):
        type, retries, headers = listener.type, listener.retries, "{}"
    else:
        type = evaluate_text(turn, listener.type, element.key)
        retries = evaluate_int32(turn, listener.retries, element.key)
        headers = json_object(listener.headers)
    create_job(
        turn,
        element,
        type=type,
        retries=retries,
        headers=headers,
        kind=JobKind.TASK_LISTENER,
        listener_event=event.upper(),
    )


@completes(JobKind.TASK_LISTENER)
def _listener_done(turn: Turn, job: Job, element: ElementInstance, command: CompleteJob) -> None:
    """Take the decision of a listener: deny the change, or correct values and go on."""
    task = task_of(turn, element.key)
    assert task is not None, "a task listener has a task"
    (transition,) = turn.task_transitions.by("user_task_key", task.key)
    if command.variables:
        raise InvalidArgument(
            f"Expected to complete task listener job with key '{job.key}' without variables, but found some"
        )
    result = command.result if isinstance(command.result, TaskListenerResult) else TaskListenerResult()
    if result.denied:
        _deny(turn, task, transition, result.denied_reason)
        return
    changes = _decode_changes(transition.changes) | columns(result.corrections)
    turn.task_transitions.update(
        transition,
        changes=msgspec.json.encode(changes).decode(),
        listeners_done=transition.listeners_done + 1,
    )
    turn.follow(task.process_instance_key, ContinueTransition(transition.key))


def columns(changes: TaskChanges) -> dict[str, Any]:
    """Return the new values by column, as the row keeps them."""
    given = {name: getattr(changes, name) for name in changes.__struct_fields__}
    return {
        name: msgspec.json.encode(value).decode() if isinstance(value, tuple) else value
        for name, value in given.items()
        if value is not None
    }


def _deny(turn: Turn, task: UserTask, transition: TaskTransition, reason: str) -> None:
    """Give the change up: the task is as it was before."""
    if transition.event == CREATING:
        raise InvalidArgument("Expected a listener of the event 'creating' not to deny it, but found a denial")
    turn.task_transitions.end(transition, turn.now_ms)
    turn.user_tasks.set(task, "state", UserTaskState.CREATED)
    _answer(turn, transition, msgspec.json.encode({"denied": reason}).decode())


def _answer(turn: Turn, transition: TaskTransition, result: str) -> None:
    for ticket, names in turn.awaited.pop(transition.key).items():
        turn.journal.note(turn.awaited.add, transition.key, ticket, names)
        turn.answer_ticket(ticket, result)


# --- the changes


def _create(turn: Turn, task: UserTask, wanted: Change) -> None:
    """Create the task; an assignee is a change of its own, with listeners of its own."""
    values = {**wanted.values}
    assignee = values.pop("assignee", "")
    change(turn, task, values)
    turn.user_tasks.set(task, "state", UserTaskState.CREATED)
    if assignee:
        begin(turn, task, Change(ASSIGNING, TaskOperation.ASSIGN, BY_MODEL, {"assignee": assignee}))


BY_MODEL = Doer(action="model")  # an assignment by the model is no step of a person


def _assign_or_update(turn: Turn, task: UserTask, wanted: Change) -> None:
    changed = change(turn, task, wanted.values)
    if task.state is not UserTaskState.CREATED:
        turn.user_tasks.set(task, "state", UserTaskState.CREATED)
    if wanted.by != BY_MODEL:
        write_event(turn, task, wanted.operation, wanted.by, changed)


def _complete(turn: Turn, task: UserTask, wanted: Change) -> None:
    element = turn.elements[task.element_instance_key]
    change(turn, task, wanted.values)
    if task.job_key:
        _end_job(turn, task)
    complete_task(turn, task, wanted.by)
    keep_result(turn, element, wanted.variables)
    plan_completion(turn, element)


def _end_job(turn: Turn, task: UserTask) -> None:
    job = turn.jobs[task.job_key]
    turn.jobs.end(job, turn.now_ms, state=JobState.COMPLETED, deadline_ms=0)
    turn.note(JOB, "completed", job.type, job.key, job.process_instance_key)
    for incident in turn.incidents.by("element_instance_key", task.element_instance_key):
        turn.incidents.end(incident, turn.now_ms)


_CARRY_OUT: dict[str, Callable[[Turn, UserTask, Change], None]] = {
    CREATING: _create,
    ASSIGNING: _assign_or_update,
    UPDATING: _assign_or_update,
    COMPLETING: _complete,
}
