"""Gateways: where tokens are sent one of several ways, or all of them, or wait for one another."""

from osmia_broker.engine.expressions import evaluate_boolean
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import Processor, processes
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.state.rows import ElementInstance, ErrorType
from osmia_broker.state.state import State


@processes(ElementType.EXCLUSIVE_GATEWAY)
class ExclusiveGateway(Processor):
    """Takes the first flow, in document order, whose condition holds; else the default flow (BPMN 2.0, 13.4.2)."""

    def outgoing(self, state: State, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """The one flow to take; a condition that is neither true nor false is an incident, even beside a default flow."""
        for flow in element.outgoing:
            if flow is element.default_flow:
                continue
            if flow.condition is None or evaluate_boolean(state, flow.condition, instance.key):
                return [flow]
        if element.default_flow is not None:
            return [element.default_flow]
        if not element.outgoing:
            return []
        raise IncidentRaised(
            ErrorType.CONDITION_ERROR,
            f"Expected at least one condition of '{element.id}' to evaluate to true, or to have a default flow, but found neither",
        )


@processes(ElementType.PARALLEL_GATEWAY)
class ParallelGateway(Processor):
    """Takes every flow. It is entered only when `lifecycle.take` has a token from each incoming one."""
