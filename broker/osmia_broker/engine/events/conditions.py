"""Conditions: checked when their events open, and when a variable changes that they read. A condition that is true fires its event.

Only true fires. Null is the ordinary case of a variable that does not exist yet; any other value, and a failed evaluation, fire nothing either.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine.answers import ConditionalsEvaluated
from osmia_broker.engine.commands import EvaluateConditional
from osmia_broker.engine.commands.inner import CheckConditions
from osmia_broker.engine.engine import handles, log_unreadable
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.starts import start_at
from osmia_broker.engine.expressions import VariableScope
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import ConditionEvent
from osmia_broker.model.expressions import Scope
from osmia_broker.model.graph import Element
from osmia_broker.state.rows import StartSubscription, Subscription, SubscriptionKind

CHECKED_PER_SLICE = 100  # about 5 ms


@carries_out(CheckConditions)
def check_conditions(turn: Turn, command: CheckConditions) -> None:
    """Fire the events whose condition is true: of new subscriptions, or of those that wait for a variable that has changed."""
    found = _subscriptions(turn, command)
    for subscription in found[:CHECKED_PER_SLICE]:
        if subscription.key not in turn.subscriptions:
            continue  # an event that fired before has ended what waited
        event = turn.definitions.process(subscription.process_definition_key).elements[subscription.element_id]
        assert isinstance(event.event, ConditionEvent), "registered for conditions"
        is_concerned = bool(command.subscription_keys) or event.event.is_concerned(command.names, command.created)
        owner_key = subscription.element_instance_key
        if is_concerned and _is_true(turn, event, VariableScope(turn, owner_key)):
            fire(turn, turn.elements[owner_key], event, {})
    if len(found) > CHECKED_PER_SLICE:
        after_key, until_key = found[CHECKED_PER_SLICE - 1].key, found[-1].key
        turn.follow(command.process_instance_key, replace(command, after_key=after_key, until_key=until_key))


def _subscriptions(turn: Turn, command: CheckConditions) -> list[Subscription]:
    """Return the subscriptions that are left to check, in order of their keys. One that was opened later has been checked then."""
    if command.subscription_keys:
        found = (turn.subscriptions.get(key) for key in command.subscription_keys)
        return [subscription for subscription in found if subscription is not None]
    until_key = command.until_key or turn.state.last_key
    if not command.scope_key:
        conditions = turn.subscriptions.conditions
        return conditions.between(command.process_instance_key, command.after_key, until_key)
    inside = _conditions_inside(turn, command.scope_key)
    return sorted((one for one in inside if command.after_key < one.key <= until_key), key=_key)


def _conditions_inside(turn: Turn, scope_key: int) -> Iterator[Subscription]:
    """Yield the subscriptions to conditions of an element instance and of all that live in it."""
    keys = [scope_key]
    for key in keys:  # grows while it is walked
        waiting = turn.subscriptions.by("element_instance_key", key)
        yield from (one for one in waiting if one.kind is SubscriptionKind.CONDITION)
        keys.extend(inner.key for inner in turn.elements.by("scope_key", key))


_key = attrgetter("key")


def _is_true(turn: Turn, event: Element, scope: Scope) -> bool:
    assert isinstance(event.event, ConditionEvent), "registered for conditions"
    result = event.event.condition.evaluate(scope, turn.now)
    return result.failure is None and result.value is True


@handles(EvaluateConditional)
def evaluate_conditional(turn: Turn, command: EvaluateConditional) -> ConditionalsEvaluated:
    """Start an instance of each process whose conditional start event holds for the variables.

    Where no process is named, one whose stored model cannot be read starts nothing, and the others are evaluated all the same.
    """
    scope: dict[str, Any] = {name: msgspec.Raw(value) for name, value in command.variables.items()}
    started = []
    for subscription in _start_subscriptions(turn, command.process_definition_key):
        definition_key = subscription.process_definition_key
        try:
            model = turn.definitions.process(definition_key)
        except InvalidState as unreadable:
            if command.process_definition_key > 0:
                raise
            log_unreadable(str(unreadable))
            continue
        event = model.elements[subscription.element_id]
        if _is_true(turn, event, scope):
            process = start_at(turn, definition_key, event.id, command.variables)
            started.append((definition_key, process.key))
    return ConditionalsEvaluated(turn.next_key(), tuple(started))


def _start_subscriptions(turn: Turn, definition_key: int) -> list[StartSubscription]:
    if definition_key <= 0:
        return turn.start_subscriptions.by_name(SubscriptionKind.CONDITION, "")
    definition = turn.definitions.processes.get(definition_key)
    if definition is None or definition.deleted_ms:
        raise NotFound(
            f"Expected to evaluate conditional start events of the process definition with key '{definition_key}',"
            " but no such definition was found"
        )
    found = turn.start_subscriptions.of_definition(definition_key)
    return [subscription for subscription in found if subscription.kind is SubscriptionKind.CONDITION]
