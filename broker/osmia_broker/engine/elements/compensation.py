"""Compensation: handlers undo what activities have done (BPMN 2.0, 10.7).

A throwing event calls the handlers of all completed activities of its scope at once, or of one activity, and waits until they have completed.
Activities inside completed subprocesses are reached too, unless their subprocess has a handler of its own.
"""

import msgspec

from osmia_broker.engine.elements.events import throws
from osmia_broker.engine.lifecycle import insert, plan_completion
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import put_local
from osmia_broker.model.events import CompensationEvent, Trigger
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import Compensation, ElementInstance

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@throws(Trigger.COMPENSATION)
def compensate(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Call the handlers; with nothing to compensate, pass."""
    event = element.event
    assert isinstance(event, CompensationEvent), "registered for compensation"
    if not call_handlers(turn, instance, _scope_to_compensate(turn, instance), event.activity_id):
        plan_completion(turn, instance)


def _scope_to_compensate(turn: Turn, instance: ElementInstance) -> ElementInstance:
    """Return the scope whose activities are compensated: that of the thrower, or the one around its event subprocess."""
    scope = turn.elements[instance.scope_key]
    return turn.elements[scope.scope_key] if scope.type == ElementType.EVENT_SUB_PROCESS else scope


def call_handlers(turn: Turn, thrower: ElementInstance, scope: ElementInstance, activity_id: str = "") -> bool:
    """Start the handlers that *thrower* waits for, and return whether there are any. An empty *activity_id* means all activities."""
    kept = [row for row in turn.compensations.by("scope_key", scope.key) if not row.thrower_key]
    roots = [row for row in kept if row.place == scope.key and activity_id in ("", row.element_id)]
    called = [row for root in roots for row in _with_inner(root, kept)]
    elements = turn.definitions.process(scope.process_definition_key).elements
    for row in called:
        handler = insert(turn, elements[row.handler_id], scope)
        if row.variables:
            put_local(turn, handler, {name: bytes(value).decode() for name, value in _split(row.variables).items()})
        turn.compensations.update(row, thrower_key=thrower.key, handler_key=handler.key)
        turn.plan(handler)
    return bool(called)


def _with_inner(row: Compensation, kept: list[Compensation]) -> list[Compensation]:
    """Return the rows with a handler that compensating *row* calls: itself, or those of the subprocess that it stands for."""
    if row.handler_id:
        return [row]
    inner = [one for one in kept if one.place == row.completed_key]
    return [called for one in inner for called in _with_inner(one, kept)]
