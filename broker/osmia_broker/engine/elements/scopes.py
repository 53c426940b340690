"""Scopes: the process, and the subprocesses of all kinds. They own variables, begin at a start event, and end with their last token."""

from osmia_broker.engine.lifecycle import Processor, enter, processes
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance


@processes(ElementType.PROCESS, ElementType.SUB_PROCESS, ElementType.EVENT_SUB_PROCESS, ElementType.TRANSACTION)
class Scope(Processor):
    """Waits for everything that lives in it, and completes when the last of it has left."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Go on with the elements that were prepared in the scope (a start event that has fired, start instructions), else with its none start event."""
        prepared = turn.elements.by("scope_key", instance.key)
        for child in prepared:
            turn.plan(child)
        if not prepared:
            assert element.start is not None, f"'{element.id}' was deployed without a start event"
            enter(turn, element.start, instance)
