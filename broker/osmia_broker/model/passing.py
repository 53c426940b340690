"""Find the elements of a process that do nothing but pass the token on, so that the engine can take their two steps as one."""

from osmia_broker.model.graph import Element, ElementType, Process

#: The types that have no work of their own, unless the model gives them some.
PASSING = frozenset(
    {
        ElementType.START_EVENT,
        ElementType.END_EVENT,
        ElementType.INTERMEDIATE_THROW_EVENT,
        ElementType.MANUAL_TASK,
        ElementType.TASK,
        ElementType.PARALLEL_GATEWAY,
    }
)


def mark_passing(process: Process) -> None:
    """Set `only_passes` of all elements of a process that has been read as a whole."""
    for element in process.elements.values():
        element.only_passes = _only_passes(element)


def _only_passes(element: Element) -> bool:
    """Whether nothing can stop the token at *element*, and nobody can see it there: it has no work, no mapping, no listener, no event."""
    if element.type not in PASSING or element.has_conditions:
        return False
    is_thrown = element.event is not None and element.type is not ElementType.START_EVENT
    parts = (
        element.job,
        element.publish,
        element.loop,
        element.skip,
        element.inputs,
        element.outputs,
        element.start_listeners,
        element.end_listeners,
        element.boundaries,
        element.catches,
        element.is_for_compensation,
    )
    return not is_thrown and not any(parts)
