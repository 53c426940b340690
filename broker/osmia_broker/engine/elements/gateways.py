"""Gateways: they send a token over one flow or over all of them, or let tokens wait for each other."""

from osmia_broker.engine.activiti.skipping import is_taken, skips_condition
from osmia_broker.engine.lifecycle import Processor, enter, no_flow, processes
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.state.rows import ElementInstance, WaitingToken


@processes(ElementType.EXCLUSIVE_GATEWAY)
class ExclusiveGateway(Processor):
    """Takes the first flow, in document order, whose condition is true; otherwise the default flow (BPMN 2.0, 13.4.2)."""

    def outgoing(self, turn: Turn, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """Return the one flow to take. A condition that is neither true nor false is an incident, even beside a default flow."""
        for flow in element.outgoing:
            if is_taken(turn, instance, element, flow):
                return [flow]
        if element.default_flow is not None:
            return [element.default_flow]
        if not element.outgoing:
            return []
        raise no_flow()


@processes(ElementType.PARALLEL_GATEWAY)
class ParallelGateway(Processor):
    """Waits for a token from every incoming flow, then takes every outgoing one (BPMN 2.0, 13.4.1)."""

    def arrive(self, turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
        """Let the token wait. Once every incoming flow has brought one, the oldest of each flow go on together."""
        gateway = flow.target
        if len(gateway.incoming) < 2:
            super().arrive(turn, flow, scope)
            return
        _wait(turn, flow, scope)
        if turn.tokens.flows_arrived(scope.key, gateway.id) == len(gateway.incoming):
            for waiting in turn.tokens.oldest_of_each_flow(scope.key, gateway.id):
                turn.tokens.end(waiting, turn.now_ms)
            enter(turn, gateway, scope, flow.id)

    def outgoing(self, turn: Turn, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """Return all flows: a parallel gateway does not look at conditions, but at the skip expressions of the Activiti dialect."""
        if not element.has_conditions:
            return element.outgoing
        chosen = [one for one in element.outgoing if skips_condition(turn, instance, element, one) is not False]
        if not chosen:
            raise no_flow()
        return chosen


@processes(ElementType.INCLUSIVE_GATEWAY)
class InclusiveGateway(Processor):
    """Takes every flow whose condition is true, otherwise the default flow; waits for all tokens that can still arrive (BPMN 2.0, 13.4.3)."""

    def arrive(self, turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
        """Let the token wait. The step that brought it looks whether the join opens (`lifecycle/joins`)."""
        if len(flow.target.incoming) < 2:
            super().arrive(turn, flow, scope)
        else:
            _wait(turn, flow, scope)

    def outgoing(self, turn: Turn, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """Return the flows to take. A condition that is neither true nor false is an incident."""
        chosen = [flow for flow in element.outgoing if is_taken(turn, instance, element, flow)]
        if chosen or not element.outgoing:
            return chosen
        if element.default_flow is not None:
            return [element.default_flow]
        raise no_flow()


def _wait(turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
    turn.tokens.insert(
        WaitingToken(
            key=turn.next_key(),
            process_instance_key=scope.process_instance_key,
            scope_key=scope.key,
            element_id=flow.target.id,
            flow_id=flow.id,
            started_ms=turn.now_ms,
        )
    )


@processes(ElementType.EVENT_BASED_GATEWAY)
class EventBasedGateway(Processor):
    """Waits for the first of the events behind it; that one completes the gateway (`events/places`)."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Wait: the events are open already."""
