"""Follow the links between decisions and knowledge models; find cycles and depths."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from lxml import etree

from osmia_broker.dmn.document import attribute, child, children, text_of
from osmia_broker.dmn.errors import Fault

KNOWLEDGE_DEPTH_MAX = 16  # models that call models; each level takes a hundred Python frames or more of about 1,000


def required(element: etree._Element, requirement: str, target: str) -> Iterator[str]:
    """Yield the ids that *element* points at by *requirement* elements with a *target* child."""
    for link in children(element, requirement):
        found = child(link, target)
        if found is not None:
            yield linked(found)


def linked(element: etree._Element) -> str:
    """Return the id in the `href` of *element*; an `href` into another namespace is returned whole.

    `#id` and `namespace#id`, with the namespace of the file itself, are the same (DMN 1.5, 13.3.2).
    """
    href = attribute(element, "href")
    own = attribute(element.getroottree().getroot(), "namespace")
    return href.removeprefix(own).removeprefix("#") if own and href.startswith(f"{own}#") else href.removeprefix("#")


def invoked(element: etree._Element) -> Iterator[str]:
    """Yield the names of the knowledge models that invocations anywhere in *element* call."""
    for invocation in element.iter("{*}invocation"):
        yield text_of(child(invocation, "literalExpression"))


def unknown(element_id: str, ids: Sequence[str], known: Mapping[str, object]) -> Iterator[Fault]:
    """Yield a fault for each of *ids* that is not *known*."""
    for id in ids:
        if id not in known:
            yield Fault(element_id, f"Unable to find a model element instance for id '{id}'")


def sort(edges: Mapping[str, Sequence[str]], plural: str) -> list[str]:
    """Return the keys of *edges* in an order in which each comes after those it requires.

    Raises:
        ValueError: they require each other in a circle; the text names *plural*.
    """
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError:
        raise ValueError(f"Invalid DMN model: Cyclic dependencies between {plural} detected.") from None


def depth(order: Sequence[str], edges: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Count the levels of requirements below each of the sorted *order*, itself included."""
    levels: dict[str, int] = {}
    for id in order:
        levels[id] = 1 + max((levels[required_id] for required_id in edges[id]), default=0)
    return levels
