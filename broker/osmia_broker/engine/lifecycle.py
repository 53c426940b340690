"""The life of an element instance: which state may follow which, and what happens on the way.

Everything that moves a token passes through here; the files in `elements/` only say what is special about a kind of element.
A token is always a row, an element instance or a token that waits at a join, so a scope is over when it has no children left.
"""

from collections.abc import Callable
from typing import TypeVar

from osmia_broker.engine.incidents import end_incidents
from osmia_broker.engine.variables import apply_inputs, apply_outputs, document
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.state.rows import ElementInstance, ElementState, JobState, WaitingToken
from osmia_broker.state.state import State

NEXT: dict[ElementState, frozenset[ElementState]] = {
    ElementState.ACTIVATING: frozenset({ElementState.ACTIVATED}),
    ElementState.ACTIVATED: frozenset({ElementState.COMPLETING}),
    ElementState.COMPLETING: frozenset({ElementState.COMPLETED}),
}  # and every one of them may be terminated, which is an end at once


class Processor:
    """What a kind of element does when a token comes and when it goes. The base is an element that just passes it on."""

    def activate(self, state: State, instance: ElementInstance, element: Element) -> None:
        """The token has come and the input mappings are applied: go on with `plan_completion`, or leave it waiting."""
        plan_completion(state, instance)

    def outgoing(self, state: State, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """The sequence flows to take when it completes: all of them, unless the element chooses."""
        return element.outgoing


PROCESSORS: dict[ElementType, Processor] = {}
P = TypeVar("P", bound=type[Processor])


def processes(*types: ElementType) -> Callable[[P], P]:
    """Register a processor for these kinds of element."""

    def register(processor: P) -> P:
        PROCESSORS.update(dict.fromkeys(types, processor()))
        return processor

    return register


def model_of(state: State, instance: ElementInstance) -> Element:
    """The BPMN element that *instance* is a visit of."""
    return state.definitions.process(instance.process_definition_key).elements[instance.element_id]


def deployment_of(state: State, instance: ElementInstance) -> int:
    """The key of the deployment that brought the definition of *instance*."""
    definition = state.definitions.processes.get(instance.process_definition_key)
    assert definition is not None, "a running instance has a definition"
    return definition.deployment_key


def advance(state: State, instance: ElementInstance, to: ElementState) -> None:
    """Move *instance* one step of its life."""
    assert to in NEXT[instance.state], f"{instance.element_id}: {instance.state} -> {to}"
    if to is ElementState.COMPLETED:
        state.elements.end(instance, state.now_ms, state=to)
    else:
        state.elements.update(instance, state=to)


# --- coming


def enter(state: State, element: Element, scope: ElementInstance, entered_by: str = "") -> ElementInstance:
    """Put a token on *element* inside *scope*; its activation goes on the agenda."""
    instance = ElementInstance(
        key=state.next_key(),
        process_instance_key=scope.process_instance_key,
        process_definition_key=scope.process_definition_key,
        element_id=element.id,
        type=element.type,
        state=ElementState.ACTIVATING,
        scope_key=scope.key,
        entered_by=entered_by,
        started_ms=state.now_ms,
    )
    state.elements.insert(instance)
    state.agenda.append((activate, instance))
    return instance


def activate(state: State, instance: ElementInstance) -> None:
    """The step in which an element is entered; repeated when an incident in it is resolved."""
    element = model_of(state, instance)
    if element.inputs:
        apply_inputs(state, instance, element.inputs)
    advance(state, instance, ElementState.ACTIVATED)
    PROCESSORS[element.type].activate(state, instance, element)


# --- going


def plan_completion(state: State, instance: ElementInstance) -> None:
    """Nothing holds *instance* any longer: its completion goes on the agenda."""
    advance(state, instance, ElementState.COMPLETING)
    state.agenda.append((complete, instance))


def complete(state: State, instance: ElementInstance) -> None:
    """The step in which an element is left; repeated when an incident in it is resolved."""
    element = model_of(state, instance)
    if element.outputs:
        apply_outputs(state, instance, element.outputs)
    flows = PROCESSORS[element.type].outgoing(state, instance, element)
    scope = state.elements.get(instance.scope_key)
    for flow in flows:
        assert scope is not None, "only a process stands in no scope, and no flow leaves it"
        take(state, flow, scope)
    if scope is None:
        state.note_event("instance", instance.element_id, "completed")
        _answer_waiter(state, instance)
    advance(state, instance, ElementState.COMPLETED)
    state.variables.close_scope(instance.key)
    if scope is not None and scope.key not in state.children:
        plan_completion(state, scope)


def take(state: State, flow: SequenceFlow, scope: ElementInstance) -> None:
    """Follow a sequence flow: enter its target, or wait there if it joins flows that have not all come."""
    target = flow.target
    if target.type is ElementType.PARALLEL_GATEWAY and len(target.incoming) > 1:
        _arrive(state, flow, scope)
    else:
        enter(state, target, scope, flow.id)


def _arrive(state: State, flow: SequenceFlow, scope: ElementInstance) -> None:
    """One more token waits at a join; with one for every incoming flow, the oldest of each go on together (BPMN 2.0, 13.4.1)."""
    token = WaitingToken(
        key=state.next_key(),
        process_instance_key=scope.process_instance_key,
        scope_key=scope.key,
        element_id=flow.target.id,
        flow_id=flow.id,
        started_ms=state.now_ms,
    )
    state.tokens.insert(token)
    oldest: dict[str, WaitingToken] = {}
    for waiting in state.tokens.of_instance(scope.process_instance_key):
        if waiting.element_id == flow.target.id and waiting.scope_key == scope.key:
            oldest.setdefault(waiting.flow_id, waiting)
    if len(oldest) == len(flow.target.incoming):
        for waiting in oldest.values():
            state.tokens.end(waiting, state.now_ms)
        enter(state, flow.target, scope, flow.id)


def _answer_waiter(state: State, process: ElementInstance) -> None:
    """A process completes: whoever waits for its result gets its variables."""
    waiting = state.awaited.pop(process.key, None)
    if waiting is None:
        return
    state.journal.note(state.awaited.__setitem__, process.key, waiting)
    waiter, names = waiting
    variables = {name: row.value for name, row in state.variables.of_scope(process.key).items()}
    if names:
        variables = {name: variables[name] for name in names if name in variables}
    state.results.append((waiter, document(variables)))
    state.journal.note(state.results.pop)


# --- being ended


def terminate(state: State, instance: ElementInstance) -> None:
    """End *instance* and all that lives in it, at once: its jobs are gone, its incidents closed."""
    doomed = _within(state, instance)
    keys = {inner.key for inner in doomed}
    for job in state.jobs.of_instance(instance.process_instance_key):
        if job.element_instance_key in keys:
            state.jobs.end(job, state.now_ms, state=JobState.CANCELED, deadline_ms=0)
            state.note_event("job", job.type, "canceled")
    for token in state.tokens.of_instance(instance.process_instance_key):
        if token.scope_key in keys:
            state.tokens.end(token, state.now_ms)
    end_incidents(state, instance.process_instance_key, keys)
    for inner in doomed:
        if not inner.scope_key:
            state.note_event("instance", inner.element_id, "canceled")
        state.elements.end(inner, state.now_ms, state=ElementState.TERMINATED)
        state.variables.close_scope(inner.key)


def _within(state: State, outermost: ElementInstance) -> list[ElementInstance]:
    """*outermost* and everything below it, the innermost first. A child's key is above its scope's, so one pass finds them."""
    keys = {outermost.key}
    found = []
    for instance in state.elements.of_instance(outermost.process_instance_key):
        if instance.key in keys or instance.scope_key in keys:
            keys.add(instance.key)
            found.append(instance)
    return found[::-1]
