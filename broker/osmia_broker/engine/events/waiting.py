"""Open what an active element instance waits for, and close it again: a timer or a subscription per event."""

from osmia_broker import feel
from osmia_broker.engine.commands.inner import CheckConditions, CorrelateKept
from osmia_broker.engine.events.due import due_of
from osmia_broker.engine.events.remote import end_subscription, report_opened
from osmia_broker.engine.expressions import evaluate, evaluate_text
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import FROM_OUTSIDE, ConditionEvent, MessageEvent, SignalEvent, TimerEvent
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element
from osmia_broker.state.rows import ElementInstance, ErrorType, Subscription, SubscriptionKind, Timer


def open_event(turn: Turn, owner: ElementInstance, event: Element) -> None:
    """Let *owner* wait for *event*. An error or another trigger from inside is not waited for: it is looked for when it is thrown.

    Raises:
        IncidentRaised: a value of the event cannot be evaluated.

    """
    trigger = event.event
    if trigger is None or trigger.trigger not in FROM_OUTSIDE:
        return
    if isinstance(trigger, TimerEvent):
        _open_timer(turn, owner, event, trigger)
    elif isinstance(trigger, MessageEvent):
        name = evaluate_text(turn, trigger.name, owner.key)
        assert trigger.correlation_key is not None, f"'{event.id}' was deployed without a correlation key"
        key = correlation_key(turn, trigger.correlation_key, owner.key)
        subscription = _subscribe(turn, owner, event, SubscriptionKind.MESSAGE, name=name, key=key)
        if not report_opened(turn, subscription) and turn.state.may_have_message(name, key):
            turn.follow(owner.process_instance_key, CorrelateKept(subscription.key))
    elif isinstance(trigger, SignalEvent):
        name = evaluate_text(turn, trigger.name, owner.key)
        key = str(owner.process_instance_key) if trigger.stays_inside else ""
        _subscribe(turn, owner, event, SubscriptionKind.SIGNAL, name=name, key=key)
    elif isinstance(trigger, ConditionEvent):
        subscription = _subscribe(turn, owner, event, SubscriptionKind.CONDITION)
        turn.follow(owner.process_instance_key, CheckConditions(owner.process_instance_key, (subscription.key,)))


def correlation_key(turn: Turn, expression: Expression, scope_key: int) -> str:
    """Evaluate a correlation key: a text, or a number, which is written as text (2.0 is "2").

    Raises:
        IncidentRaised: it is neither.

    """
    result = evaluate(turn, expression, scope_key)
    if isinstance(result.value, str):
        return evaluate_text(turn, expression, scope_key)
    if feel.type_name(result.value) != "NUMBER":
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR,
            f"Failed to extract the correlation key for '{expression.text}': The value must be either a string or a number,"
            f" but was '{feel.type_name(result.value)}'.{feel.warnings_text(result.warnings)}",
        )
    return feel.to_json(result.value)


def _open_timer(turn: Turn, owner: ElementInstance, event: Element, timer: TimerEvent) -> None:
    due = due_of(timer, lambda value: evaluate(turn, value, owner.key), turn.now_ms)
    if due is None:
        return
    turn.timers.insert(
        Timer(
            key=turn.next_key(),
            process_instance_key=owner.process_instance_key,
            process_definition_key=owner.process_definition_key,
            element_instance_key=owner.key,
            element_id=event.id,
            due_ms=due.due_ms,
            repetitions=due.repetitions,
            cycle=due.cycle,
            created_ms=turn.now_ms,
        )
    )


def _subscribe(
    turn: Turn, owner: ElementInstance, event: Element, kind: SubscriptionKind, *, name: str = "", key: str = ""
) -> Subscription:
    definition = turn.definitions.processes.get(owner.process_definition_key)
    assert definition is not None, "a running instance has a definition"
    subscription = Subscription(
        key=turn.next_key(),
        process_instance_key=owner.process_instance_key,
        process_definition_key=owner.process_definition_key,
        element_instance_key=owner.key,
        element_id=event.id,
        bpmn_process_id=definition.bpmn_process_id,
        kind=kind,
        name=name,
        correlation_key=key,
        created_ms=turn.now_ms,
    )
    turn.subscriptions.insert(subscription)
    return subscription


def close_events(turn: Turn, owner: ElementInstance, events: "frozenset[str] | None" = None) -> None:
    """End what *owner* waits for: everything, or only these *events* by element id."""
    for timer in turn.timers.by("element_instance_key", owner.key):
        if events is None or timer.element_id in events:
            turn.timers.end(timer, turn.now_ms, due_ms=0)
    for subscription in turn.subscriptions.by("element_instance_key", owner.key):
        if events is None or subscription.element_id in events:
            end_subscription(turn, subscription)
