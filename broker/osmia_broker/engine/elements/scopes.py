"""The process and the embedded subprocess. They own variables, begin at their start event, and end with their last token."""

from osmia_broker.engine.lifecycle import Processor, enter, processes
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance


@processes(ElementType.PROCESS, ElementType.SUB_PROCESS)
class Scope(Processor):
    """Waits for everything that lives in it, and completes when the last of it has left."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Enter the none start event."""
        assert element.start is not None, f"'{element.id}' was deployed without a start event"
        enter(turn, element.start, instance)
