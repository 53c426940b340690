"""The elements of an ad-hoc subprocess that can be activated, and their description for those who choose among them.

The description is the variable `adHocSubProcessElements` of the subprocess, in the form that the reference gives it: `elementId`, `elementName`,
`documentation`, `properties` (`zeebe:properties`) and `parameters` (the calls of `fromAi` in the input mappings), each only if it is not empty.
"""

from osmia_broker import feel
from osmia_broker.feel import Context
from osmia_broker.model.graph import Element, ElementType

ELEMENTS_VARIABLE = "adHocSubProcessElements"


def activatable(ad_hoc: Element) -> list[Element]:
    """Return the elements that can be activated by themselves: those that no sequence flow leads to, in document order."""
    return [
        one
        for one in ad_hoc.children
        if not one.incoming and not one.is_for_compensation and one.type not in _BEGUN_BY_EVENTS
    ]


_BEGUN_BY_EVENTS = (ElementType.BOUNDARY_EVENT, ElementType.EVENT_SUB_PROCESS)


def described(ad_hoc: Element) -> str:
    """Return the JSON text of the description, which is worked out once for all instances."""
    if ad_hoc.worked_out is None:
        ad_hoc.worked_out = feel.to_json([_description(one) for one in activatable(ad_hoc)])
    text: str = ad_hoc.worked_out
    return text


def _description(element: Element) -> Context:
    sources = [mapping.source for mapping in element.inputs]
    entries = {
        "elementId": element.id,
        "elementName": element.name,
        "documentation": element.documentation,
        "properties": Context(element.properties or {}),
        "parameters": [
            parameter
            for source in sources
            if isinstance(source, feel.Expression)
            for parameter in feel.ai_parameters(source)
        ],
    }
    return Context({name: value for name, value in entries.items() if value})
