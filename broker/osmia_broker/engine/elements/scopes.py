"""Scopes: the process, and the subprocesses of all kinds. They own variables, begin at a start event, and end with their last token."""

from osmia_broker.engine.elements.compensation import call_handlers
from osmia_broker.engine.elements.events import throws
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.waiting import close_events
from osmia_broker.engine.lifecycle import Processor, enter, model_of, plan_completion, processes, terminate_inside
from osmia_broker.engine.turn import Turn
from osmia_broker.model.events import CancelEvent, Trigger
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance


@processes(ElementType.PROCESS, ElementType.SUB_PROCESS, ElementType.EVENT_SUB_PROCESS)
class Scope(Processor):
    """Waits for everything that lives in it, and completes when the last of it has left."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Go on with the elements that were prepared in the scope; without any, with its none start event.

        A start event that has fired, and start instructions, prepare elements.
        """
        prepared = turn.elements.by("scope_key", instance.key)
        for child in prepared:
            turn.plan(child)
        if not prepared:
            assert element.start is not None, f"'{element.id}' was deployed without a start event"
            enter(turn, element.start, instance)


@processes(ElementType.TRANSACTION)
class Transaction(Scope):
    """A subprocess that can be cancelled: what its activities have done is compensated, and it is left by its cancel boundary event."""

    def child_completes(self, turn: Turn, scope: ElementInstance, child: ElementInstance, element: Element) -> None:
        """Leave the transaction when its cancel end event completes, after all compensation.

        Of a transaction with a loop, the boundary event belongs to the body, so it ends all instances.
        """
        if element.type is ElementType.END_EVENT and isinstance(element.event, CancelEvent):
            boundaries = model_of(turn, scope).boundaries
            caught = next((event for event in boundaries if isinstance(event.event, CancelEvent)), None)
            if caught is not None:
                fire(turn, turn.elements[scope.scope_key] if scope.loop_counter else scope, caught, {})


@throws(Trigger.CANCEL)
def cancel(turn: Turn, instance: ElementInstance, _element: Element) -> None:
    """End everything else in the transaction, and compensate what has completed (BPMN 2.0, 13.5.2). No event subprocess begins any more."""
    scope = turn.elements[instance.scope_key]
    close_events(turn, scope, frozenset(event.id for event in model_of(turn, scope).catches))
    terminate_inside(turn, scope, spared=instance)
    if not call_handlers(turn, instance, scope):
        plan_completion(turn, instance)
