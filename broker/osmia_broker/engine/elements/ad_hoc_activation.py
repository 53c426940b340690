"""Activate elements of a running ad-hoc subprocess for a caller."""

from osmia_broker.base.errors import InvalidArgument, InvalidState, NotFound
from osmia_broker.engine.commands import ActivateAdHocElements
from osmia_broker.engine.elements.ad_hoc import activate_inside, not_activatable
from osmia_broker.engine.engine import handles
from osmia_broker.engine.lifecycle import is_ending, model_of, terminate_inside
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import ElementType
from osmia_broker.state.rows import ElementInstance, ElementState


@handles(ActivateAdHocElements)
def activate_ad_hoc_elements(turn: Turn, command: ActivateAdHocElements) -> None:
    """Activate all elements that are named, or none."""
    scope = _running(turn, command.ad_hoc_key)
    element = model_of(turn, scope)
    ids = [one.element_id for one in command.elements]
    wish = f"Expected to activate activities for ad-hoc sub-process with key '{scope.key}'"
    if len({*ids}) < len(ids):
        raise InvalidArgument(f"{wish}, but duplicate activities were given.")
    if refusal := not_activatable(element, scope.key, ids):
        raise NotFound(refusal)
    if command.cancels_remaining_instances:
        terminate_inside(turn, scope)
    for one in command.elements:
        activate_inside(turn, scope, element, one.element_id, one.variables)


def _running(turn: Turn, key: int) -> ElementInstance:
    scope = turn.find_element(key)
    if scope is None or scope.type != ElementType.AD_HOC_SUB_PROCESS or is_ending(turn, scope):
        raise NotFound(
            f"Expected to activate activities for ad-hoc sub-process but no ad-hoc sub-process instance found with key '{key}'."
        )
    refuse_suspended(turn, scope.process_instance_key, f"activate activities for ad-hoc sub-process with key '{key}'")
    if scope.state is not ElementState.ACTIVATED:
        raise InvalidState(
            f"Expected to activate activities for ad-hoc sub-process with key '{key}', but it is not active."
        )
    return scope
