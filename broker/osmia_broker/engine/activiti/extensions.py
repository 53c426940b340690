"""Find what the extension file of an Activiti process says about one element instance."""

from osmia_broker.engine.turn import Turn
from osmia_broker.model.extension_files import ElementMapping
from osmia_broker.model.graph import SCOPES, ElementType
from osmia_broker.state.rows import ElementInstance

#: The instances that hold others, whose variables go through them, and start events, which map those of the process (`process_variables`).
_UNMAPPED = SCOPES | {
    ElementType.MULTI_INSTANCE_BODY,
    ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE,
    ElementType.START_EVENT,
}


def mapping_of(turn: Turn, instance: ElementInstance) -> ElementMapping | None:
    """Return the mapping of *instance*; None if all variables go into it and out of it.

    Raises:
        Missing: the extension file must be read and compiled first.
    """
    extensions = turn.definitions.extensions(instance.process_definition_key)
    if extensions is None or instance.type in _UNMAPPED:
        return None
    return extensions.mappings.get(instance.element_id)


def sees_only_own(turn: Turn, instance: ElementInstance) -> bool:
    """Whether the work of *instance* sees its own variables alone, because a mapping chooses what goes in."""
    mapping = mapping_of(turn, instance)
    return mapping is not None and mapping.is_written and mapping.inputs is not None
