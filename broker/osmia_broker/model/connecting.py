"""Connect the events of a process that has been read: start events with their scopes, links, and what each element waits for."""

from osmia_broker.model.events import FROM_OUTSIDE, LinkEvent
from osmia_broker.model.faults import Faults, quote
from osmia_broker.model.graph import ACTIVITIES, SCOPES, Element, ElementType, Process


def connect_events(process: Process, faults: Faults) -> None:
    """Fill the fields of the elements that follow from other elements."""
    for element in process.elements.values():
        if element.type in SCOPES:
            _connect_scope(element, faults)
        handler = element.compensation_handler
        if handler is not None and not (handler.incoming or handler.outgoing):
            # The association says it, too: the published model of the reference asks for no more.
            handler.is_for_compensation = handler.is_for_compensation or handler.type in ACTIVITIES
    for element in process.elements.values():
        element.catches = tuple(
            event for event in _caught_by(element) if event.event is not None and event.event.trigger in FROM_OUTSIDE
        )


def _connect_scope(scope: Element, faults: Faults) -> None:
    starts = [child for child in scope.children if child.type is ElementType.START_EVENT]
    if scope.type is ElementType.EVENT_SUB_PROCESS:
        scope.start = starts[0] if starts else None
    else:
        scope.start = next((start for start in starts if start.event is None), None)
        scope.event_starts = tuple(start for start in starts if start.event is not None)
    scope.event_subprocesses = tuple(child for child in scope.children if child.type is ElementType.EVENT_SUB_PROCESS)
    _connect_links(scope, faults)


def _connect_links(scope: Element, faults: Faults) -> None:
    catching: dict[str, Element] = {}
    links = [(child, child.event) for child in scope.children if isinstance(child.event, LinkEvent)]
    for child, link in links:
        if child.type is ElementType.INTERMEDIATE_CATCH_EVENT and catching.setdefault(link.name, child) is not child:
            faults.about(
                child.id,
                f"Multiple intermediate catch link event definitions with the same name '{quote(link.name)}' are not allowed",
            )
    for child, link in links:
        if child.type is not ElementType.INTERMEDIATE_CATCH_EVENT:
            child.link_target = catching.get(link.name)
            if child.link_target is None:
                faults.about(
                    child.id, f"Can't find a catch link event for the throw link event with name '{quote(link.name)}'"
                )


def _caught_by(element: Element) -> list[Element]:
    if element.type in (ElementType.INTERMEDIATE_CATCH_EVENT, ElementType.RECEIVE_TASK):
        return [element]
    if element.type is ElementType.EVENT_BASED_GATEWAY:
        return [flow.target for flow in element.outgoing]
    return [one.start for one in element.event_subprocesses if one.start is not None]
