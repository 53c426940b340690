"""Start and end events, catching and throwing events in between, and boundary events."""

from collections.abc import Callable

from osmia_broker.engine.commands.inner import EndCallers
from osmia_broker.engine.elements.loops import end_loop, has_size
from osmia_broker.engine.elements.publishing import publish
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.signals import broadcast, broadcast_inside
from osmia_broker.engine.events.throwing import find_error_catch, throw_escalation, uncaught_error
from osmia_broker.engine.expressions import evaluate_text
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import (
    Processor,
    empty,
    enter,
    is_ending,
    plan_completion,
    processes,
    terminate_inside,
)
from osmia_broker.engine.new_instances import origin_of
from osmia_broker.engine.new_jobs import create_task_job
from osmia_broker.engine.turn import Turn
from osmia_broker.engine.variables import visible
from osmia_broker.model.events import ErrorEvent, EscalationEvent, Reach, SignalEvent, TerminateEvent, Trigger
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance, ErrorType

Throw = Callable[[Turn, ElementInstance, Element], None]


@processes(ElementType.START_EVENT, ElementType.BOUNDARY_EVENT)
class PassedEvent(Processor):
    """Passes the token on. An event with a trigger is entered when it has fired."""


@processes(ElementType.INTERMEDIATE_CATCH_EVENT, ElementType.RECEIVE_TASK)
class CatchEvent(Processor):
    """Waits until its trigger fires. A catching link event is entered by the throwing one, and passes the token on."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Wait: the event is open already."""
        if element.event is not None and element.event.trigger is Trigger.LINK:
            plan_completion(turn, instance)


@processes(ElementType.INTERMEDIATE_THROW_EVENT, ElementType.END_EVENT)
class ThrowEvent(Processor):
    """Throws its trigger and passes the token on. After an end event there is no flow, so the path ends."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Throw what the model says: by a job, or by the engine itself."""
        if element.job is not None:
            create_task_job(turn, instance, element.job)
        elif element.publish is not None:
            publish(turn, instance, element.publish)
        elif element.event is None:
            plan_completion(turn, instance)
        else:
            THROWS[element.event.trigger](turn, instance, element)


THROWS: dict[Trigger, Throw] = {}


def throws(trigger: Trigger) -> Callable[[Throw], Throw]:
    """Register the decorated function: it throws events of this *trigger*."""

    def register(throw: Throw) -> Throw:
        THROWS[trigger] = throw
        return throw

    return register


@throws(Trigger.SIGNAL)
def throw_signal(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Broadcast a signal with the variables that input mappings have made (measured: without mappings with none).

    In the Activiti dialect it carries all variables (measured on 7.1.0.M6).
    """
    signal = element.event
    assert isinstance(signal, SignalEvent), "registered for signals"
    own = {name: row.value for name, row in turn.variables.of_scope(instance.key).items()}
    variables = visible(turn, instance) if signal.carries_all else own
    name = evaluate_text(turn, signal.name, instance.key)
    if signal.stays_inside:
        broadcast_inside(turn, name, variables, instance.process_instance_key)
    else:
        broadcast(turn, name, variables)
    plan_completion(turn, instance)


@throws(Trigger.ERROR)
def throw_error(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Throw an error; the event that catches it ends this one."""
    error = element.event
    assert isinstance(error, ErrorEvent), "registered for errors"
    assert error.code is not None, f"'{element.id}' was deployed without an error code"
    code = evaluate_text(turn, error.code, instance.key)
    catch = find_error_catch(turn, instance, code)
    if catch is None:
        raise IncidentRaised(ErrorType.UNHANDLED_ERROR_EVENT, uncaught_error(turn, instance, code))
    fire(turn, catch.owner, catch.event, {}, stay_local=True)


@throws(Trigger.ESCALATION)
def escalate(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Throw an escalation, and go on unless the event that catches it interrupts."""
    escalation = element.event
    assert isinstance(escalation, EscalationEvent), "registered for escalations"
    assert escalation.code is not None, f"'{element.id}' was deployed without an escalation code"
    if not throw_escalation(turn, instance, evaluate_text(turn, escalation.code, instance.key)):
        plan_completion(turn, instance)


@throws(Trigger.TERMINATE)
def terminate_scope(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """End everything else in the scope, which is finished then; or in all scopes up to the loop or the outermost caller around it."""
    assert isinstance(element.event, TerminateEvent), "registered for terminate events"
    reach = element.event.reach
    if reach is Reach.ALL:
        _terminate_all(turn, instance)
    elif reach is Reach.LOOP and (body := _loop_around(turn, instance)) is not None:
        end_loop(turn, body)
    else:
        terminate_inside(turn, turn.elements[instance.scope_key], spared=instance)
        plan_completion(turn, instance)


def _loop_around(turn: Turn, instance: ElementInstance) -> ElementInstance | None:
    """Return the body of the innermost multi-instance that *instance* lives in; None without."""
    scope = turn.elements.get(instance.scope_key)
    while scope is not None and not (scope.type == ElementType.MULTI_INSTANCE_BODY and has_size(turn, scope)):
        scope = turn.elements.get(scope.scope_key)
    return scope


def _terminate_all(turn: Turn, instance: ElementInstance) -> None:
    origin = origin_of(turn, instance.process_instance_key)
    if origin is None or not origin.parent_process_instance_key:
        empty(turn, turn.elements[instance.process_instance_key])
    else:  # the event stays, and ends with everything else
        turn.follow(origin.root_process_instance_key, EndCallers(origin.root_process_instance_key))


@carries_out(EndCallers)
def end_callers(turn: Turn, command: EndCallers) -> None:
    """End everything in the outermost caller, which is finished then."""
    process = turn.find_element(command.process_instance_key)
    if process is not None and not is_ending(turn, process):
        empty(turn, process)


@throws(Trigger.LINK)
def follow_link(turn: Turn, instance: ElementInstance, element: Element) -> None:
    """Go on at the catching link event of the same name, in the same scope."""
    assert element.link_target is not None, f"'{element.id}' was deployed without a target"
    enter(turn, element.link_target, turn.elements[instance.scope_key])
    plan_completion(turn, instance)
