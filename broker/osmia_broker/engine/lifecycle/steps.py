"""The two steps of an element instance. Each is taken as a whole, or undone and left to an incident and taken again later."""

from osmia_broker.engine.domain_events import INSTANCE
from osmia_broker.engine.lifecycle.moves import advance, model_of
from osmia_broker.engine.lifecycle.processor import PROCESSORS
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import apply_inputs, apply_outputs, document
from osmia_broker.model.graph import SequenceFlow
from osmia_broker.state.rows import ElementInstance, ElementState


def take_step(turn: Turn, instance: ElementInstance) -> None:
    """Take the step that the state of *instance* asks for; in a state that waits there is none."""
    if instance.state is ElementState.ACTIVATING:
        _activate(turn, instance)
    elif instance.state is ElementState.COMPLETING:
        _complete(turn, instance)


def _activate(turn: Turn, instance: ElementInstance) -> None:
    element = model_of(turn, instance)
    if element.inputs:
        apply_inputs(turn, instance, element.inputs)
    advance(turn, instance, ElementState.ACTIVATED)
    PROCESSORS[instance.type].activate(turn, instance, element)


def _complete(turn: Turn, instance: ElementInstance) -> None:
    element = model_of(turn, instance)
    if element.outputs:
        apply_outputs(turn, instance, element.outputs)
    flows = PROCESSORS[instance.type].outgoing(turn, instance, element)
    scope = turn.elements.get(instance.scope_key)
    if scope is None:
        _end_process(turn, instance)
        return
    for flow in flows:
        take(turn, flow, scope)
    advance(turn, instance, ElementState.COMPLETED)
    PROCESSORS[scope.type].child_left(turn, scope)


def take(turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
    """Follow a sequence flow inside *scope*."""
    PROCESSORS[flow.target.type].arrive(turn, flow, scope)


def _end_process(turn: Turn, process: ElementInstance) -> None:
    """Complete a process instance and answer the caller who waits for its result."""
    turn.note(INSTANCE, "completed", process.element_id, process.key, process.key)
    waiting = turn.awaited.pop(process.key)
    if waiting is not None:
        turn.journal.note(turn.awaited.add, process.key, *waiting)
        ticket, names = waiting
        variables = {name: row.value for name, row in turn.variables.of_scope(process.key).items()}
        if names:
            variables = {name: variables[name] for name in names if name in variables}
        turn.answer_ticket(ticket, document(variables))
    advance(turn, process, ElementState.COMPLETED)
