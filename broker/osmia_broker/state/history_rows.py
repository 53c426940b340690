"""The rows of history alone: the engine writes them once and never reads them (`notes`)."""

from dataclasses import dataclass

from osmia_broker.state.kinds import stored


@stored("message_correlations")
@dataclass(slots=True)
class MessageCorrelation:
    """A message that has reached an event. It is history: it is written once, and never read by the engine."""

    key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    element_id: str
    element_instance_key: int  # the element instance that waited; 0 of a start event
    subscription_key: int
    message_key: int
    message_name: str
    correlation_key: str
    at_ms: int
