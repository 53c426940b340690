"""Changes of user tasks, and the task listeners that they wait for.

A change of a native task is done at once, or waits as a `TaskTransition` until the jobs of its listeners are done, one after the other. A
listener may correct attributes, and deny an assignment, an update or a completion: then the task is as it was before.
Global listeners work before those of the model, or (`after_model`) after them.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from osmia_broker.engine.activiti.element_mappings import keep_result
from osmia_broker.engine.activiti.extensions import mapping_of
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.commands.inner import ContinueTermination
from osmia_broker.engine.commands.tasks import RULE, Actor
from osmia_broker.engine.domain_events import JOB
from osmia_broker.engine.expressions import VariableScope, evaluate_int32, evaluate_text
from osmia_broker.engine.follow_ups import follow_waiting
from osmia_broker.engine.incidents import IncidentRaised, end_incidents, raise_incident
from osmia_broker.engine.lifecycle import model_of, plan_completion
from osmia_broker.engine.new_jobs import cancel_jobs, create_job, json_object
from osmia_broker.engine.tasks.rows import (
    Changes,
    answer_waiting,
    apply_changes,
    end_task,
    end_transitions,
    insert_task,
    note_duration,
    note_event,
    refuse_large,
    refuse_waiting,
    value_of,
    write_answer,
)
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import merge, put_local
from osmia_broker.model import RESERVED_HEADERS, TASK_LISTENER_EVENTS
from osmia_broker.state.rows import ElementInstance, JobKind, JobState
from osmia_broker.state.rows.tasks import TaskOperation, TaskProposal, TaskTransition, UserTask, UserTaskState

CREATING, ASSIGNING, UPDATING, COMPLETING, CANCELING = EVENTS = TASK_LISTENER_EVENTS
MAY_BE_DENIED = {ASSIGNING: "Assignment", UPDATING: "Update", COMPLETING: "Completion"}  #: the word in the refusal

Listener = tuple[str, int, dict[str, str]]  #: type, retries and headers of its job

_read_listeners = msgspec.json.Decoder(list[Listener]).decode
_read_proposal = msgspec.json.Decoder(TaskProposal).decode
_read_event_types = msgspec.json.Decoder(list[str]).decode


class VariableUpdate(msgspec.Struct, frozen=True):
    """Variables that are to be set at a task: local to it, or each in the nearest scope that has it."""

    document: Variables
    is_local: bool

    def take_effect(self, turn: Turn, instance: ElementInstance) -> None:
        """Set the variables."""
        is_mapped = mapping_of(turn, instance) is not None  # a mapped element shares nothing until it completes
        if self.is_local or is_mapped:
            put_local(turn, instance, self.document)
        else:
            merge(turn, instance, self.document)


@dataclass(slots=True)
class Change:
    """A change that *actor* wants. *ticket*, if not 0, is of the caller who waits for it."""

    event: str
    operation: TaskOperation
    action: str = ""
    actor: Actor = RULE
    changes: Changes = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    update: VariableUpdate | None = None
    ticket: int = 0
    proposal: TaskProposal | None = None  # as it is written when the completion that accepts it takes effect


def completion(actor: Actor, variables: Variables, action: str = "", ticket: int = 0) -> Change:
    """Return the change that completes a task. *action* is what the history shows; empty for `complete`."""
    action = action or "complete"
    return Change(COMPLETING, TaskOperation.COMPLETE, action, actor, variables=variables, ticket=ticket)


def create_native_task(turn: Turn, instance: ElementInstance, columns: dict[str, Any]) -> None:
    """Add the native task of *instance*. Its assignee is assigned when it has been created, if listeners want to see that.

    Raises:
        IncidentRaised: the type or the retries of a listener cannot be evaluated.

    """
    assignee = columns["assignee"]
    creating = _listeners_of(turn, instance, CREATING)
    is_delayed = bool(creating) or (bool(assignee) and bool(_listeners_of(turn, instance, ASSIGNING)))
    first = {"assignee": ""} if is_delayed else {}
    task = insert_task(turn, instance, job_key=0, state=UserTaskState.CREATED, **columns | first)
    if not is_delayed:
        return
    changes = {"assignee": assignee} if assignee else {}
    change = Change(CREATING, TaskOperation.CREATE, changes=changes)
    if creating:
        _wait(turn, task, change, creating)
    else:
        _finish(turn, task, change)


def change_task(turn: Turn, task: UserTask, change: Change) -> bool:
    """Do *change* now, or when the listeners are done; return whether it is done.

    Raises:
        IncidentRaised: the type or the retries of a listener cannot be evaluated.
        InvalidArgument: the task would become too large.

    """
    refuse_large(task, change.changes)
    listeners = [] if task.job_key else _listeners_of(turn, turn.elements[task.element_instance_key], change.event)
    if not listeners:
        _finish(turn, task, change)
        return True
    _wait(turn, task, change, listeners)
    return False


def begin_canceling(turn: Turn, instance: ElementInstance) -> bool:
    """Let the listeners for `canceling` begin, unless they work already; return whether the end of *instance* waits for them.

    A listener that cannot be evaluated holds nothing up.
    """
    for task in turn.user_tasks.by("element_instance_key", instance.key):
        if task.state is UserTaskState.CANCELING:
            return turn.task_transitions.has_any("user_task_key", task.key)
        try:
            listeners = [] if task.job_key else _listeners_of(turn, instance, CANCELING)
        except IncidentRaised:
            return False
        if listeners:
            _stop_change(turn, task)
            refuse_waiting(
                turn, task, "NOT_FOUND", f"Expected user task with key '{task.key}' to go on, but it is being canceled"
            )
            _wait(turn, task, Change(CANCELING, TaskOperation.CANCEL), listeners)
            return True
    return False


def _stop_change(turn: Turn, task: UserTask) -> None:
    """End what goes on at the task: a change, the jobs of its listeners, their incidents."""
    end_transitions(turn, task)
    cancel_jobs(turn, task.element_instance_key)
    end_incidents(turn, task.element_instance_key)


# --- listeners


def _listeners_of(turn: Turn, instance: ElementInstance, event: str) -> list[Listener]:
    definition = model_of(turn, instance).user_task
    found = () if definition is None else definition.listeners.get(event, ())
    listeners: list[Listener] = [
        (evaluate_text(turn, one.type, instance.key), evaluate_int32(turn, one.retries, instance.key), {**one.headers})
        for one in found
    ]
    if not len(turn.global_listeners):
        return listeners
    rows = [row for row in turn.global_listeners.in_order() if event in _read_event_types(row.event_types)]
    before: list[Listener] = [(row.type, row.retries, {}) for row in rows if not row.after_model]
    after: list[Listener] = [(row.type, row.retries, {}) for row in rows if row.after_model]
    return [*before, *listeners, *after]


def _wait(turn: Turn, task: UserTask, change: Change, listeners: list[Listener]) -> None:
    transition = TaskTransition(
        key=turn.next_key(),
        process_instance_key=task.process_instance_key,
        element_instance_key=task.element_instance_key,
        user_task_key=task.key,
        event=change.event,
        operation=change.operation,
        action=change.action,
        user=change.actor.user,
        changes=msgspec.json.encode(change.changes).decode(),
        variables=msgspec.json.encode(change.update or change.variables).decode(),
        listeners=msgspec.json.encode(listeners).decode(),
        proposal=msgspec.json.encode(change.proposal).decode() if change.proposal is not None else "",
        channel=change.actor.channel,
    )
    turn.task_transitions.insert(transition)
    turn.user_tasks.update(task, state=UserTaskState(change.event.upper()))
    if change.ticket:
        turn.awaited.add(task.key, change.ticket, ())
        turn.journal.note(turn.awaited.forget, change.ticket)
    _create_listener_job(turn, task, transition)


def _create_listener_job(turn: Turn, task: UserTask, transition: TaskTransition) -> None:
    type, retries, headers = _read_listeners(transition.listeners)[transition.listeners_done]
    create_job(
        turn,
        turn.elements[task.element_instance_key],
        type=type,
        retries=retries,
        headers=json_object(headers | _properties(task, transition)),
        kind=JobKind.TASK_LISTENER,
        listener_event=transition.event.upper(),
    )


def _properties(task: UserTask, transition: TaskTransition) -> dict[str, str]:
    """Return what the listener sees of the task, as it is to be, as headers."""
    changes = msgspec.json.decode(transition.changes)
    seen: dict[str, Any] = {
        name: changes.get(name, value_of(task, name))
        for name in ("assignee", "candidateGroups", "candidateUsers", "dueDate", "followUpDate", "priority")
    }
    changed = sorted([*changes, "variables"] if _update_of(transition) else changes)
    seen |= {"action": transition.action, "changedAttributes": changed, "userTaskKey": task.key}
    if task.form_key:
        seen["formKey"] = task.form_key
    return {RESERVED_HEADERS + name: _header(value) for name, value in seen.items() if value not in ("", [])}


def _update_of(transition: TaskTransition) -> VariableUpdate | None:
    """Return the variables that an update is about; None of any other change."""
    is_update = transition.event == UPDATING and transition.variables != "{}"
    return msgspec.json.decode(transition.variables, type=VariableUpdate) if is_update else None


def _header(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def transition_of(turn: Turn, instance: ElementInstance) -> tuple[UserTask, TaskTransition]:
    """Return the task of *instance* and the change that waits for its listeners."""
    [task] = turn.user_tasks.by("element_instance_key", instance.key)
    [transition] = turn.task_transitions.by("user_task_key", task.key)
    return task, transition


def has_own_assignee(turn: Turn, instance: ElementInstance) -> bool:
    """Whether the model gives the task of *instance*, which is being created, an assignee."""
    definition = model_of(turn, instance).user_task
    if definition is None or definition.assignee is None:
        return False
    return bool(definition.assignee.evaluate(VariableScope(turn, instance.key), turn.now).value)


def coming_variables(turn: Turn, instance: ElementInstance) -> Variables:
    """Return the variables that a change brings to the task of *instance*, once its listeners are done (read in the reference's sources)."""
    _, transition = transition_of(turn, instance)
    if update := _update_of(transition):
        return update.document
    variables: Variables = msgspec.json.decode(transition.variables)
    return variables


def listener_done(turn: Turn, task: UserTask, transition: TaskTransition, corrections: Changes) -> None:
    """Go on with a change after a listener: with the next one, or to its end. Later corrections replace earlier ones.

    Raises:
        InvalidArgument: the task would become too large.

    """
    changes = msgspec.json.decode(transition.changes) | corrections
    refuse_large(task, changes)
    done = transition.listeners_done + 1
    text = msgspec.json.encode(changes).decode()
    turn.task_transitions.update(transition, listeners_done=done, changes=text)
    if done < len(_read_listeners(transition.listeners)):
        _create_listener_job(turn, task, transition)
        return
    turn.task_transitions.end(transition, turn.now_ms)
    finished = Change(transition.event, transition.operation, transition.action, _actor_of(transition), changes)
    finished.update = _update_of(transition)
    finished.variables = {} if finished.update else msgspec.json.decode(transition.variables)
    finished.proposal = _read_proposal(transition.proposal) if transition.proposal else None
    _finish(turn, task, finished)
    if not turn.task_transitions.has_any("user_task_key", task.key):
        answer_waiting(turn, task)


def deny_change(turn: Turn, task: UserTask, transition: TaskTransition, reason: str) -> None:
    """Let the task be as it was before the change, and refuse those who wait for it.

    The history keeps what was wanted and why it was denied: nobody waits for a completion that was held.
    """
    turn.task_transitions.end(transition, turn.now_ms)
    turn.user_tasks.update(task, state=UserTaskState.CREATED)
    text = f"{MAY_BE_DENIED[transition.event]} of the User Task with key '{task.key}' was denied by Task Listener"
    text = f"{text}. Reason to deny: '{reason}'" if reason else text
    wanted = msgspec.json.decode(transition.changes)
    diff = {name: (before, new) for name, new in wanted.items() if (before := value_of(task, name)) != new}
    actor = _actor_of(transition)
    note_event(turn, task, transition.operation, action=transition.action, actor=actor, diff=diff, refusal=text)
    refuse_waiting(turn, task, "INVALID_STATE", text)


def _actor_of(transition: TaskTransition) -> Actor:
    """Return the person who wanted the change, as far as the history needs them."""
    return Actor(transition.user, channel=transition.channel)


# --- the change itself


def _finish(turn: Turn, task: UserTask, change: Change) -> None:
    instance = turn.elements[task.element_instance_key]
    if change.event == CREATING:
        _finish_creation(turn, task, change)
        return
    if change.event == CANCELING:
        diff = apply_changes(turn, task, change.changes)
        if diff:
            note_event(turn, task, change.operation, diff=diff)
        end_task(turn, task, UserTaskState.CANCELED)
        follow_waiting(turn, task.process_instance_key, ContinueTermination)
        return
    is_completed = change.event == COMPLETING
    if change.proposal is not None:
        write_answer(turn, task, change.proposal, change.actor)
    diff = apply_changes(turn, task, change.changes, **({} if is_completed else _BACK[task.state]))
    is_repeated = not diff and change.action == "claim"  # the person has the task already: nothing has happened
    if diff or (change.actor.user and not is_repeated) or change.action not in _DEFAULT_ACTIONS:
        note_event(turn, task, change.operation, action=change.action, actor=change.actor, diff=diff)
    if change.action and diff.get("assignee", _STAYS)[0] == "":
        note_duration(turn, task, "claimed")
    if change.update is not None:
        change.update.take_effect(turn, instance)
    if is_completed:
        keep_result(turn, instance, change.variables)
        end_task(turn, task, UserTaskState.COMPLETED)
        _complete_job(turn, task)
        plan_completion(turn, instance)


#: The change of the state with which a change ends.
_BACK: dict[UserTaskState, dict[str, UserTaskState]] = {
    state: {} if state is UserTaskState.CREATED else {"state": UserTaskState.CREATED} for state in UserTaskState
}
_STAYS = (None, None)
_DEFAULT_ACTIONS = frozenset({"", "assign", "claim", "unassign", "update", "complete"})


def _finish_creation(turn: Turn, task: UserTask, change: Change) -> None:
    """Let the task be created; then its assignee is assigned, which other listeners may want to see."""
    assignee = change.changes.pop("assignee", "")
    diff = apply_changes(turn, task, change.changes, **_BACK[task.state])
    if diff:
        note_event(turn, task, TaskOperation.CREATE, diff=diff)
    if not assignee:
        return
    assign = Change(ASSIGNING, TaskOperation.ASSIGN, changes={"assignee": assignee})
    try:
        change_task(turn, task, assign)
    except IncidentRaised as fault:
        raise_incident(turn, turn.elements[task.element_instance_key], fault.error_type, str(fault))


def _complete_job(turn: Turn, task: UserTask) -> None:
    """Complete the job of a job-based task, in whatever state it is; an incident of it is over."""
    job = turn.jobs.get(task.job_key)
    if job is None:
        return
    turn.jobs.end(job, turn.now_ms, state=JobState.COMPLETED, deadline_ms=0)
    turn.note(JOB, "completed", job.type, job.key, job.process_instance_key, since_ms=job.created_ms)
    end_incidents(turn, task.element_instance_key)
