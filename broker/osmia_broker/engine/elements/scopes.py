"""The process and the embedded subprocess: they hold variables, begin at their start event, and end with their last token."""

from osmia_broker.engine.lifecycle import Processor, enter, processes
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.state import State


@processes(ElementType.PROCESS, ElementType.SUB_PROCESS)
class Scope(Processor):
    """Waits for what lives in it; `lifecycle.complete` plans its completion when the last child has gone."""

    def activate(self, state: State, instance: ElementInstance, element: Element) -> None:
        """Enter the none start event."""
        assert element.start is not None, f"'{element.id}' was deployed without a start event"
        enter(state, element.start, instance)
