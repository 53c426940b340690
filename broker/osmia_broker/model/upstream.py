"""Which elements a token can still come from: the way back from the incoming flows of a joining gateway."""

from collections import deque

from osmia_broker.model.graph import Element


def upstream_of(gateway: Element) -> dict[str, frozenset[str]]:
    """Return, for each incoming flow of *gateway* by its id, the elements from which a token can reach it without passing the gateway.

    A boundary event is reached from its activity, a catching link event from the throwing one.
    """
    if gateway.worked_out is None:
        links = _links_in(gateway)
        gateway.worked_out = {flow.id: _way_back(flow.source, gateway, links) for flow in gateway.incoming}
    found: dict[str, frozenset[str]] = gateway.worked_out
    return found


def _way_back(first: Element, gateway: Element, links: dict[Element, list[Element]]) -> frozenset[str]:
    seen: set[Element] = set()
    pending = deque([first])
    while pending:
        element = pending.popleft()
        if element in seen or element is gateway:
            continue
        seen.add(element)
        pending.extend(flow.source for flow in element.incoming)
        pending.extend(links.get(element, ()))
        if element.attached_to is not None:
            pending.append(element.attached_to)
    return frozenset(element.id for element in seen)


def _links_in(gateway: Element) -> dict[Element, list[Element]]:
    """Return the throwing link events of each catching one, found from the elements around *gateway*."""
    links: dict[Element, list[Element]] = {}
    scope = gateway.scope
    for element in scope.children if scope is not None else ():
        if element.link_target is not None:
            links.setdefault(element.link_target, []).append(element)
    return links
