"""Errors and escalations: thrown inside a process instance, and caught by the nearest event outwards.

The search goes from the thrower outwards, place by place: the boundary events of an activity, then the event subprocesses of the scope around
it, then the boundary events of that scope, and from a called process to its call activity. At one place the exact code wins over an event
that catches every code.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from osmia_broker.engine.events.places import fire
from osmia_broker.engine.expressions import evaluate_text
from osmia_broker.engine.lifecycle import CONTAINERS, model_of
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.suspension.held_rows import CallerSuspended, is_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import ErrorEvent, EscalationEvent
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance


class Catch(NamedTuple):
    """The event that catches, and the element instance that it belongs to."""

    owner: ElementInstance
    event: Element


def find_error_catch(turn: Turn, thrower: ElementInstance, code: str) -> Catch | None:
    """Return the nearest catch of an error with this *code*; None if there is none.

    Raises:
        Missing: a caller is not resident.
        CallerSuspended: it would be beyond a caller that is suspended.

    """
    return _find(turn, thrower, ErrorEvent, code)


def uncaught_error(turn: Turn, thrower: ElementInstance | None, code: str, message: str = "") -> str:
    """Return the text of the incident of an error that nothing catches: it lists the codes that would be caught, the nearest first.

    Without a *thrower*, nothing could catch the error.
    """
    places = () if thrower is None else _places(turn, thrower)
    codes = dict.fromkeys(
        evaluate_text(turn, event.event.code, 0)
        for _, events in places
        for event in events
        if isinstance(event.event, ErrorEvent) and event.event.code is not None
    )
    return (
        f"Expected to throw an error event with the code '{code}'"
        + (f" with message '{message}'" if message else "")
        + ", but it was not caught. "
        + (
            f"Available error events are [{', '.join(codes)}]"
            if codes
            else "No error events are available in the scope."
        )
    )


def throw_escalation(turn: Turn, thrower: ElementInstance, code: str) -> bool:
    """Throw an escalation; return whether the event that caught it ends *thrower*. If nobody catches it, nothing happens."""
    catch = _find(turn, thrower, EscalationEvent, code)
    return catch is not None and fire(turn, catch.owner, catch.event, {}) and catch.event.is_interrupting


def _find(turn: Turn, thrower: ElementInstance, trigger: type, code: str) -> Catch | None:
    for owner, events in _places(turn, thrower):
        event = _catching(turn, events, trigger, code)
        if event is not None:
            return Catch(owner, event)
    return None


def _places(turn: Turn, thrower: ElementInstance) -> Iterator[tuple[ElementInstance, Iterable[Element]]]:
    """Yield each place outwards: the element instance, and the events of it that may catch."""
    inner: ElementInstance | None = thrower
    while inner is not None:
        if not inner.loop_counter and inner.type != ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE:
            # the boundary events of a loop belong to its body, those of an ad-hoc subprocess to the whole
            yield inner, model_of(turn, inner).boundaries
        scope = turn.elements.get(inner.scope_key)
        if scope is None:
            inner = _call_activity(turn, inner)
            continue
        if scope.type not in CONTAINERS:
            starts = {one.id: one.start for one in model_of(turn, scope).event_subprocesses if one.start is not None}
            own = starts.pop(inner.element_id, None)
            # One that has interrupted the scope is all that lives there, and no other begins.
            if own is None or not own.is_interrupting:
                yield scope, starts.values()
        inner = scope


def _call_activity(turn: Turn, process: ElementInstance) -> ElementInstance | None:
    origin = origin_of(turn, process.key)
    if origin is None or not origin.parent_element_instance_key:
        return None
    activity = turn.find_element(origin.parent_element_instance_key)
    if activity is not None and is_suspended(turn, activity.process_instance_key):
        raise CallerSuspended(
            f"Expected the callers of process instance '{process.key}' to be running, but process instance"
            f" '{activity.process_instance_key}' is suspended"
        )
    return activity


def _catching(turn: Turn, events: Iterable[Element], trigger: type, code: str) -> Element | None:
    catch_all = None
    for event in events:
        caught = event.event
        if not isinstance(caught, trigger):
            continue
        assert isinstance(caught, ErrorEvent | EscalationEvent)
        if caught.code is None:
            catch_all = catch_all or event
        elif evaluate_text(turn, caught.code, 0) == code:
            return event
    return catch_all
