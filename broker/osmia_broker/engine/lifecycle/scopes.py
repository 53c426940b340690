"""Whole scopes: opened from outside without their start event, and ended with everything that lives in them."""

from osmia_broker.engine.domain_events import INSTANCE, JOB
from osmia_broker.engine.lifecycle.ended import process_ended
from osmia_broker.engine.lifecycle.moves import advance, insert
from osmia_broker.engine.lifecycle.processor import PROCESSORS
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element
from osmia_broker.state.rows import ElementInstance, ElementState, JobState


def open_scopes(turn: Turn, scope: Element, opened: dict[str, ElementInstance]) -> ElementInstance:
    """Return the instance of *scope*, and add it and all around it that had to be opened to *opened* by element id.

    *opened* holds the scopes that are there already; the process at least. A new scope is prepared: when it is activated, it goes on with the
    elements that were put into it, instead of its start event (`elements/scopes`). The outermost new one is planned if what is around it is
    active.
    """
    chain: list[Element] = []
    inner: Element | None = scope
    while inner is not None and inner.id not in opened:
        chain.append(inner)
        inner = inner.scope
    for element in reversed(chain):
        assert element.scope is not None, "the process is open"
        outer = opened[element.scope.id]
        instance = insert(turn, element, outer)
        if outer.state is ElementState.ACTIVATED:
            turn.plan(instance)
        opened[element.id] = instance
    return opened[scope.id]


def put_into(turn: Turn, element: Element, scope: ElementInstance) -> ElementInstance:
    """Put a token on *element* inside *scope*: planned now, or with the activation of a scope that is only prepared."""
    instance = insert(turn, element, scope)
    if scope.state is ElementState.ACTIVATED:
        turn.plan(instance)
    return instance


def terminate(turn: Turn, instance: ElementInstance) -> None:
    """End *instance* and everything that lives in it, the innermost first: jobs are cancelled, incidents closed.

    The scope around *instance* is left as it is, even if it is empty now.
    """
    for inner in reversed(_with_all_inside(turn, instance)):
        PROCESSORS[inner.type].terminated(turn, inner)
        _clear(turn, inner)
        if not inner.scope_key:
            _cancel(turn, inner)
        advance(turn, inner, ElementState.TERMINATED)


def _with_all_inside(turn: Turn, outermost: ElementInstance) -> list[ElementInstance]:
    """Return *outermost* and all element instances inside it, each after the scope that it lives in."""
    found = [outermost]
    for scope in found:  # grows while it is walked
        found.extend(turn.elements.by("scope_key", scope.key))
    return found


def terminate_inside(turn: Turn, scope: ElementInstance, spared: ElementInstance | None = None) -> None:
    """End everything that lives in *scope*, but not the scope itself and not *spared*."""
    for child in turn.elements.by("scope_key", scope.key):
        if child is not spared:
            terminate(turn, child)
    for token in turn.tokens.by("scope_key", scope.key):
        turn.tokens.end(token, turn.now_ms)


def _clear(turn: Turn, instance: ElementInstance) -> None:
    for job in turn.jobs.by("element_instance_key", instance.key):
        turn.jobs.end(job, turn.now_ms, state=JobState.CANCELED, deadline_ms=0)
        turn.note(JOB, "canceled", job.type, job.key, job.process_instance_key)
    for token in turn.tokens.by("scope_key", instance.key):
        turn.tokens.end(token, turn.now_ms)
    for table in (turn.incidents, turn.timers, turn.subscriptions, turn.called, turn.loops, turn.loop_results):
        for row in table.by("element_instance_key", instance.key):
            table.end(row, turn.now_ms)
    for compensation in turn.compensations.by("scope_key", instance.key):
        turn.compensations.end(compensation, turn.now_ms)


def _cancel(turn: Turn, process: ElementInstance) -> None:
    """Drop what belongs to a process instance as a whole. A caller who waits for its result waits on until its time is over (measured)."""
    turn.note(INSTANCE, "canceled", process.element_id, process.key, process.key)
    process_ended(turn, process, is_completed=False)
    for follow_up in turn.follow_ups.of_instance(process.key):
        turn.follow_ups.delete(follow_up)
    waiting = turn.awaited.pop(process.key)
    if waiting is not None:
        turn.journal.note(turn.awaited.add, process.key, *waiting)
