"""Inclusive joins: they open when no token can arrive any more over the flows that are still empty (BPMN 2.0, 13.4.3)."""

from osmia_broker.engine.lifecycle.moves import enter
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.model.upstream import is_reached_from, reaching
from osmia_broker.state.rows import ElementInstance


def open_joins(turn: Turn, scope: ElementInstance) -> None:
    """Let each inclusive join of *scope* go on for which nothing is left to wait for.

    If there is none, joins may wait for each other: the first one opens then whose other tokens could come over a flow that has one already.
    """
    elements = turn.definitions.process(scope.process_definition_key).elements
    waiting = [elements[id] for id in sorted({token.element_id for token in turn.tokens.by("scope_key", scope.key)})]
    joins = [gateway for gateway in waiting if gateway.type is ElementType.INCLUSIVE_GATEWAY]
    has_opened = False
    for gateway in joins:
        if not _is_awaited(turn, scope, gateway):
            _open(turn, scope, gateway)
            has_opened = True
    if not has_opened and (stuck := next((one for one in joins if _waits_in_a_circle(turn, scope, one)), None)):
        _open(turn, scope, stuck)


def _open(turn: Turn, scope: ElementInstance, gateway: Element) -> None:
    tokens = turn.tokens.oldest_of_each_flow(scope.key, gateway.id)
    for token in tokens:
        turn.tokens.end(token, turn.now_ms)
    enter(turn, gateway, scope, tokens[0].flow_id)


def _is_awaited(turn: Turn, scope: ElementInstance, gateway: Element) -> bool:
    """Whether a token can still arrive over an empty flow: from an active element, or from another join."""
    return is_reached_from(
        _active(turn, scope) | _other_joins(turn, scope, gateway), gateway, _empty(turn, scope, gateway)
    )


def _waits_in_a_circle(turn: Turn, scope: ElementInstance, gateway: Element) -> bool:
    """Whether *gateway* waits for other joins alone, and each of them could take a flow that has a token as well."""
    empty = _empty(turn, scope, gateway)
    if is_reached_from(_active(turn, scope), gateway, empty):
        return False
    awaited = reaching(_other_joins(turn, scope, gateway), gateway, empty)
    return awaited == reaching(awaited, gateway, [flow for flow in gateway.incoming if flow not in empty])


def _active(turn: Turn, scope: ElementInstance) -> set[str]:
    return {instance.element_id for instance in turn.elements.by("scope_key", scope.key)}


def _other_joins(turn: Turn, scope: ElementInstance, gateway: Element) -> set[str]:
    return {token.element_id for token in turn.tokens.by("scope_key", scope.key) if token.element_id != gateway.id}


def _empty(turn: Turn, scope: ElementInstance, gateway: Element) -> list[SequenceFlow]:
    """Return the flows into *gateway* over which no token has come."""
    arrived = {token.flow_id for token in turn.tokens.by("scope_key", scope.key) if token.element_id == gateway.id}
    return [flow for flow in gateway.incoming if flow.id not in arrived]
