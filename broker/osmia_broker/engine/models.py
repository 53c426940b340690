"""Find the BPMN element of an element instance."""

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element
from osmia_broker.state.rows import ElementInstance


def model_of(turn: Turn, instance: ElementInstance) -> Element:
    """Return the BPMN element that *instance* is a visit of.

    Raises:
        Missing: the model must be compiled first.
        InvalidState: this version cannot read the stored model, or the row is corrupt.

    """
    element = turn.definitions.process(instance.process_definition_key).elements.get(instance.element_id)
    if element is None:
        raise InvalidState(
            f"Expected the stored row of element instance '{instance.key}' to be readable,"
            f" but found that its process has no element '{instance.element_id}'"
        )
    return element
