"""Whether a token can still come to a joining gateway: the way back from its incoming flows."""

from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from osmia_broker.model.graph import Element, SequenceFlow


def is_reached_from(places: AbstractSet[str], gateway: Element, flows: Iterable[SequenceFlow]) -> bool:
    """Whether a token at one of the elements *places*, by id, can reach *gateway* over one of its incoming *flows*.

    A way that passes the gateway itself does not count. A boundary event is reached from its activity, a catching link event from
    the throwing one. The time is linear in the size of the process, however many flows the gateway has.
    """
    return bool(places) and any(element.id in places for element in _before(gateway, flows))


def reaching(places: AbstractSet[str], gateway: Element, flows: Iterable[SequenceFlow]) -> set[str]:
    """Return those of *places* from which a token can reach *gateway*, as in `is_reached_from`."""
    return {element.id for element in _before(gateway, flows) if element.id in places} if places else set()


def _before(gateway: Element, flows: Iterable[SequenceFlow]) -> Iterator[Element]:
    links = _links_in(gateway)
    seen: set[Element] = {gateway}
    pending = deque(flow.source for flow in flows)
    while pending:
        element = pending.popleft()
        if element in seen:
            continue
        yield element
        seen.add(element)
        pending.extend(flow.source for flow in element.incoming)
        pending.extend(links.get(element, ()))
        if element.attached_to is not None:
            pending.append(element.attached_to)


def _links_in(gateway: Element) -> dict[Element, list[Element]]:
    """Return the throwing link events of each catching one in the scope of *gateway*."""
    if gateway.worked_out is None:
        links: dict[Element, list[Element]] = {}
        for element in gateway.scope.children if gateway.scope is not None else ():
            if element.link_target is not None:
                links.setdefault(element.link_target, []).append(element)
        gateway.worked_out = links
    found: dict[Element, list[Element]] = gateway.worked_out
    return found
