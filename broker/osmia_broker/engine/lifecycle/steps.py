"""The two steps of an element instance. Each is taken as a whole, or undone and left to an incident and taken again later.

Execution listeners divide a step: their jobs are done one after the other, and the step is taken again after each. The input mappings come
before the start listeners, the output mappings before the end listeners; `listeners_done` says how far a step has come.
"""

from osmia_broker.engine.activiti.element_mappings import apply_outputs as apply_mapped_outputs
from osmia_broker.engine.activiti.element_mappings import put_inputs
from osmia_broker.engine.activiti.extensions import mapping_of
from osmia_broker.engine.activiti.skipping import is_skipped
from osmia_broker.engine.domain_events import INSTANCE
from osmia_broker.engine.events.waiting import close_events, open_event
from osmia_broker.engine.incidents import NoRoom
from osmia_broker.engine.lifecycle.compensable import keep_for_compensation
from osmia_broker.engine.lifecycle.ended import process_ended
from osmia_broker.engine.lifecycle.moves import ACTIVATED, ACTIVATING, COMPLETED, COMPLETING, advance, plan_completion
from osmia_broker.engine.lifecycle.processor import PROCESSORS
from osmia_broker.engine.lifecycle.scopes import terminate
from osmia_broker.engine.models import model_of
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.new_jobs import create_listener_job
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import apply_inputs, apply_outputs
from osmia_broker.model.graph import Element, ElementType, ListenerDefinition, SequenceFlow
from osmia_broker.state.json_text import document
from osmia_broker.state.rows import ElementInstance, ErrorType

#: Element instances of one process instance that live at a time. Beyond it, no fork makes more of them: a loop through a fork that waits in
#: between (for a timer of no length) never passes the bounds of a walk, and the whole process instance has to fit into memory.
LIVING_MAX = 200_000
START, END = "START", "END"  #: the events of execution listeners

_BODY = ElementType.MULTI_INSTANCE_BODY  # a name of its own for what every step asks, see `moves`

#: The instances that hold visits of their element; its mappings and listeners belong to these.
CONTAINERS = frozenset({_BODY, ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE})


def take_step(turn: Turn, instance: ElementInstance) -> None:
    """Take the step that the state of *instance* asks for; in a state that waits there is none."""
    if instance.state is ACTIVATING:
        _activate(turn, instance)
    elif instance.state is COMPLETING:
        _complete(turn, instance)


def _activate(turn: Turn, instance: ElementInstance) -> None:
    element = model_of(turn, instance)
    if element.only_passes and not turn.agenda and mapping_of(turn, instance) is None:
        _pass(turn, instance, element)
        return
    if instance.type == _BODY:
        listeners = element.body_listeners
    else:
        listeners = element.start_listeners
        if element.ad_hoc is not None and not instance.listeners_done:
            PROCESSORS[instance.type].prepare(turn, instance, element)
        if element.inputs and not instance.listeners_done:
            apply_inputs(turn, instance, element.inputs)
    if listeners and _waits_for_listener(turn, instance, listeners, START):
        return
    advance(turn, instance, ACTIVATED)
    if element.skip is not None and instance.type not in CONTAINERS and is_skipped(turn, instance, element.skip):
        plan_completion(turn, instance)
        return
    if element.boundaries or element.catches:
        _open_events(turn, instance, element)
    if element.is_extensible:
        _begin_mapped(turn, instance, element)
    else:
        PROCESSORS[instance.type].activate(turn, instance, element)


def _begin_mapped(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Begin the work of an element that an Activiti extension file may map.

    What goes in is not seen by the element's own attributes. It is what a called process or a published message gets, so it comes first there.
    """
    mapping = mapping_of(turn, instance)
    sends = element.call is not None or element.publish is not None
    if mapping is not None and sends:
        put_inputs(turn, instance, mapping)
    PROCESSORS[instance.type].activate(turn, instance, element)
    if mapping is not None and not sends:
        put_inputs(turn, instance, mapping)


def _open_events(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Open what the element waits for. The boundary events of a loop belong to its body, all others to each instance."""
    if not instance.loop_counter:
        for event in element.boundaries:
            open_event(turn, instance, event)
    if instance.type != _BODY:
        for event in element.catches:
            open_event(turn, instance, event)


def _waits_for_listener(
    turn: Turn, instance: ElementInstance, listeners: tuple[ListenerDefinition, ...], event: str
) -> bool:
    """Create the job of the next listener; return False if all have done theirs."""
    done = instance.listeners_done
    if done < len(listeners):
        if not turn.jobs.has_any("element_instance_key", instance.key):
            create_listener_job(turn, instance, listeners[done], event)
        return True
    turn.elements.set(instance, "listeners_done", 0)
    return False


def _complete(turn: Turn, instance: ElementInstance) -> None:
    element = model_of(turn, instance)
    if instance.type not in CONTAINERS and _waits_at_its_end(turn, instance, element):
        return
    flows = [] if instance.loop_counter else PROCESSORS[instance.type].outgoing(turn, instance, element)
    if element.boundaries:
        close_events(turn, instance)
    if not instance.scope_key:
        _end_process(turn, instance)
        return
    _leave(turn, instance, element, flows)


def _pass(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Take both steps of an element that only passes the token on as one. Nothing is planned that would have come between them.

    They count as two for the bounds of a walk. Only those who follow the events see the states between.
    """
    turn.depth += 1
    turn.steps += 1
    if turn.event_log.is_recording:
        advance(turn, instance, ACTIVATED)
        advance(turn, instance, COMPLETING)
    _leave(turn, instance, element, element.outgoing)


def _leave(turn: Turn, instance: ElementInstance, element: Element, flows: list[SequenceFlow]) -> None:
    """Let the token leave over *flows*, and end the element."""
    if len(flows) > 1:
        _check_room(turn, instance)
    scope = turn.elements[instance.scope_key]
    if element.boundaries or turn.compensations.living:
        keep_for_compensation(turn, instance, element, scope)
    PROCESSORS[scope.type].child_completes(turn, scope, instance, element)
    if instance.ended_ms:
        return  # it was the last act of a transaction that has been cancelled
    is_end = ends_process(turn, instance)
    for flow in () if is_end else flows:
        take(turn, flow, scope)
    advance(turn, instance, COMPLETED)
    if is_end:
        terminate(turn, turn.elements[instance.process_instance_key])
    else:
        PROCESSORS[scope.type].child_left(turn, scope)


def _check_room(turn: Turn, fork: ElementInstance) -> None:
    """Let a *fork* wait in a process instance that has LIVING_MAX element instances."""
    living = turn.elements.count_of_instance(fork.process_instance_key)
    if living >= LIVING_MAX:
        raise NoRoom(
            ErrorType.UNKNOWN,
            f"Expected a process instance to have at most {LIVING_MAX} element instances at a time, but found {living} before '{fork.element_id}'"
            " takes several flows; resolve this incident when some have ended",
        )


def _waits_at_its_end(turn: Turn, instance: ElementInstance, element: Element) -> bool:
    """Apply the output mappings, then return whether an end listener has to work before the element completes.

    From here on no event subprocess begins; a boundary event may still come while listeners work.
    """
    if element.catches:
        close_events(turn, instance, frozenset(event.id for event in element.catches))
    if element.outputs and not instance.listeners_done:
        apply_outputs(turn, instance, element.outputs)
    elif element.is_extensible and (mapping := mapping_of(turn, instance)) is not None:
        apply_mapped_outputs(turn, instance, mapping)
    return bool(element.end_listeners) and _waits_for_listener(turn, instance, element.end_listeners, END)


def ends_process(turn: Turn, instance: ElementInstance) -> bool:
    """Return whether the caller who created the process instance wants it to be terminated after this element.

    Of an element with a loop, the body counts, and of an ad-hoc subprocess the whole.
    """
    if (
        not turn.origins.living
        or instance.loop_counter
        or instance.type == ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE
    ):
        return False
    origin = origin_of(turn, instance.process_instance_key)
    return (
        origin is not None
        and bool(origin.terminate_after)
        and instance.element_id in origin.terminate_after.split("\n")
    )


def take(turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
    """Follow a sequence flow inside *scope*."""
    PROCESSORS[flow.target.type].arrive(turn, flow, scope)


def _end_process(turn: Turn, process: ElementInstance) -> None:
    """Complete a process instance and answer those who wait for its result: a caller, or a call activity."""
    turn.note(INSTANCE, "completed", process.element_id, process.key, process.key, since_ms=process.started_ms)
    for ticket, names in turn.awaited.pop(process.key).items():
        turn.journal.note(turn.awaited.add, process.key, ticket, names)
        variables = {name: row.value for name, row in turn.variables.of_scope(process.key).items()}
        if names:
            variables = {name: variables[name] for name in names if name in variables}
        turn.answer_ticket(ticket, document(variables))
    process_ended(turn, process, is_completed=True)
    advance(turn, process, COMPLETED)
