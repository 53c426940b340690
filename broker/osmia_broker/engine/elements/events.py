"""Start and end events without a trigger."""

from osmia_broker.engine.lifecycle import Processor, processes
from osmia_broker.model.graph import ElementType


@processes(ElementType.START_EVENT, ElementType.END_EVENT)
class NoneEvent(Processor):
    """Passes the token on. After an end event there is no flow, so the path ends."""
