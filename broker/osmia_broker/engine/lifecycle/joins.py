"""Inclusive joins: they open when no token can arrive any more over the flows that are still empty (BPMN 2.0, 13.4.3)."""

from osmia_broker.engine.lifecycle.moves import enter
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.model.upstream import is_reached_from, reaching
from osmia_broker.state.rows import ElementInstance


def open_joins(turn: Turn, scope: ElementInstance) -> None:
    """Let each inclusive join of *scope* go on for which nothing is left to wait for."""
    elements = turn.definitions.process(scope.process_definition_key).elements
    waiting = {token.element_id for token in turn.tokens.by("scope_key", scope.key)}
    for id in sorted(waiting):
        gateway = elements[id]
        if gateway.type is ElementType.INCLUSIVE_GATEWAY and not _may_still_arrive(turn, scope, gateway):
            tokens = turn.tokens.oldest_of_each_flow(scope.key, id)
            for token in tokens:
                turn.tokens.end(token, turn.now_ms)
            enter(turn, gateway, scope, tokens[0].flow_id)


def _may_still_arrive(turn: Turn, scope: ElementInstance, gateway: Element) -> bool:
    tokens = turn.tokens.by("scope_key", scope.key)
    arrived = {token.flow_id for token in tokens if token.element_id == gateway.id}
    empty = [flow for flow in gateway.incoming if flow.id not in arrived]
    if is_reached_from({instance.element_id for instance in turn.elements.by("scope_key", scope.key)}, gateway, empty):
        return True
    joins = {token.element_id for token in tokens if token.element_id != gateway.id}
    waited_for = reaching(joins, gateway, empty)
    # A token at a join that could take a flow which has a token, too, is not waited for: it may itself wait for this one.
    return bool(waited_for - reaching(waited_for, gateway, [flow for flow in gateway.incoming if flow.id in arrived]))
