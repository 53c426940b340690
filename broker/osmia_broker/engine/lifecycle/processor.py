"""The hooks for what is special about a kind of element, and the registry of all kinds.

The dispatch goes by the type of the element *instance*, not of the model's element: several types of instance may share one element.
"""

from collections.abc import Callable
from typing import TypeVar

from osmia_broker.engine.activiti.skipping import is_taken
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle.joins import open_joins
from osmia_broker.engine.lifecycle.moves import ACTIVATED, enter, is_empty, plan_completion
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.state.rows import ElementInstance, ErrorType


class Processor:
    """The behaviour of a kind of element. The base passes the token on."""

    def arrive(self, turn: Turn, flow: SequenceFlow, scope: ElementInstance) -> None:
        """Handle a token that comes over *flow*: enter the target, or let the token wait for others."""
        enter(turn, flow.target, scope, flow.id)

    def prepare(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Put what the input mappings of the element may read. Asked of ad-hoc subprocesses only."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Begin the element's own work, after its input mappings: plan its completion, or leave it waiting."""
        plan_completion(turn, instance)

    def child_completes(self, turn: Turn, scope: ElementInstance, child: ElementInstance, element: Element) -> None:
        """Handle that *child*, which lives in *scope*, is about to complete; its variables are still there."""

    def child_terminated(self, turn: Turn, scope: ElementInstance) -> None:
        """Handle that something which lives in *scope* is about to be terminated, and *scope* is not."""

    def child_left(self, turn: Turn, scope: ElementInstance) -> None:
        """Handle that something which lived in *scope* has ended: complete the scope once it is empty, and open joins that waited for it."""
        if scope.state is not ACTIVATED:
            return
        if is_empty(turn, scope):
            plan_completion(turn, scope)
        elif turn.tokens.has_any("scope_key", scope.key):
            open_joins(turn, scope)

    def has_more(self, turn: Turn, scope: ElementInstance) -> bool:
        """Return whether *scope* still has something to do although nothing lives in it: it is not ended with the last that was terminated."""
        return False

    def outgoing(self, turn: Turn, instance: ElementInstance, element: Element) -> list[SequenceFlow]:
        """Return the sequence flows to take at completion: all of them, unless the element or their conditions choose."""
        if not element.has_conditions:
            return element.outgoing
        chosen = [flow for flow in element.outgoing if is_taken(turn, instance, element, flow)]
        if chosen:
            return chosen
        if element.default_flow is not None:
            return [element.default_flow]
        raise no_flow()

    def holds_end(self, turn: Turn, instance: ElementInstance) -> bool:
        """Return whether *instance*, which is to be terminated, has something to do before its end; let that begin."""
        return False

    def terminated(self, turn: Turn, instance: ElementInstance) -> None:
        """Clean up outside of *instance*, which is being terminated with everything inside it."""


def no_flow() -> IncidentRaised:
    """Return the incident of an element none of whose flows can be taken."""
    return IncidentRaised(
        ErrorType.CONDITION_ERROR, "Expected at least one condition to evaluate to true, or to have a default flow"
    )


PROCESSORS: dict[str, Processor] = {}
P = TypeVar("P", bound=type[Processor])


def processes(*types: ElementType) -> Callable[[P], P]:
    """Register the decorated processor for these types of element instance."""

    def register(processor: P) -> P:
        PROCESSORS.update(dict.fromkeys(types, processor()))
        return processor

    return register
