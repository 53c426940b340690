"""Start and end events without a trigger: the token passes."""

from osmia_broker.engine.lifecycle import Processor, processes
from osmia_broker.model.graph import ElementType


@processes(ElementType.START_EVENT, ElementType.END_EVENT)
class NoneEvent(Processor):
    """Passes the token on; after an end event no flow leads on and the path ends."""
