"""Start events with a trigger: they wait for the latest version of a process, and each firing starts an instance.

A signal may fire many start events, and a timer has no caller who could be refused. So an instance that cannot begin (a stored model is
corrupt, its variables are too large) stops behind an incident of its own, and what else the trigger starts begins all the same.
"""

from functools import partial
from typing import Any

from msgspec.structs import replace

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.activiti.process_variables import triggered_variables, with_initiator
from osmia_broker.engine.commands import Command, Variables
from osmia_broker.engine.engine import apart, leave_behind_incident
from osmia_broker.engine.events.due import due_of
from osmia_broker.engine.expressions import GlobalScope
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import insert, is_ending
from osmia_broker.engine.new_instances import add_origin, new_process
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.model.events import ConditionEvent, MessageEvent, SignalEvent, TimerEvent
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import (
    ElementInstance,
    ElementState,
    ProcessDefinition,
    StartSubscription,
    SubscriptionKind,
    Timer,
)


class Begin(Command, frozen=True, gc=False):
    """Let a process instance begin at a start event that has fired; a follow-up that waits for its incident."""

    process_instance_key: int
    element_id: str
    variables: Variables


def start_at(
    turn: Turn,
    definition_key: int,
    element_id: str,
    variables: Variables,
    *,
    correlation_key: str = "",
    traceparent: str = "",
) -> ElementInstance:
    """Start an instance at a start event that has fired; return its process. It may have stopped behind an incident."""
    process = new_process(turn, _definition(turn, definition_key))
    if correlation_key or traceparent:
        add_origin(turn, process, correlation_key=correlation_key, traceparent=traceparent)
    begin = Begin(process.key, element_id, variables)
    apart(turn, process.key, partial(begin_at, turn, begin), begin)
    return process


def start_by_timer(turn: Turn, timer: Timer, stop: Exception | None = None) -> None:
    """Start an instance at the start event of *timer*; *stop* is the reason why it is known that it cannot begin.

    An instance that cannot begin stands for the later firings too, until it begins or ends: a cycle does not pile them up.
    """
    stopped = _stopped_by(turn, timer)
    savepoint = turn.savepoint()
    process = new_process(turn, _definition(turn, timer.process_definition_key))
    begin = Begin(process.key, timer.element_id, {})
    if stop is not None:
        leave_behind_incident(turn, process, begin, stop)
    elif apart(turn, process.key, partial(begin_at, turn, begin), begin):
        return
    if stopped:
        turn.take_back(savepoint)
    else:
        _note_stopped(turn, timer.process_definition_key, timer.key, process.key)


def _stopped_by(turn: Turn, timer: Timer) -> bool:
    """Whether an instance that *timer* could not begin still waits. One that has begun has an element in it, and is active after that."""
    found = turn.start_subscriptions.of_definition(timer.process_definition_key)
    key = next((one.stopped_key for one in found if one.timer_key == timer.key), 0)
    if not key:
        return False
    try:
        process = turn.find_element(key)
    except InvalidState:
        return True  # its row cannot be read: it is there
    return (
        process is not None
        and process.state is ElementState.ACTIVATING
        and not turn.elements.by("scope_key", process.key)
    )


def _note_stopped(turn: Turn, definition_key: int, timer_key: int, stopped_key: int) -> None:
    for subscription in turn.start_subscriptions.of_definition(definition_key):
        if subscription.timer_key == timer_key:
            turn.start_subscriptions.put(replace(subscription, stopped_key=stopped_key))


@carries_out(Begin)
def begin_at(turn: Turn, command: Begin) -> None:
    """Let an instance begin, unless it is ending.

    With output mappings the variables are local to the start event; without them they are the instance's.
    """
    process = turn.elements.get(command.process_instance_key)
    if process is None or is_ending(turn, process):
        return
    definition = _definition(turn, process.process_definition_key)
    model = turn.definitions.process(definition.key)
    event = model.elements.get(command.element_id)
    if event is None or event.type is not ElementType.START_EVENT or event.scope is not model.root:
        raise InvalidState(
            f"Expected start event '{command.element_id}' to begin at, but found none: the instance was migrated"
        )
    variables = command.variables
    start = insert(turn, event, process)  # prepared: it goes on when the process is activated
    if event.outputs:
        put_local(turn, start, variables)
        variables = {}
    variables = triggered_variables(turn, definition, event.id, variables)
    put_local(turn, process, with_initiator(model, event, variables, ""))
    turn.plan(process)


def _definition(turn: Turn, key: int) -> ProcessDefinition:
    definition = turn.definitions.processes.get(key)
    assert definition is not None, "a start event has a definition"
    return definition


class UnusableStart(Exception):
    """A start event cannot wait for its trigger. The text gives the reason, *element_id* is that of the event."""

    def __init__(self, event: Element, reason: str) -> None:
        super().__init__(reason)
        self.element_id = event.id


def open_starts(turn: Turn, definition: ProcessDefinition) -> None:
    """Let the start events of *definition* wait, which is the latest version of its process now.

    Raises:
        UnusableStart: a value of a start event cannot be evaluated without variables.

    """
    for event in turn.definitions.process(definition.key).root.event_starts:
        trigger = event.event
        if isinstance(trigger, TimerEvent):
            _open_timer(turn, definition, event, trigger)
        elif isinstance(trigger, MessageEvent):
            _subscribe(turn, definition, event, SubscriptionKind.MESSAGE, name=_name(turn, event, trigger.name))
        elif isinstance(trigger, SignalEvent):
            _subscribe(turn, definition, event, SubscriptionKind.SIGNAL, name=_name(turn, event, trigger.name))
        elif isinstance(trigger, ConditionEvent):
            _subscribe(turn, definition, event, SubscriptionKind.CONDITION)


def close_starts(turn: Turn, definition_key: int) -> None:
    """End what the start events of a definition wait for: another version is the latest now, or it is deleted."""
    for subscription in turn.start_subscriptions.of_definition(definition_key):
        turn.start_subscriptions.end(subscription, turn.now_ms)
        if subscription.timer_key:
            timer: Timer | None = turn.state.find(Timer, subscription.timer_key)
            if timer is not None:
                turn.timers.end(timer, turn.now_ms, due_ms=0)


def _subscribe(
    turn: Turn,
    definition: ProcessDefinition,
    event: Element,
    kind: SubscriptionKind,
    *,
    name: str = "",
    timer_key: int = 0,
) -> None:
    turn.start_subscriptions.put(
        StartSubscription(
            key=turn.next_key(),
            process_definition_key=definition.key,
            bpmn_process_id=definition.bpmn_process_id,
            element_id=event.id,
            kind=kind,
            name=name,
            timer_key=timer_key,
        )
    )


def _open_timer(turn: Turn, definition: ProcessDefinition, event: Element, timer: TimerEvent) -> None:
    try:
        due = due_of(timer, partial(_evaluated, turn, event), turn.now_ms)
    except IncidentRaised as fault:
        raise UnusableStart(event, str(fault)) from fault
    if due is None:
        return
    key = turn.next_key()
    turn.timers.insert(
        Timer(
            key=key,
            process_instance_key=key,
            process_definition_key=definition.key,
            element_instance_key=0,
            element_id=event.id,
            due_ms=due.due_ms,
            repetitions=due.repetitions,
            cycle=due.cycle,
            created_ms=turn.now_ms,
        )
    )
    _subscribe(turn, definition, event, SubscriptionKind.TIMER, timer_key=key)


def _name(turn: Turn, event: Element, expression: Expression) -> str:
    value = _evaluated(turn, event, expression).value
    if not isinstance(value, str):
        raise UnusableStart(event, f"Expected the name '{expression.text}' to give a text without variables")
    return value


def _evaluated(turn: Turn, event: Element, expression: Expression) -> Any:
    result = expression.evaluate(GlobalScope(turn), turn.now)
    if result.failure is not None:
        raise UnusableStart(event, result.failure)
    return result
