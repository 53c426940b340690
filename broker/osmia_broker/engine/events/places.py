"""Fire an event of an element instance. What happens to its owner depends on the place of the event."""

from osmia_broker.engine.activiti.element_mappings import keep_result
from osmia_broker.engine.commands import Variables
from osmia_broker.engine.events.waiting import close_events
from osmia_broker.engine.lifecycle import (
    advance,
    ends_process,
    insert,
    is_ending,
    model_of,
    plan_completion,
    terminate,
    terminate_inside,
)
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import merge, put_local
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance, ElementState

#: They happen to an element while its work goes on.
_OF_ACTIVE = frozenset({ElementType.START_EVENT, ElementType.BOUNDARY_EVENT})


def fire(turn: Turn, owner: ElementInstance, event: Element, variables: Variables, *, stay_local: bool = False) -> bool:
    """Let *event* happen to *owner*, the element instance that waits for it; return whether *owner* still takes it.

    With output mappings the *variables* are local to the event, and only what is mapped leaves it. Without them, they are merged outwards from
    the scope of the event; those of an error (*stay_local*) stay local to a boundary event.

    Raises:
        TooLarge: the variables of the process instance would be too large.

    """
    if not may_fire(turn, owner, event):
        return False
    if event.type is ElementType.BOUNDARY_EVENT:
        _fire_boundary(turn, owner, event, variables, stay_local)
    elif event.type is ElementType.START_EVENT:
        _fire_event_subprocess(turn, owner, event, variables)
    elif owner.type == ElementType.EVENT_BASED_GATEWAY:
        _fire_behind_gateway(turn, owner, event, variables)
    else:
        close_events(turn, owner, frozenset({event.id}))
        _receive(turn, owner, variables)
        plan_completion(turn, owner)
    return True


def may_fire(turn: Turn, owner: ElementInstance, event: Element) -> bool:
    """Whether *owner* still takes *event*.

    Nothing does that is being terminated. An element that completes begins no event subprocess any more and is left by no boundary event, even
    if a listener or an incident holds it at its end: its work is done.
    """
    if event.type in _OF_ACTIVE and owner.state is not ElementState.ACTIVATED:
        return False
    return not is_ending(turn, owner)


def _receive(turn: Turn, instance: ElementInstance, variables: Variables) -> None:
    if variables:
        keep_result(turn, instance, variables)


def _fire_boundary(turn: Turn, host: ElementInstance, event: Element, variables: Variables, stay_local: bool) -> None:
    scope = turn.elements[host.scope_key]
    if event.is_interrupting:
        terminate(turn, host)
    instance = insert(turn, event, scope)
    if variables and stay_local:
        put_local(turn, instance, variables)
    elif variables:
        keep_result(turn, instance, variables)
    turn.plan(instance)


def _fire_event_subprocess(turn: Turn, scope: ElementInstance, event: Element, variables: Variables) -> None:
    """Begin an event subprocess of *scope*. Its variables belong to the scope around it (measured)."""
    subprocess = event.scope
    assert subprocess is not None, "a start event with a trigger stands in an event subprocess"
    if event.is_interrupting:
        close_events(turn, scope, frozenset(one.id for one in model_of(turn, scope).catches))
        terminate_inside(turn, scope)
    instance = insert(turn, subprocess, scope)
    start = insert(turn, event, instance)  # prepared: it goes on when the event subprocess is activated
    if variables and event.outputs:
        put_local(turn, start, variables)
    elif variables:
        merge(turn, scope, variables)
    turn.plan(instance)


def _fire_behind_gateway(turn: Turn, gateway: ElementInstance, event: Element, variables: Variables) -> None:
    """Complete an event-based gateway over the flow to *event*, which has happened already."""
    close_events(turn, gateway)
    scope = turn.elements[gateway.scope_key]
    flow = next(flow for flow in model_of(turn, gateway).outgoing if flow.target is event)
    instance = insert(turn, event, scope, flow.id)
    _receive(turn, instance, variables)
    advance(turn, instance, ElementState.ACTIVATED)
    plan_completion(turn, instance)
    advance(turn, gateway, ElementState.COMPLETING)
    is_end = ends_process(turn, gateway)
    advance(turn, gateway, ElementState.COMPLETED)
    if is_end:
        terminate(turn, turn.elements[gateway.process_instance_key])
